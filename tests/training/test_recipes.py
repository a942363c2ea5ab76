import dataclasses
import json

import pytest

from bench.contracts import Compact, Decoding, Example
from bench.errors import BenchError, CheckpointError, OverBudget
from bench.training.batches import encode
from bench.training.models import load
from bench.training.recipes import Finetuned, Predictions, Pretrained, PseudoLabels, Shrunk, Tuning
from bench.training.shrinking import layer_counts
from bench.training.speed import InferenceSpeed
from bench.zoo.random import Random

one_family = pytest.mark.parametrize("family", ["pegasus"], indirect=True)
"""For what does not depend on the family."""

QUICK = Tuning(epochs=1, batch_size=4)


def _finetuned(base, examples, **changes):
    fields = {"tuning": QUICK, "prefix": "sum: ", "max_source_tokens": 32, "max_target_tokens": 12, "precision": "fp32", "seed": 0}
    return Finetuned(base=base, examples=examples, **{**fields, **changes})


def _pseudo_labels(teacher, examples, **changes):
    fields = {"prefix": "", "max_source_tokens": 32, "max_target_tokens": 6, "decoding": Decoding(batch_size=4), "precision": "fp32"}
    return PseudoLabels(model=teacher, examples=examples, **{**fields, **changes})


def test_a_pretrained_artifact_copies_no_weights(shop, pretrained, checkpoint, cache):
    assert not list(shop.make(pretrained).iterdir())
    assert pretrained.folder(shop.bench()) == checkpoint.folder(cache)
    assert pretrained.forecast_flops(shop.bench()) == 0


def test_a_shrunk_model_has_the_compact_shape_and_says_whose_layers_it_kept(shop, pretrained):
    folder = shop.make(Shrunk(pretrained, Compact(decoder_layers=2)))
    assert layer_counts(load(folder)[0].config) == (4, 2)
    assert json.loads((folder / "shrinking.json").read_text()) == {
        "encoder": {"layers": [0, 1, 2, 3], "published": True},
        "decoder": {"layers": [0, 3], "published": False},
    }


def test_shapes_are_known_before_anything_is_made(shop, pretrained, cache, examples):
    once = Shrunk(pretrained, Compact(encoder_layers=3, decoder_layers=2))
    twice = Shrunk(_finetuned(once, examples), Compact(decoder_layers=1))
    assert twice.origin == pretrained
    assert twice.shape == Compact(encoder_layers=3, decoder_layers=1)
    assert twice.flop_model(cache).decoder * 4 == pretrained.flop_model(cache).decoder
    with pytest.raises(CheckpointError, match="5 decoder layers"):
        Shrunk(pretrained, Compact(decoder_layers=5)).flop_model(cache)


@pytest.mark.parametrize("freeze", ["none", "embeddings", "encoder"])
def test_the_forecast_of_a_training_is_what_it_tallies(shop, pretrained, examples, freeze):
    recipe = _finetuned(Shrunk(pretrained, Compact(decoder_layers=2)), examples, tuning=Tuning(epochs=2, batch_size=5, freeze=freeze))
    forecast = recipe.forecast_flops(shop.bench())
    shop.make(recipe)
    assert forecast == sum(shop.made[recipe.key].steps) > 0


def test_the_forecast_holds_with_a_teacher_and_bf16(shop, pretrained, examples):
    tuning = Tuning(epochs=1, batch_size=4, kd_weight=0.5)
    recipe = _finetuned(Shrunk(pretrained, Compact(decoder_layers=1)), examples, tuning=tuning, teacher=pretrained, precision="bf16")
    alone = _finetuned(Shrunk(pretrained, Compact(decoder_layers=1)), examples, tuning=tuning)
    shop.make(recipe)
    assert recipe.forecast_flops(shop.bench()) == sum(shop.made[recipe.key].steps) > alone.forecast_flops(shop.bench())


