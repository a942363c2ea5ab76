"""A new kind of recipe, which says nothing about its work beyond FLOPs: dollars are forecast, time and memory are missing."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.contracts import FLOPS as BY_FLOPS
from bench.contracts import BuildContext, Job, Outcome, Phase, Recipe, Strategy, no_progress
from bench.execution.store import DryStore
from bench.forecast import calibration_cache, terminal
from bench.forecast.calibration_cache import CalibrationCache
from bench.forecast.device import Device
from bench.forecast.gpus import cards, find
from bench.forecast.suite import on_catalog_gpu, on_this_machine, suite_forecast
from bench.forecast.totals import Planned
from bench.strategies import _steps
from bench.suite.suite_file import Suite
from tests.forecast.conftest import PACE, START_S, planned

FLOPS = 1e9


@dataclass(frozen=True)
class Toy(Recipe):
    """Only what every recipe has to say."""

    def forecast_flops(self, context: BuildContext) -> float:
        return FLOPS

    def make(self, folder: Path, context: BuildContext) -> None:
        raise AssertionError("a plan makes nothing")


class WithToy(Strategy):
    """Has a toy made."""

    def run(self, job: Job) -> Outcome:
        job.make(Toy(), Phase.STUDENT_TRAINING)
        return Outcome(student=_steps.large(job))


@pytest.fixture
def arms(tiny: Suite, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    monkeypatch.setattr("bench.suite.arms.registry.name_of", lambda part: type(part).__name__.lower())
    monkeypatch.setattr(calibration_cache, "calibrate", lambda *_: PACE)
    (cell, *_) = tiny.cells
    return planned(replace(tiny, cells=(replace(cell, label="toy", setting="", strategy=WithToy()),)), cache, "*4usd.seed1*")


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_plan_has_its_dollars_and_gives_a_reason_for_what_is_missing(
    calibrated: bool, arms: Planned, tiny: Suite, cache: Path, tmp_path: Path
) -> None:
    store = DryStore(cache, no_progress)
    finder = CalibrationCache(cache=cache, device="cpu", workers=0, profilers={}, data=str(tmp_path))
    device: Device = on_this_machine(finder, arms, {"own": START_S}, {}, store, no_progress)
    if not calibrated:
        device = on_catalog_gpu(find("L4", cards()), 0.3, 0.02, finder, arms, {}, store, no_progress)
    ahead = suite_forecast(tiny, arms, device, 1)
    ((arm, total),) = ahead.standalone.items()
    assert not arms[arm].stops
    usd = FLOPS * BY_FLOPS.unit_price_usd(tiny.spec.prices, "own", Phase.STUDENT_TRAINING)
    assert total.expected_usd == total.at_most_usd == pytest.approx(usd)
    assert total.taken.seconds is None
    assert total.taken.peak_bytes
    assert list(device.reasons) == ["toy"]
    (toy,) = [work for work in arms[arm].works if isinstance(work.recipe, Toy)]
    assert device.takes(toy).peak_bytes is None
    screen = Console(file=io.StringIO(), width=200)
    for block in terminal.blocks(ahead):
        screen.print(block)
    assert "toy" in screen.file.getvalue()
