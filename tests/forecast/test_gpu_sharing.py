"""The GPU memory of an arm's process, and suites whose arms may not share a GPU."""

from pathlib import Path

import pytest

from bench.contracts import no_progress
from bench.execution.store import DryStore
from bench.forecast import gpu_sharing
from bench.forecast.calibration_cache import CalibrationCache
from bench.forecast.gpus import CONTEXT_BYTES, GIB, Card
from bench.forecast.suite import on_catalog_gpu, suite_forecast
from bench.forecast.totals import Planned
from bench.suite.suite_file import Suite
from bench.training.speed import InferenceSpeed
from tests.forecast.conftest import SPLITS, SUITE, planned, read
from tests.prepared import prepared


@pytest.fixture(scope="module")
def arms(tiny: Suite, cache: Path) -> Planned:
    """Two seeds of one setting, and one of another that trains the large model first."""
    return {**planned(tiny, cache, "*annotate*2usd*"), **planned(tiny, cache, "*sft*2usd.seed1*")}


def needed(tiny: Suite, cache: Path, arms: Planned) -> dict[str, float]:
    """Strategy -> GPU memory of its arms."""
    ready = prepared(tiny, dict.fromkeys(tiny.tasks, SPLITS), cache=cache, arms=tuple(arms))
    found = gpu_sharing.gpu_bytes(ready, arms, DryStore(cache, no_progress), no_progress, workers=0)
    return {column: size for (_, column, _), size in found.items()}


def test_an_arm_takes_the_memory_that_a_plan_for_a_gpu_shows(tiny: Suite, cache: Path, arms: Planned) -> None:
    found = needed(tiny, cache, arms)
    assert CONTEXT_BYTES < found["annotate"] < found["sft"]
    finder = CalibrationCache(cache=cache, device="cuda", workers=0, profilers={}, data=SPLITS.fingerprint)
    card = Card(name="any", memory_bytes=GIB)
    device = on_catalog_gpu(card, 0.3, 0.02, finder, arms, {}, DryStore(cache, no_progress), no_progress)
    shown = {arm.column: total.taken.peak_bytes for arm, total in suite_forecast(tiny, arms, device, 1).standalone.items()}
    assert found == shown


def test_an_arm_is_missing_where_the_memory_of_some_work_is_unknown(
    tiny: Suite, cache: Path, arms: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InferenceSpeed, "batches", lambda self, context: ())
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
