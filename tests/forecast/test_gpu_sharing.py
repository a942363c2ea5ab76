"""The GPU memory of an arm's process, and suites whose arms may not share a GPU."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.contracts import Recipe, no_progress
from bench.execution.store import DryStore
from bench.forecast import gpu_sharing
from bench.forecast.calibration_cache import CalibrationCache
from bench.forecast.gpus import CONTEXT_BYTES, GIB, Card
from bench.forecast.suite import on_catalog_gpu, suite_forecast
from bench.forecast.totals import Planned
from bench.suite.arms import Key
from bench.suite.suite_file import Suite
from tests.forecast.conftest import SPLITS, SUITE, planned, read
from tests.prepared import prepared

Peaks = dict[str, int | None]


@pytest.fixture(scope="module")
def arms(tiny: Suite, cache: Path) -> Planned:
    """Two seeds of one setting."""
    return planned(tiny, cache, "*sft*2usd*")


@pytest.fixture
def peaks(monkeypatch: pytest.MonkeyPatch) -> Peaks:
    """Key of a recipe -> peak of its tensors in bytes, which is made up here."""
    made = Peaks()

    def found(self: CalibrationCache, recipes: Sequence[Recipe], *_: object) -> Peaks:
        computed = [recipe for recipe in recipes if recipe.activity != "copying"]
        return {recipe.key: made.setdefault(recipe.key, 1000 + len(made)) for recipe in computed}

    monkeypatch.setattr(CalibrationCache, "peaks", found)
    return made


def needed(tiny: Suite, cache: Path, arms: Planned) -> dict[Key, float]:
    ready = prepared(tiny, dict.fromkeys(tiny.tasks, SPLITS), cache=cache, arms=tuple(arms))
    return gpu_sharing.gpu_bytes(ready, arms, DryStore(cache, no_progress), no_progress, workers=0)


def test_an_arm_takes_the_most_that_a_plan_for_a_gpu_shows_for_its_seeds(tiny: Suite, cache: Path, arms: Planned, peaks: Peaks) -> None:
    found = needed(tiny, cache, arms)
    finder = CalibrationCache(cache=cache, device="cuda", workers=0, profilers={}, data=SPLITS.fingerprint)
    device = on_catalog_gpu(Card(name="any", memory_bytes=GIB), 0.3, 0.02, finder, arms, {}, DryStore(cache, no_progress), no_progress)
    shown = [total.taken.peak_bytes or 0.0 for total in suite_forecast(tiny, arms, device, 1).standalone.values()]
    assert len(set(shown)) == 2
    (key,) = {arm.key for arm in arms}
    assert found == {key: max(shown)}
    assert found[key] > CONTEXT_BYTES + 1000


def test_an_arm_is_missing_where_the_memory_of_some_work_is_unknown(tiny: Suite, cache: Path, arms: Planned, peaks: Peaks) -> None:
    needed(tiny, cache, arms)
    assert len(peaks) > 2
    peaks[min(peaks)] = None
    assert needed(tiny, cache, arms) == {}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("", "", ""),
        ("device_flops_per_second: 5e+6", "meter: wall, device_hour_usd: 36.0", "wall"),
        ("suite: tiny", "suite: tiny\nmetrics: {likeness: {use: bert_ibleu}}\nrank_by: bert_ibleu", "likeness"),
    ],
)
def test_arms_share_no_gpu_where_time_is_paid_or_a_metric_may_use_it(old: str, new: str, named: str, tmp_path: Path) -> None:
    found = gpu_sharing.obstacle(read(tmp_path, SUITE.replace(old, new)))
    assert named in found
    assert bool(found) == bool(named)
