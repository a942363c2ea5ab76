import dataclasses
import json
import math

import pytest

from bench.contracts import FLOPS, ITEMS, Compact, Decoding, Example, Limit
from bench.engines.torch import Torch
from bench.errors import FIRST_DOES_NOT_FIT, CheckpointError, OverBudget
from bench.models.random import Random
from bench.training.batches import encode
from bench.training.checkpoints import load
from bench.training.finetuned import Finetuned
from bench.training.generated import Predictions, PseudoLabels
from bench.training.recipes import Pretrained, Shrunk
from bench.training.settings import Tuning
from bench.training.shrinking import layer_counts
from bench.training.speed import InferenceSpeed

one_family = pytest.mark.parametrize("family", ["pegasus"], indirect=True)
"""For what does not depend on the family."""

two_families = pytest.mark.parametrize("family", ["pegasus", "llama"], indirect=True)
"""For what differs between encoder-decoders and decoder-only models alone."""

QUICK = Tuning(epochs=1, batch_size=4)


def _finetuned(base, examples, **changes):
    fields = {"tuning": QUICK, "prefix": "sum: ", "max_source_tokens": 32, "max_target_tokens": 12, "precision": "fp32", "seed": 0}
    return Finetuned(base=base, examples=examples, **{**fields, **changes})


def _predictions(model, examples, prefix, max_target_tokens, decoding):
    return Predictions(
        model=model,
        examples=examples,
        prefix=prefix,
        max_source_tokens=32,
        max_target_tokens=max_target_tokens,
        decoding=decoding,
        engine=Torch(),
        precision="fp32",
    )


def _pseudo_labels(teacher, examples, **changes):
    fields = {"prefix": "", "max_source_tokens": 32, "max_target_tokens": 6, "decoding": Decoding(batch_size=4)}
    return PseudoLabels(model=teacher, examples=examples, engine=Torch(), precision="fp32", **{**fields, **changes})


@two_families
def test_a_pretrained_artifact_copies_no_weights(shop, pretrained, checkpoint, cache):
    assert not list(shop.make(pretrained).iterdir())
    assert pretrained.folder(shop.context()) == checkpoint.folder(cache)
    assert pretrained.forecast_flops(shop.context()) == 0


@two_families
def test_a_shrunk_model_has_the_compact_shape_and_says_whose_layers_it_kept(shop, pretrained):
    folder = shop.make(Shrunk(pretrained, Compact(decoder_layers=2)))
    encoder_layers, _ = layer_counts(pretrained.config(shop.cache))
    assert layer_counts(load(folder)[0].config) == (encoder_layers, 2)
    assert json.loads((folder / "shrinking.json").read_text()) == {
        "encoder": {"layers": list(range(encoder_layers)), "of": encoder_layers, "rule": "all"},
        "decoder": {"layers": [0, 3], "of": 4, "rule": "evenly spaced"},
    }


@two_families
def test_shapes_are_known_before_anything_is_made(shop, pretrained, cache, examples):
    once = Shrunk(pretrained, Compact(decoder_layers=(0, 2, 2)))
    twice = Shrunk(_finetuned(once, examples), Compact(decoder_layers=1))
    assert twice.origin == pretrained
    assert layer_counts(twice.config(cache))[1] == 1
    assert twice.flop_model(cache).decoder * 4 == pretrained.flop_model(cache).decoder
    assert not shop.made
    with pytest.raises(CheckpointError, match=r"decoder.* 5 .* 4$"):
        Shrunk(pretrained, Compact(decoder_layers=5)).flop_model(cache)


@one_family
def test_layers_that_are_not_there_are_refused_before_anything_is_made(shop, pretrained):
    with pytest.raises(CheckpointError, match="no layer 4"):
        Shrunk(pretrained, Compact(encoder_layers=(0, 4))).forecast_flops(shop.context())


@one_family
def test_what_is_untrained_has_the_same_architecture_and_no_training(shop, pretrained, examples):
    shape = Compact(decoder_layers=(0, 3))
    student = _finetuned(Shrunk(_finetuned(pretrained, examples), shape), examples)
    assert student.untrained == Shrunk(pretrained, shape)
    assert _finetuned(pretrained, examples).untrained == pretrained.untrained == pretrained
    assert student.untrained.config(shop.cache).to_dict() == student.config(shop.cache).to_dict()


