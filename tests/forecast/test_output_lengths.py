"""How long outputs will be, by the labels at hand."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import FLOPS, BuildContext, Example, Limit, OutputLengths, Recipe, no_progress
from bench.execution.ledger import LIMITED
from bench.execution.store import DryStore
from bench.forecast.arm import Forecast
from bench.forecast.device import CatalogGpu
from bench.forecast.gpus import GIB, Card
from bench.forecast.output_lengths import expected_length_ratios
from bench.forecast.totals import Planned
from bench.suite.prices import Pays
from bench.training.finetuned import Finetuned
from bench.training.generated import Outputs
from bench.training.output_lengths import expected_longest
from bench.training.soft_labels import SoftLabels
from tests.forecast.conftest import DOCUMENTS, planned, read


@pytest.fixture(scope="module")
def arms(folder: Path, cache: Path) -> Planned:
    return planned(read(folder), cache, "*distill*4usd.seed1*")


def outputs(arms: Planned) -> Outputs:
    return next(work.recipe for forecast in arms.values() for work in forecast.works if isinstance(work.recipe, Outputs))


def labels(words: int) -> tuple[Example, ...]:
    return tuple(Example(str(i), text, " ".join((text.split() * 9)[:words])) for i, text in enumerate(DOCUMENTS[:50]))


def ratio(recipe: Recipe, labels: tuple[Example, ...], context: BuildContext, generated: frozenset[str] = frozenset()) -> float:
    expected = recipe.expected_flops(OutputLengths(labels=labels, generated_ids=generated), context)
    return 1.0 if expected is None else expected / recipe.forecast_flops(context)


def test_the_longest_of_some_draws_is_on_average_what_drawing_them_gives() -> None:
    lengths = [3, 9, 4, 4, 12, 5]
    assert expected_longest(lengths, 1) == pytest.approx(sum(lengths) / 6)
    assert expected_longest([7], 64) == 7
    rng = random.Random(0)
    drawn = [max(rng.choices(lengths, k=5)) for _ in range(40_000)]
    assert expected_longest(lengths, 5) == pytest.approx(sum(drawn) / len(drawn), rel=0.01)


def test_outputs_take_the_less_the_shorter_the_labels_and_never_more_than_is_allowed(arms: Planned, cache: Path) -> None:
    recipe, context = replace(outputs(arms), max_target_tokens=30), DryStore(cache, no_progress).context
    shares = [ratio(recipe, labels(words), context) for words in (1, 5, 60)]
    assert 0 < shares[0] < shares[1] < shares[2] == 1.0
    flops, sources = recipe.model.flop_model(cache), recipe.sources(context)
    assert shares[0] >= sum(flops.generation(len(s), 2) for s in sources) / sum(flops.generation(len(s), 30) for s in sources)


def test_without_labels_outputs_are_as_long_as_allowed(arms: Planned, cache: Path) -> None:
    assert ratio(outputs(arms), (), DryStore(cache, no_progress).context) == 1.0


def test_a_larger_batch_waits_for_a_longer_output(arms: Planned, cache: Path) -> None:
    recipe, context = replace(outputs(arms), max_target_tokens=30), DryStore(cache, no_progress).context
    mixed = labels(2)[:25] + labels(12)[25:]
    alone, together = (
        ratio(replace(recipe, decoding=recipe.decoding.model_copy(update={"batch_size": size})), mixed, context) for size in (1, 16)
    )
    assert alone < together


def test_what_is_learnt_from_a_model_is_as_long_as_labels_are_and_bought_labels_are_what_they_are(arms: Planned, cache: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = arms.values()
    shares = expected_length_ratios(arms.values(), Pays(), context)
    teacher, student = (work.recipe for work in forecast.works if isinstance(work.recipe, Finetuned))
    assert teacher.key not in shares
    assert shares[student.key] < 1
    said = ratio(student, labels(2), context, frozenset(example.id for example in student.examples))
    short = replace(student, examples=tuple(replace(one, target=labels(2)[i % 50].target) for i, one in enumerate(student.examples)))
    assert said == pytest.approx(short.forecast_flops(context) / student.forecast_flops(context))
    assert ratio(student, labels(2), context) == 1


def test_soft_labels_of_outputs_take_as_much_as_outputs_of_the_expected_length(arms: Planned, cache: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = arms.values()
    generated = frozenset(example.id for example in outputs(arms).examples)
    soft = [work.recipe for work in forecast.works if isinstance(work.recipe, SoftLabels)]
    (pooled,) = [recipe for recipe in soft if any(example.id in generated for example in recipe.examples)]
    short = replace(pooled, examples=tuple(replace(one, target=labels(2)[i % 50].target) for i, one in enumerate(pooled.examples)))
    assert ratio(pooled, labels(2), context, generated) == pytest.approx(short.forecast_flops(context) / pooled.forecast_flops(context))
    assert ratio(pooled, labels(2), context) == 1


def test_time_is_reckoned_by_the_share_and_dollars_by_all_of_it(arms: Planned, cache: Path) -> None:
    (forecast,) = arms.values()
    shares = expected_length_ratios(arms.values(), Pays(), DryStore(cache, no_progress).context)
    writing = [work for work in forecast.works if isinstance(work.recipe, Outputs)]
    assert writing
    assert all(0 < shares[work.recipe.key] < 1 for work in writing)
    device = CatalogGpu(
        card=Card(name="card", memory_bytes=4 * GIB, usd_per_hour=1.0, bf16_flops_per_second=1e6),
        training=0.5,
        generating=0.1,
        context_bytes=100.0,
        kept_free=0.5,
        ratios=shares,
    )
    for work in writing:
        assert device.takes(work).seconds == pytest.approx(shares[work.recipe.key] * work.bill.flops / 1e5)
    paid = sum(work.bill.flops for work in forecast.works if work.phase == "pseudo_labelling")
    assert paid == pytest.approx(sum(c.quantity for c in forecast.charges if c.phase == "pseudo_labelling" and c.unit == "FLOP"))


def limited(forecast: Forecast, phase: str, flops: float) -> Forecast:
    """The forecast of an arm whose money ends the work of a phase after so many FLOPs."""
    limit = Limit(meter=FLOPS, amount=flops)
    works = [
        replace(work, recipe=work.recipe.limited_to(limit), bill=replace(work.bill, flops=flops))
        if work.phase == phase and work.bill.flops
        else work
        for work in forecast.works
    ]
    return replace(forecast, works=tuple(works), facts={**forecast.facts, LIMITED: 1})


def test_where_money_ends_the_writing_all_of_it_is_reckoned_since_of_shorter_outputs_more_are_made(arms: Planned, cache: Path) -> None:
    ended = [limited(forecast, "pseudo_labelling", 1e6) for forecast in arms.values()]
    assert all(forecast.writes_more for forecast in ended)
    assert expected_length_ratios(ended, Pays(), DryStore(cache, no_progress).context) == {}


@pytest.mark.parametrize("share", [0.1, 0.9, 2.0])
def test_a_training_that_money_ends_takes_what_writing_left_and_no_more_than_the_whole_of_it(
    share: float, arms: Planned, cache: Path
) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = arms.values()
    (student,) = (work for work in forecast.works if work.phase == "student_training" and work.bill.flops)
    whole = expected_length_ratios([forecast], Pays(), context)[student.recipe.key] * student.bill.flops
    ended = limited(forecast, "student_training", share * whole)
    (student,) = (work for work in ended.works if work.phase == "student_training" and work.bill.flops)
    assert not ended.writes_more
    ratios = expected_length_ratios([ended], Pays(), context)
    saved = sum((1 - ratios.get(work.recipe.key, 1.0)) * work.bill.flops for work in ended.works if work.phase == "pseudo_labelling")
    assert saved > 0
    assert ratios.get(student.recipe.key, 1.0) == pytest.approx(min(1 / share, 1 + saved / (share * whole)))
    nobody_pays = expected_length_ratios([ended], Pays.model_validate({"pseudo_labelling": "free"}), context)
    assert nobody_pays.get(student.recipe.key, 1.0) == pytest.approx(min(1 / share, 1))


def test_what_is_made_and_what_a_model_says_that_learnt_from_no_labels_is_left_alone(arms: Planned, cache: Path) -> None:
    context = DryStore(cache, no_progress).context
    made = [replace(forecast, works=tuple(replace(work, shared=True) for work in forecast.works)) for forecast in arms.values()]
    assert expected_length_ratios(made, Pays(), context) == {}
    recipe = outputs(arms)
    assert ratio(replace(recipe, model=recipe.model.origin, max_target_tokens=30), labels(2), context) == 1
