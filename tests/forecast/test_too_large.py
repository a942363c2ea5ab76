"""A teacher that does not fit its GPU, in the plan of a suite: what makes it fit, and which GPU has room for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.contracts import Recipe, no_progress
from bench.execution.store import DryStore
from bench.forecast import terminal
from bench.forecast.calibration_cache import CalibrationCache
from bench.forecast.fit import options
from bench.forecast.fit.arms import TooLarge, too_large
from bench.forecast.fit.options import Setting
from bench.forecast.gpus import GIB, Card
from bench.forecast.suite import SuiteForecast, on_catalog_gpu, suite_forecast
from bench.forecast.totals import Planned
from bench.suite.suite_file import Suite
from tests.forecast.conftest import SPLITS, here, planned

TABLE = (Card(name="tight", memory_bytes=0.5001 * GIB), Card(name="roomy", memory_bytes=GIB), Card(name="larger", memory_bytes=2 * GIB))


@pytest.fixture(scope="module")
def arms(tiny: Suite, cache: Path) -> Planned:
    return planned(tiny, cache, "*sft*2usd.seed1*")


@pytest.fixture(scope="module")
def store(cache: Path) -> DryStore:
    return DryStore(cache, no_progress)


def plan(tiny: Suite, arms: Planned, store: DryStore, cache: Path, memory_bytes: float) -> SuiteForecast:
    """On a GPU of this size. The memory of trainings alone is forecast, which takes less time."""
    finder = CalibrationCache(cache=cache, device="cuda", workers=0, profilers={}, data=SPLITS.fingerprint)
    card, peaks = Card(name="own", memory_bytes=memory_bytes), CalibrationCache.peaks

    def of_trainings(self: CalibrationCache, recipes: Sequence[Recipe], *rest: Any) -> dict[str, int | None]:
        return peaks(self, [recipe for recipe in recipes if recipe.activity == "training"], *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CalibrationCache, "peaks", of_trainings)
        return suite_forecast(tiny, arms, on_catalog_gpu(card, 0.3, 0.02, finder, arms, {}, store, no_progress), 1)


@pytest.fixture(scope="module")
def found(tiny: Suite, arms: Planned, store: DryStore, cache: Path) -> tuple[SuiteForecast, TooLarge]:
    """On a GPU that lacks one byte for the teacher. Two settings are compared, which takes less time."""
    (total,) = plan(tiny, arms, store, cache, GIB).standalone.values()
    assert total.taken.peak_bytes
    short = plan(tiny, arms, store, cache, total.taken.peak_bytes - 1)
    candidates = options.candidate_settings

    def few(asked: Setting, *rest: Any) -> tuple[Setting, ...]:
        return tuple(one for one in candidates(asked, *rest) if one.changes(asked) in ([], ["adafactor"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "candidate_settings", few)
        large = too_large(short, store.context, TABLE, no_progress, workers=1)
    assert large
    return short, large


def test_the_largest_training_that_does_not_fit_has_ways_to_fit(found: tuple[SuiteForecast, TooLarge], arms: Planned) -> None:
    short, large = found
    (arm,) = arms
    document = large.document()
    assert (document["arm"], document["phase"], document["gpu"]) == (arm.id, "teacher_tuning", "roomy")
    assert document["batch_size"] == 8
    assert 0 < document["micro_batch_size"] < 8
    assert document["changes"] == [["adafactor"]]
    assert large.answer.query.room
    assert large.answer.query.room < large.answer.row.peak.total(8) < large.answer.query.room + 1  # the same peak as that of the plan
    assert set(short.too_large) == {arm}


def test_the_plan_shows_the_micro_batch_and_the_gpu(found: tuple[SuiteForecast, TooLarge]) -> None:
    console = Console(width=2000)
    with console.capture() as captured:
        for block in terminal.blocks(*found):
            console.print(block)
    line = next(line for line in captured.get().splitlines() if "micro_batch_size" in line)
    assert "teacher tuning" in line
    assert f"micro_batch_size {found[1].document()['micro_batch_size']} " in line
    assert "roomy (1.0 GiB)" in line


def test_where_all_trainings_fit_or_there_is_no_gpu_nothing_is_looked_for(tiny: Suite, arms: Planned, store: DryStore, cache: Path) -> None:
    fits = plan(tiny, arms, store, cache, GIB)
    on_a_cpu = suite_forecast(tiny, arms, here(arms, room=1), 1)
    assert on_a_cpu.too_large
    assert [too_large(one, store.context, TABLE, no_progress) for one in (fits, on_a_cpu)] == [None, None]