@pytest.mark.parametrize(
    ("family", "freeze"),
    [*((family, freeze) for family in ("t5_v1_1", "llama") for freeze in ("none", "embeddings")), ("pegasus", "encoder")],
    indirect=["family"],
)
def test_the_forecast_of_a_training_is_what_it_tallies(shop, pretrained, examples, freeze):
    recipe = _finetuned(Shrunk(pretrained, Compact(decoder_layers=2)), examples, tuning=Tuning(epochs=2, batch_size=5, freeze=freeze))
    forecast = recipe.forecast_flops(shop.context())
    shop.make(recipe)
    assert forecast == sum(shop.made[recipe.key].steps) > 0


@two_families
def test_a_training_is_the_same_to_the_bit_when_made_twice(shop, pretrained, examples, tmp_path):
    recipe = _finetuned(pretrained, examples, tuning=Tuning(epochs=1, batch_size=4, dropout=0.1))
    first = shop.make(recipe)
    again = tmp_path / "again"
    again.mkdir()
    recipe.make(again, shop.context())
    assert (first / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()


@one_family
def test_a_training_records_what_became_of_it(shop, pretrained, examples):
    record = json.loads((shop.make(_finetuned(pretrained, examples)) / "training.json").read_text())
    assert (record["steps_planned"], record["steps_made"], record["examples_seen"]) == (3, 3, 12)
    assert record["loss"] > 0


@one_family
def test_a_limited_training_ends_early(shop, pretrained, examples):
    whole = _finetuned(pretrained, examples)
    money = 0.7 * whole.forecast_flops(shop.context())
    folder = shop.make(whole.limited_to(Limit(meter=FLOPS, amount=money)), allowance=money)
    record = json.loads((folder / "training.json").read_text())
    assert record["steps_made"] < record["steps_planned"] == 3


def test_a_tuned_model_learns_what_it_is_shown(shop, examples):
    """End to end: after enough steps a tiny model says the answers by heart."""
    tuning = Tuning(epochs=150, batch_size=4, learning_rate=1e-2, freeze="none")
    few = examples[:4]
    model = _finetuned(Pretrained(Random(encoder_layers=1, decoder_layers=1)), few, tuning=tuning)
    recipe = _predictions(model, few, prefix="sum: ", max_target_tokens=12, decoding=Decoding())
    assert recipe.read(shop.make(recipe)) == [e.target for e in few]


@pytest.mark.parametrize(("positions", "source", "target"), [("bart", 1025, 12), ("pegasus", 12, 1025), ("llama", 1000, 25)])
def test_longer_texts_than_a_model_has_positions_for_are_refused(shop, positions, source, target, examples):
    """A decoder-only model reads document and label in a row."""
    recipe = _finetuned(Pretrained(Random(family=positions)), examples, max_source_tokens=source, max_target_tokens=target)
    with pytest.raises(CheckpointError, match=r"gives 1024 positions, .* need 1025;"):
        recipe.forecast_flops(shop.context())


@one_family
def test_labels_are_pretended_to_be_as_long_as_allowed_also_of_short_documents(shop, pretrained):
    pool = (Example("a", "one two"), Example("b", ""), Example("c", "a document of many words " * 9))
    recipe = _pseudo_labels(pretrained, pool)
    placeholders = recipe.placeholder(shop.context())
    assert placeholders[0].target.split() == pool[0].source.split() * 3
    assert {len(e.target) for e in encode(pretrained.folder(shop.context()), placeholders, "", 32, 6)} == {6}


@two_families
def test_pseudo_labels_are_what_the_teacher_says(shop, pretrained, examples):
    pool = tuple(Example(e.id, e.source) for e in examples)
    recipe = _pseudo_labels(pretrained, pool)
    folder = shop.make(recipe)
    predictions = _predictions(pretrained, pool, prefix="", max_target_tokens=6, decoding=Decoding(batch_size=4))
    said = dict(zip((e.id for e in pool), predictions.read(shop.make(predictions)), strict=True))
    labels = recipe.read(folder)
    assert {e.id: e.target for e in labels} == said
    counts = json.loads((folder / "labelling.json").read_text())
    assert (counts["documents"], counts["empty"]) == (len(pool), sum(not text for text in said.values()))


@one_family
def test_pseudo_labels_of_the_greatest_length_take_what_was_forecast(shop, pretrained, examples):
    recipe = _pseudo_labels(pretrained, examples[:1])
    tokens = json.loads((shop.make(recipe) / "labelling.json").read_text())["tokens"]
    exactly = dataclasses.replace(recipe, max_target_tokens=tokens)
    assert exactly.forecast_flops(shop.context()) == sum(shop.made[recipe.key].steps)
    assert recipe.forecast_flops(shop.context()) >= exactly.forecast_flops(shop.context())


@one_family
def test_limited_pseudo_labels_are_fewer(shop, pretrained, examples):
    whole = _pseudo_labels(pretrained, examples)
    shop.make(whole)
    money = 0.5 * sum(shop.made[whole.key].steps)
    fewer = whole.limited_to(Limit(meter=FLOPS, amount=money))
    folder = shop.make(fewer, allowance=money)
    assert 0 < json.loads((folder / "labelling.json").read_text())["documents"] < len(examples)
    assert set(fewer.read(folder)) <= set(whole.read(shop.artifact(whole)))


@one_family
def test_documents_are_limited_by_their_number_as_well(shop, pretrained, examples):
    five = _pseudo_labels(pretrained, examples).limited_to(Limit(meter=ITEMS, amount=5))
    assert five.forecast_items(shop.context()) == len(five.placeholder(shop.context())) == 5


@one_family
def test_pseudo_labels_that_money_buys_none_of_are_over_budget(shop, pretrained, examples):
    with pytest.raises(OverBudget, match=FIRST_DOES_NOT_FIT):
        shop.make(_pseudo_labels(pretrained, examples).limited_to(Limit(meter=FLOPS, amount=1.0)), allowance=1.0)


@one_family
def test_a_forecast_within_a_limit_counts_the_documents_that_fit(shop, pretrained, examples):
    whole = _pseudo_labels(pretrained, examples)
    half = whole.limited_to(Limit(meter=FLOPS, amount=0.5 * whole.forecast_flops(shop.context())))
    assert 0 < half.forecast_flops(shop.context()) <= half.limit.amount
    assert 0 < len(half.placeholder(shop.context())) < len(examples)
    with pytest.raises(OverBudget):
        whole.limited_to(Limit(meter=FLOPS, amount=1.0)).forecast_flops(shop.context())


@one_family
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_documents_that_fit_a_limit_are_those_that_are_labelled_where_outputs_are_as_long_as_allowed(shop, pretrained, examples, share):
    longest_last = tuple(sorted(examples, key=lambda e: len(e.source)))
    whole = _pseudo_labels(pretrained, longest_last, min_target_tokens=6)
    part = whole.limited_to(Limit(meter=FLOPS, amount=share * whole.forecast_flops(shop.context())))
    labelled = part.read(shop.make(part, allowance=part.limit.amount))
    assert {e.id for e in labelled} == {e.id for e in part.placeholder(shop.context())}
    assert sum(shop.made[part.key].steps) == pytest.approx(part.forecast_flops(shop.context()))


@one_family
def test_where_the_longest_document_does_not_fit_neither_forecast_nor_work_labels_a_shorter_one(shop, pretrained):
    pool = (Example("short", "a"), Example("long", "a list of names " * 6))
    whole = _pseudo_labels(pretrained, pool, min_target_tokens=6)
    short = _pseudo_labels(pretrained, pool[:1]).forecast_flops(shop.context())
    part = whole.limited_to(Limit(meter=FLOPS, amount=short + 1))
    with pytest.raises(OverBudget):
        part.forecast_flops(shop.context())
    with pytest.raises(OverBudget):
        shop.make(part, allowance=short + 1)


@one_family
def test_a_training_on_more_labels_than_money_buys_items_is_refused_by_its_forecast(shop, pretrained, examples):
    whole = _finetuned(pretrained, examples)
    assert whole.limited_to(Limit(meter=ITEMS, amount=len(examples))).forecast_items(shop.context()) == len(examples)
    with pytest.raises(OverBudget):
        whole.limited_to(Limit(meter=ITEMS, amount=len(examples) - 1)).forecast_items(shop.context())


@one_family
def test_a_training_on_fewer_or_shorter_examples_takes_no_more_than_its_ceiling(shop, pretrained, examples):
    short, long = Example("short", "a", "b"), Example("long", "the list of all names " * 4, "a name of many words")
    tuning = Tuning(epochs=1, batch_size=1, min_steps=9)
    both, one = (_finetuned(pretrained, given, tuning=tuning) for given in ((short, long), (long,)))
    flops = {recipe: recipe.forecast_flops(shop.context()) for recipe in (both, one)}
    assert flops[both] < flops[one] <= both.ceiling_flops(shop.context())
    whole = _finetuned(pretrained, examples)
    assert whole.ceiling_flops(shop.context()) == whole.forecast_flops(shop.context())


@one_family
def test_a_training_within_a_limit_forecasts_the_steps_that_fit(shop, pretrained, examples):
    whole = _finetuned(pretrained, examples)
    part = whole.limited_to(Limit(meter=FLOPS, amount=0.6 * whole.forecast_flops(shop.context())))
    shop.make(part, allowance=part.limit.amount)
    assert part.forecast_flops(shop.context()) == sum(shop.made[part.key].steps)


@one_family
def test_pretended_pseudo_labels_can_be_forecast_with(shop, pretrained, examples):
    pool = tuple(Example(e.id, e.source) for e in examples)
    placeholders = _pseudo_labels(pretrained, pool).placeholder(shop.context())
    assert [e.id for e in placeholders] == [e.id for e in pool]
    assert _finetuned(pretrained, placeholders).forecast_flops(shop.context()) > 0


def test_training_on_pseudo_labels_goes_through_every_family(shop, pretrained, examples):
    teacher = _finetuned(pretrained, examples)
    labels = _pseudo_labels(teacher, tuple(Example(e.id, e.source) for e in examples))
    student = _finetuned(Shrunk(pretrained, Compact(decoder_layers=2)), labels.read(shop.make(labels)) + examples)
    assert layer_counts(load(shop.make(student))[0].config)[1] == 2


@one_family
def test_predictions_forecast_a_ceiling(shop, pretrained, examples):
    recipe = _predictions(pretrained, examples, prefix="", max_target_tokens=6, decoding=Decoding(batch_size=4))
    assert len(recipe.read(shop.make(recipe))) == len(examples)
    assert sum(shop.made[recipe.key].steps) <= recipe.forecast_flops(shop.context())


@two_families
def test_a_calibration_run_of_outputs_makes_them_as_long_as_they_are_forecast(shop, pretrained, examples):
    short = tuple(Example(e.id, e.source, "it") for e in examples)
    teacher = _finetuned(pretrained, short, tuning=Tuning(epochs=20, batch_size=4, learning_rate=1e-2, freeze="none"))
    recipe = _predictions(teacher, examples, prefix="", max_target_tokens=6, decoding=Decoding(batch_size=4))
    shop.make(recipe)
    assert sum(shop.made[recipe.key].steps) < 0.9 * recipe.forecast_flops(shop.context())  # they end early
    calibration_run = recipe.calibration_run(math.inf, shop.context())
    as_long = dataclasses.replace(recipe, min_target_tokens=calibration_run.min_target_tokens)
    shop.make(as_long)
    assert sum(shop.made[as_long.key].steps) == recipe.forecast_flops(shop.context())


@one_family
def test_speed_is_measured_for_both_shapes_at_the_flops_forecast(shop, pretrained):
    recipe = InferenceSpeed(
        large=pretrained,
        student=Shrunk(pretrained, Compact(decoder_layers=1)),
        source_tokens=8,
        target_tokens=5,
        documents=3,
        rounds=2,
        precision="fp32",
        decoding=Decoding(batch_size=2),
        engine=Torch(),
    )
    speed = {fact.name: fact.value for fact in recipe.read(shop.make(recipe))}
    assert set(speed) == {"large_ms", "student_ms", "large_flops", "student_flops"}
    assert min(speed.values()) > 0
    assert speed["large_flops"] == pretrained.flop_model(shop.cache).generation(8, 5) > speed["student_flops"]
    assert recipe.forecast_flops(shop.context()) == sum(shop.made[recipe.key].steps)


@one_family
def test_a_student_of_another_origin_and_a_smaller_vocabulary_is_timed_as_well(shop, pretrained):
    other = Pretrained(Random(family="t5", vocabulary=400, decoder_layers=1))
    assert other.config(shop.cache).vocab_size < pretrained.config(shop.cache).vocab_size
    recipe = InferenceSpeed(
        large=pretrained,
        student=other,
        source_tokens=8,
        target_tokens=5,
        documents=3,
        rounds=1,
        precision="fp32",
        decoding=Decoding(batch_size=2),
        engine=Torch(),
    )
    assert min(fact.value for fact in recipe.read(shop.make(recipe))) > 0


@one_family
def test_whatever_decides_the_outcome_decides_the_key(pretrained, examples):
    recipe = _finetuned(pretrained, examples)
    others = [
        _finetuned(pretrained, examples[1:]),
        _finetuned(Shrunk(pretrained, Compact(decoder_layers=2)), examples),
        _finetuned(pretrained, examples, seed=1),
        _finetuned(pretrained, examples, prefix=""),
        _finetuned(pretrained, examples, tuning=Tuning(epochs=2, batch_size=4)),
        recipe.limited_to(Limit(meter=FLOPS, amount=1.0)),
    ]
    assert len({r.key for r in [recipe, *others]}) == 7
    assert recipe.key == _finetuned(pretrained, tuple(examples)).key


@one_family
def test_forecasts_read_no_weights(shop, pretrained, examples, monkeypatch, counter):
    monkeypatch.setattr("bench.training.recipes.load", pytest.fail)
    assert _finetuned(pretrained, examples).forecast_flops(shop.context(counter())) > 0
    encode.cache_clear()
