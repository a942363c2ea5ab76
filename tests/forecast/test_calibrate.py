"""A pace is that of the steps that were timed; everything that takes time can be calibrated."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Recipe, no_progress
from bench.execution.store import DryStore
from bench.forecast import calibration_cache
from bench.forecast.calibrate import Stopwatch, Throughput, calibrate, kind
from bench.forecast.calibration_cache import CalibrationCache, takes_time
from bench.forecast.suite import on_this_machine
from bench.profilers.energy import Energy
from bench.profilers.wall import Wall
from bench.suite.suite_file import Suite
from bench.training.finetuned import Finetuned
from bench.training.recipes import Trained
from tests.execution.test_store import Steps
from tests.forecast.conftest import SUITE, planned, read


class Clock:
    """Shows what it is told to."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    def monotonic(self) -> float:
        return self.seconds.pop(0)


def test_the_first_step_does_not_count_where_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.forecast.calibrate.time", Clock(100.0, 109.0, 109.0, 111.0, 111.0, 115.0))
    watch = Stopwatch(at_most_s=60)
    for flops in (10.0, 20.0, 30.0):
        assert watch.can_afford(flops)
        watch.record_step(flops)
    assert watch.seconds_per_flop() == pytest.approx((2.0 + 4.0) / 50)


def test_steps_that_encode_and_steps_that_read_kept_states_have_a_pace_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.forecast.calibrate.time", Clock(0.0, 9.0, 9.0, 12.0, 12.0, 13.0, 13.0, 14.0))
    watch = Stopwatch(at_most_s=60)
    for flops in (10.0, 10.0, 5.0, 5.0):
        watch.can_afford(flops)
        watch.record_step(flops)
    assert watch.seconds_per_flop(lambda step: step < 2) == pytest.approx(3.0 / 10)
    assert watch.seconds_per_flop(lambda step: step >= 2) == pytest.approx(2.0 / 10)
    assert watch.seconds_per_flop(lambda step: step == 0) == pytest.approx(9.0 / 10)
    assert watch.seconds_per_flop(lambda step: step > 3) is None


def test_a_single_step_is_the_pace_and_steps_that_never_asked_are_told_by_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.forecast.calibrate.time", Clock(0.0, 5.0))
    one = Stopwatch()
    one.can_afford(10.0)
    one.record_step(10.0)
    assert one.seconds_per_flop() == 0.5
    monkeypatch.setattr("bench.forecast.calibrate.time", Clock(7.0, 9.0))
    unasked = Stopwatch()
    unasked.record_step(100.0)
    unasked.record_step(8.0)
    assert unasked.seconds_per_flop() == 0.25
    assert Stopwatch().seconds_per_flop() is None


def test_no_step_begins_after_the_time_is_up_and_the_first_one_always_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.forecast.calibrate.time", Clock(0.0, 11.0, 11.0))
    watch = Stopwatch(at_most_s=10)
    assert watch.can_afford(1.0)
    watch.record_step(1.0)
    assert not watch.can_afford(1.0)


def test_outputs_count_as_long_as_they_were_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.forecast.calibrate.time", Clock(0.0, 1.0, 1.0, 3.0))
    watch = Stopwatch()
    for _ in range(2):
        watch.can_afford(100.0)
        watch.record_step(7.0)
    assert watch.seconds_per_flop() == pytest.approx(2.0 / 100)


def test_work_of_known_length_is_never_found_quicker_than_it_is(cache: Path) -> None:
    pace = calibrate(Steps(3, seconds_a_step=0.05, tail_s=0.1), cache, "cpu", {})
    assert pace.steps == 3
    assert pace.seconds_per_flop >= 0.05 / 10
    assert pace.seconds(300.0) >= 1.5
    assert pace.watts is None
    assert pace.resident_bytes > 2**20


def test_what_is_not_steps_is_added_once_whatever_the_amount() -> None:
    assert Throughput(around_s=3.0, seconds_per_flop=0.5, steps=4, watts=None, resident_bytes=0).seconds(10.0) == 8.0


def test_work_takes_the_time_of_both_kinds_of_steps() -> None:
    one = Throughput(around_s=3.0, seconds_per_flop=0.5, kept_seconds_per_flop=0.25, steps=4, watts=None, resident_bytes=0)
    assert [one.seconds(10.0, share) for share in (0.0, 0.5, 1.0)] == [8.0, 6.75, 5.5]
    assert replace(one, kept_seconds_per_flop=None).seconds(10.0, 0.5) == 8.0


def frozen(folder: Path) -> Suite:
    return read(folder, SUITE.replace("student: {epochs: 1}", "student: {epochs: 3, freeze: encoder}"))


def students(loaded: Suite, cache: Path) -> list[Finetuned]:
    works = [work for forecast in planned(loaded, cache, "*4usd.seed1*").values() for work in forecast.works]
    return [work.recipe for work in works if isinstance(work.recipe, Finetuned) and work.recipe.tuning.encodes_once]


