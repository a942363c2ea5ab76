"""Going on with pretraining: what is read when, at which rate, and for how much."""

import dataclasses
import math
from collections import Counter

import pytest

from bench.contracts import FLOPS, Example, Limit
from bench.errors import DataError
from bench.models.shape import Shaped
from bench.training.checkpoints import load
from bench.training.corruption import Corrupted
from bench.training.loop import learning_rate
from bench.training.pretraining import Blends, FurtherPretrained, switch_point
from bench.training.recipes import Pretrained
from bench.training.settings import Tuning

RECIPE = Tuning(learning_rate=4.5e-5, warmup_share=0.0, schedule="cosine", final_rate_share=0.01)
"""Parmar et al. 2024: from 4.5e-5 to 4.5e-7."""


def test_the_rate_starts_at_its_highest_without_warm_up_and_ends_at_a_hundredth() -> None:
    assert learning_rate(RECIPE, 0.0) == 4.5e-5
    assert learning_rate(RECIPE, 1.0) == pytest.approx(4.5e-7)
    assert learning_rate(RECIPE, 0.5) == pytest.approx(4.5e-5 * (0.01 + 0.99 / 2))


def test_re_warming_rises_first_and_a_constant_rate_stays() -> None:
    rewarm = Tuning(learning_rate=3e-4, warmup_share=0.1, schedule="cosine", final_rate_share=0.1)
    assert learning_rate(rewarm, 0.0, 0.01) == pytest.approx(3e-5)
    assert learning_rate(rewarm, 0.1) == 3e-4
    assert learning_rate(rewarm, 1.0) == pytest.approx(3e-5)
    constant = Tuning(learning_rate=1e-4, warmup_share=0.0, schedule="constant")
    assert {learning_rate(constant, done) for done in (0.0, 0.3, 1.0)} == {1e-4}


def test_the_blend_switches_where_the_rate_has_fallen_to_a_fifth() -> None:
    exactly = math.acos(2 * (0.2 - 0.01) / 0.99 - 1) / math.pi
    assert switch_point(RECIPE, 0.2) == pytest.approx(exactly, abs=1e-6)
    assert switch_point(Tuning(schedule="constant"), 0.2) == 1.0
    linear = Tuning(warmup_share=0.2)
    assert switch_point(linear, 0.25) == pytest.approx(0.8, abs=1e-6)


def test_examples_are_drawn_by_the_weights_of_the_blend_that_is_read() -> None:
    parts = [(10, lambda i, rng: i), (30, lambda i, rng: i), (5, lambda i, rng: i)]
    order = Blends(
        data=Corrupted(parts, 0),
        sizes=(10, 30, 5),
        general=(3.0, 1.0, 0.0),
        task_like=(0.0, 0.0, 1.0),
        switch_at=0.7,
        batch_size=8,
        steps=1000,
        seed=0,
    )

    def read(steps: range, done: float) -> Counter[int]:
        places = [position % 45 for step in steps for position in order.batch(step, done)]
        return Counter(0 if place < 10 else 1 if place < 40 else 2 for place in places)

    early = read(range(1000), 0.69)
    assert early[2] == 0
    assert early[0] / early[1] == pytest.approx(3, rel=0.1)
    assert set(read(range(100), 0.7)) == {2}
    assert order.batch(5, 0.1) == order.batch(5, 0.2)
    drawn = [position for step in range(1000) for position in order.batch(step, 0.0)]
    assert len(set(drawn)) == len(drawn)


DOCUMENTS = tuple(Example(str(i), f"Return the number {i} of the list. Raise an error when it is not there.") for i in range(40))


@pytest.fixture
def base() -> Pretrained:
    return Pretrained(Shaped(el=1, dl=1, dm=16, ff=16, kv=8, nh=2, vocabulary=600))


def further(base: Pretrained, **changes: object) -> FurtherPretrained:
    fields = {"texts": (DOCUMENTS[:20], DOCUMENTS[20:]), "general": (1.0, 0.0), "task_like": (0.0, 1.0), "switch_at": 0.5, "tokens": 32}
    tuning = Tuning(epochs=3, batch_size=4, learning_rate=1e-2, warmup_share=0.0, schedule="cosine", final_rate_share=0.01, freeze="none")
    return FurtherPretrained(base=base, **{**fields, "tuning": tuning, "precision": "fp32", "seed": 0, **changes})  # type: ignore[arg-type]