def test_a_training_is_the_same_to_the_bit_when_made_twice(shop, pretrained, examples, tmp_path):
    recipe = _finetuned(pretrained, examples, tuning=Tuning(epochs=1, batch_size=4, dropout=0.1))
    first = shop.make(recipe)
    again = tmp_path / "again"
    again.mkdir()
    recipe.make(again, shop.bench())
    assert (first / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()


@one_family
def test_a_training_records_what_became_of_it(shop, pretrained, examples):
    record = json.loads((shop.make(_finetuned(pretrained, examples)) / "training.json").read_text())
    assert (record["steps_planned"], record["steps_made"], record["examples_seen"]) == (3, 3, 12)
    assert record["loss"] > 0


@one_family
def test_a_limited_training_ends_early(shop, pretrained, examples):
    whole = _finetuned(pretrained, examples)
    money = 0.7 * whole.forecast_flops(shop.bench())
    folder = shop.make(whole.within(money), allowance=money)
    record = json.loads((folder / "training.json").read_text())
    assert record["steps_made"] < record["steps_planned"] == 3


def test_a_tuned_model_learns_what_it_is_shown(shop, examples):
    """End to end: after enough steps a tiny model says the answers by heart."""
    tuning = Tuning(epochs=150, batch_size=4, learning_rate=1e-2, freeze="none")
    few = examples[:4]
    model = _finetuned(Pretrained(Random(encoder_layers=1, decoder_layers=1)), few, tuning=tuning)
    recipe = Predictions(model, few, "sum: ", 32, 12, Decoding(), "fp32")
    assert recipe.read(shop.make(recipe)) == [e.target for e in few]


@one_family
def test_a_teacher_of_no_weight_is_a_fault_and_not_ignored(shop, pretrained, examples):
    with pytest.raises(BenchError, match="kd_weight is 0"):
        _finetuned(pretrained, examples, teacher=pretrained).forecast_flops(shop.bench())


@pytest.mark.parametrize("positions", ["bart", "pegasus"])
def test_longer_texts_than_a_model_has_positions_for_are_refused(shop, positions, examples):
    recipe = _finetuned(Pretrained(Random(family=positions)), examples, max_source_tokens=513)
    with pytest.raises(CheckpointError, match="has 512 positions, the task asks for 513 tokens"):
        recipe.forecast_flops(shop.bench())


@one_family
def test_teacher_and_student_of_different_vocabularies_are_refused(shop, pretrained, examples, checkpoint):
    other = Pretrained(Random(family=checkpoint.family, vocabulary=300))
    recipe = _finetuned(pretrained, examples, teacher=other, tuning=Tuning(epochs=1, kd_weight=0.5))
    with pytest.raises(BenchError, match="different vocabularies"):
        shop.make(recipe)


def test_pseudo_labels_are_what_the_teacher_says(shop, pretrained, examples):
    pool = tuple(Example(e.id, e.source) for e in examples)
    recipe = _pseudo_labels(pretrained, pool)
    folder = shop.make(recipe)
    predictions = Predictions(pretrained, pool, "", 32, 6, Decoding(batch_size=4), "fp32")
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
    assert exactly.forecast_flops(shop.bench()) == sum(shop.made[recipe.key].steps)
    assert recipe.forecast_flops(shop.bench()) >= exactly.forecast_flops(shop.bench())


@one_family
def test_limited_pseudo_labels_are_fewer(shop, pretrained, examples):
    whole = _pseudo_labels(pretrained, examples)
    shop.make(whole)
    money = 0.5 * sum(shop.made[whole.key].steps)
    fewer = whole.within(money)
    folder = shop.make(fewer, allowance=money)
    assert 0 < json.loads((folder / "labelling.json").read_text())["documents"] < len(examples)
    assert set(fewer.read(folder)) <= set(whole.read(shop.artifact(whole)))


@one_family
def test_pseudo_labels_that_money_buys_none_of_are_over_budget(shop, pretrained, examples):
    with pytest.raises(OverBudget, match="first pseudo-label does not fit"):
        shop.make(_pseudo_labels(pretrained, examples).within(1.0), allowance=1.0)


@one_family
def test_a_forecast_within_a_limit_counts_the_documents_that_fit(shop, pretrained, examples):
    whole = _pseudo_labels(pretrained, examples)
    half = whole.within(0.5 * whole.forecast_flops(shop.bench()))
    assert 0 < half.forecast_flops(shop.bench()) <= half.limit
    assert 0 < len(half.pretend(shop.bench())) < len(examples)
    with pytest.raises(OverBudget):
        whole.within(1.0).forecast_flops(shop.bench())


@one_family
def test_a_training_within_a_limit_forecasts_the_steps_that_fit(shop, pretrained, examples):
    whole = _finetuned(pretrained, examples)
    part = whole.within(0.6 * whole.forecast_flops(shop.bench()))
    shop.make(part, allowance=part.limit)
    assert part.forecast_flops(shop.bench()) == sum(shop.made[part.key].steps)


@one_family
def test_pretended_pseudo_labels_can_be_forecast_with(shop, pretrained, examples):
    pool = tuple(Example(e.id, e.source) for e in examples)
    pretended = _pseudo_labels(pretrained, pool).pretend(shop.bench())
    assert [e.id for e in pretended] == [e.id for e in pool]
    assert _finetuned(pretrained, pretended).forecast_flops(shop.bench()) > 0


def test_training_on_pseudo_labels_goes_through_every_family(shop, pretrained, examples):
    teacher = _finetuned(pretrained, examples)
    labels = _pseudo_labels(teacher, tuple(Example(e.id, e.source) for e in examples))
    student = _finetuned(Shrunk(pretrained, Compact(decoder_layers=2)), labels.read(shop.make(labels)) + examples)
    assert layer_counts(load(shop.make(student))[0].config) == (4, 2)


@one_family
def test_predictions_forecast_a_ceiling(shop, pretrained, examples):
    recipe = Predictions(pretrained, examples, "", 32, 6, Decoding(batch_size=4), "fp32")
    assert len(recipe.read(shop.make(recipe))) == len(examples)
    assert sum(shop.made[recipe.key].steps) <= recipe.forecast_flops(shop.bench())


@one_family
def test_speed_is_measured_for_both_shapes_at_the_flops_forecast(shop, pretrained):
    recipe = InferenceSpeed(pretrained, Compact(decoder_layers=1), 8, 5, 3, 2, "fp32", Decoding(batch_size=2))
    speed = recipe.read(shop.make(recipe))
    assert set(speed) == {"large_ms", "compact_ms"}
    assert min(speed.values()) > 0
    assert recipe.forecast_flops(shop.bench()) == sum(shop.made[recipe.key].steps)


@one_family
def test_whatever_decides_the_outcome_decides_the_key(pretrained, examples):
    recipe = _finetuned(pretrained, examples)
    others = [
        _finetuned(pretrained, examples[1:]),
        _finetuned(Shrunk(pretrained, Compact(decoder_layers=2)), examples),
        _finetuned(pretrained, examples, seed=1),
        _finetuned(pretrained, examples, prefix=""),
        _finetuned(pretrained, examples, tuning=Tuning(epochs=2, batch_size=4)),
        _finetuned(pretrained, examples, teacher=pretrained),
        recipe.within(1.0),
    ]
    assert len({r.key for r in [recipe, *others]}) == 8
    assert recipe.key == _finetuned(pretrained, tuple(examples)).key


@one_family
def test_forecasts_read_no_weights(shop, pretrained, examples, monkeypatch, counter):
    monkeypatch.setattr("bench.training.recipes.load", pytest.fail)
    assert _finetuned(pretrained, examples).forecast_flops(shop.bench(counter())) > 0
    encode.cache_clear()