def test_a_calibration_has_steps_that_encode_and_steps_that_read_kept_states(cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    recipes = students(frozen(folder), cache)
    assert recipes
    for recipe in recipes:
        whole = recipe.calibration_run(1e15, context)
        for short in (whole, recipe.calibration_run(whole.forecast_flops(context) / whole.training_steps(context) / 100, context)):
            kept, steps = short.kept_steps(context), short.training_steps(context)
            assert kept
            assert set(kept) == set(range(steps - len(kept), steps))
            assert steps - len(kept) == min(4 if short is whole else 2, math.ceil(len(recipe.examples) / short.tuning.batch_size))
    throughput = calibrate(recipes[0], cache, "cpu", {})
    assert throughput.kept_seconds_per_flop
    assert throughput.seconds_per_flop


def test_work_that_keeps_no_states_is_calibrated_with_one_kind_of_step(cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = planned(read(folder), cache, "*annotate*4usd.seed1*").values()
    recipe = next(work.recipe for work in forecast.works if isinstance(work.recipe, Finetuned))
    assert recipe.calibration_run(1e15, context).tuning.epochs == 1
    assert calibrate(recipe, cache, "cpu", {}).kept_seconds_per_flop is None


def test_a_forecast_knows_the_share_of_steps_that_read_kept_states(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pace = Throughput(around_s=1.0, seconds_per_flop=2.0, kept_seconds_per_flop=1.0, steps=4, watts=None, resident_bytes=0)
    monkeypatch.setattr(calibration_cache, "calibrate", lambda *_: pace)
    monkeypatch.setattr(CalibrationCache, "peaks", lambda *_: {})
    arms, store = planned(frozen(folder), cache, "*sft*4usd.seed1*"), DryStore(cache, no_progress)
    finder = CalibrationCache(cache=cache, device="cpu", workers=0, profilers={}, data="shares")
    device = on_this_machine(finder, arms, {}, {}, store, no_progress)
    works = [work for forecast in arms.values() for work in forecast.works if takes_time(work.recipe, work.bill.flops)]
    kept = [math.fsum(work.recipe.kept_steps(store.context).values()) for work in works]
    assert 0 < sum(map(bool, kept)) < len(kept)
    for work, flops in zip(works, kept, strict=True):
        assert device.takes(work).seconds == pytest.approx(1.0 + 2.0 * (work.bill.flops - flops) + flops)


def test_power_is_told_where_an_instrument_tells_energy(cache: Path) -> None:
    pace = calibrate(Steps(2, seconds_a_step=0.3), cache, "cpu", {"energy": Energy(country_iso_code="DEU"), "wall": Wall()})
    assert pace.watts is None or pace.watts > 0


def test_every_kind_of_work_of_every_strategy_can_be_calibrated(cache: Path, folder: Path) -> None:
    done: dict[str, Throughput] = {}
    for forecast in planned(read(folder), cache, "*4usd.seed1*").values():
        assert not forecast.stops
        for work in forecast.works:
            one = kind(work.recipe, "here")
            if takes_time(work.recipe, work.bill.flops) and one not in done:
                done[one] = calibrate(work.recipe, cache, "cpu", {})
                assert done[one].steps > 0 or not work.bill.flops
                assert (done[one].seconds_per_flop > 0) == (work.bill.flops > 0)
    kinds = {one.partition("-")[0] for one in done}
    assert kinds == {"shrunk", "finetuned", "distilled", "furtherpretrained", "pseudolabels", "softlabels", "predictions", "inferencespeed"}


def test_a_calibration_run_is_short_and_knows_no_trained_model(cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = planned(read(folder), cache, "*sft*4usd.seed1*").values()
    trained = [work.recipe for work in forecast.works if isinstance(work.recipe, Finetuned)]
    assert len(trained) == 2
    for recipe in trained:
        short = recipe.calibration_run(1e15, context)
        assert isinstance(short, Finetuned)
        assert set(short.examples) <= set(recipe.examples)
        assert short.tuning.batch_size == recipe.tuning.batch_size
        step = recipe.forecast_flops(context) / recipe.training_steps(context)
        assert recipe.calibration_run(step / 4, context).tuning.batch_size == recipe.tuning.batch_size // 4


def test_nothing_is_trained_for_a_calibration_run_of_something_else(cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context

    def needs(recipe: Recipe) -> Iterator[Recipe]:
        for needed in recipe.inputs():
            yield needed
            yield from needs(needed)

    works = [work for forecast in planned(read(folder), cache, "*4usd.seed1*").values() for work in forecast.works]
    assert any(isinstance(needed, Trained) for work in works for needed in needs(work.recipe))
    assert not any(
        isinstance(needed, Trained)
        for work in works
        for needed in needs(work.recipe.calibration_run(1e15, context))
        if takes_time(work.recipe, work.bill.flops)
    )


def test_labels_and_seeds_do_not_change_the_pace_and_settings_do(cache: Path, folder: Path) -> None:
    loaded, other = read(folder), read(folder, SUITE.replace("student: {epochs: 1}", "student: {batch_size: 4}"))

    def kinds(of: Suite, only: str) -> set[str]:
        return {kind(work.recipe, "") for forecast in planned(of, cache, only).values() for work in forecast.works}

    assert kinds(loaded, "*annotate*2usd.seed1*") == kinds(loaded, "*annotate*4usd.seed2*")
    assert kinds(loaded, "*annotate*4usd.seed1*") != kinds(loaded, "*sft*4usd.seed1*")
    assert kinds(loaded, "*annotate*4usd.seed1*") != kinds(other, "*annotate*4usd.seed1*")