def test_the_forecast_is_what_it_tallies_also_where_the_money_ends_it(shop, base) -> None:
    whole = further(base)
    flops = whole.forecast_flops(shop.context())
    shop.make(whole)
    assert sum(shop.made[whole.key].steps) == flops
    part = whole.limited_to(Limit(meter=FLOPS, amount=0.4 * flops))
    shop.make(part, allowance=0.4 * flops)
    assert sum(shop.made[part.key].steps) == part.forecast_flops(shop.context()) <= 0.4 * flops
    assert part.read(shop.artifact(part))["steps_made"] < whole.read(shop.artifact(whole))["steps_made"]


def planned(shop, recipe: FurtherPretrained) -> int:
    return int(recipe.read(shop.make(recipe))["steps_planned"])


def test_a_text_that_no_blend_gives_a_weight_to_adds_no_steps(shop, base) -> None:
    unread = further(base, texts=(*further(base).texts, DOCUMENTS), general=(1.0, 0.0, 0.0), task_like=(0.0, 1.0, 0.0))
    assert planned(shop, unread) == planned(shop, further(base))
    everything = further(base, texts=unread.texts, general=(1.0, 1.0, 0.0), task_like=(0.0, 0.0, 1.0))
    assert planned(shop, everything) > planned(shop, unread)


def test_few_pieces_are_drawn_again_until_the_least_number_of_steps_is_made(shop, base) -> None:
    usual = further(base)
    longer = further(base, tuning=usual.tuning.model_copy(update={"min_steps": 50}))
    assert planned(shop, usual) < planned(shop, longer) == 50
    assert sum(shop.made[longer.key].steps) == longer.forecast_flops(shop.context())


def test_labels_are_smoothed_as_its_settings_say(shop, base) -> None:
    """Half of the probability spread over 600 tokens leaves a loss of half their entropy at least."""
    smoothed = further(base, tuning=further(base).tuning.model_copy(update={"epochs": 30, "label_smoothing": 0.5}))
    shop.make(smoothed)
    assert smoothed.read(shop.artifact(smoothed))["loss"] > 0.5 * math.log(600) + math.log(2)
    plain = further(base, tuning=smoothed.tuning.model_copy(update={"label_smoothing": 0.0}))
    shop.make(plain)
    assert plain.read(shop.artifact(plain))["loss"] < 0.5 * math.log(600) + math.log(2)


def test_it_learns_and_is_a_model_of_the_same_shape(shop, base) -> None:
    short, long = further(base), further(base, tuning=further(base).tuning.model_copy(update={"epochs": 30}))
    for recipe in (short, long):
        shop.make(recipe)
    assert long.read(shop.artifact(long))["loss"] < short.read(shop.artifact(short))["loss"] - 0.5
    assert long.untrained == base
    assert load(shop.artifact(long))[0].config.num_layers == 1


def test_what_is_read_and_when_decides_the_key(base) -> None:
    first = further(base)
    others = [
        further(base, general=(0.5, 0.5)),
        further(base, switch_at=0.6),
        further(base, tokens=16),
        further(base, texts=(DOCUMENTS[:19], DOCUMENTS[20:])),
        dataclasses.replace(first, seed=1),
    ]
    assert len({recipe.key for recipe in (first, *others)}) == 6
    assert further(base).key == first.key


def test_a_text_with_nothing_to_learn_from_is_refused(shop) -> None:
    pegasus = Pretrained(Shaped(family="pegasus", el=1, dl=1, dm=16, ff=16, nh=2, vocabulary=600))
    single = (Example("1", "One sentence only."),)
    with pytest.raises(DataError, match="text 2 of 2"):
        further(pegasus, texts=(DOCUMENTS, single)).forecast_flops(shop.context())
    t5 = Pretrained(Shaped(family="t5", el=1, dl=1, dm=16, ff=16, nh=2, vocabulary=600))
    with pytest.raises(DataError, match="text 1 of 2"):
        further(t5, texts=((), DOCUMENTS)).forecast_flops(shop.context())
    assert further(t5, texts=((), DOCUMENTS), general=(0.0, 1.0), task_like=(0.0, 1.0)).forecast_flops(shop.context()) > 0
