"""Forecasts a suite: what its arms buy and cost, and what their work takes on a device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import psutil

from bench.contracts import BuildContext, Progress, Recipe
from bench.errors import BenchError
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Record
from bench.execution.store import DryStore
from bench.forecast import totals
from bench.forecast.arm import Forecast, forecast
from bench.forecast.calibration_cache import CalibrationCache, takes_time, undescribed
from bench.forecast.device import CatalogGpu, Device, NoDevice, ThisMachine
from bench.forecast.gpus import CONTEXT_BYTES, KEPT_FREE, Card, room_bytes
from bench.forecast.saved import ArmForecast, SavedForecast
from bench.forecast.totals import Ratios, Total
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.system import machine


@dataclass(frozen=True, kw_only=True)
class SuiteForecast:
    """The forecast of a suite."""

    suite: Suite
    planned: Mapping[Arm, Forecast]
    device: Device | None
    """None where only quantities and dollars are wanted. Then no time, energy or memory is forecast."""
    standalone: Mapping[Arm, Total]
    """Each arm with all of its work, even where other arms share it."""
    deduplicated: Total
    """All arms, with shared work counted once."""
    workers: int
    """Processes at a time."""
    records: Mapping[Arm, Record]
    """Records of the arms that have ended."""
    remaining: Total
    """What is left to do: the arms that have not ended, without work that is already made. Equals `deduplicated` before a run."""

    @property
    def too_large(self) -> dict[Arm, float]:
        """Arms to run that need more memory than there is -> bytes."""
        held = {arm: total.taken.peak_bytes or 0.0 for arm, total in self.standalone.items() if arm not in self.records}
        return {arm: size for arm, size in held.items() if self.device and size > self.device.room_bytes}

    @property
    def written(self) -> SavedForecast:
        """The forecast to save: only arms that have not ended and of which nothing is made. `usd` is the upper bound where the exact cost
        is unknown."""
        found, known = {}, self.suite.spec.prices.paying.known_in_advance
        for arm, total in self.standalone.items():
            planned = self.planned[arm]
            usd = total.at_most_usd if known and not planned.exact else total.expected_usd
            if not (planned.stops or planned.begun or arm in self.records):
                found[arm.id] = ArmForecast(
                    usd=usd,
                    expected_usd=total.expected_usd,
                    exact=planned.exact,
                    steps=planned.steps,
                    seconds=total.taken.seconds,
                    start_s=total.start_s,
                    kwh=total.taken.kwh,
                    peak_bytes=total.taken.peak_bytes,
                )
        return SavedForecast(
            device=self.device.title if self.device else "", made=datetime.now(UTC).isoformat(timespec="seconds"), arms=found
        )


def forecasts(prepared: PreparedSuite, store: DryStore, progress: Progress, *, reuse: bool) -> dict[Arm, Forecast]:
    """Forecast what each arm buys and costs. With `reuse`, work already in the results folder counts as it was measured."""
    reuse = reuse and prepared.store_folder.exists()
    found = {}
    for done, arm in enumerate(prepared.arms):
        progress("planning arms", done, len(prepared.arms))
        over = store.over(prepared.store(arm, progress)) if reuse else store
        found[arm] = forecast(prepared.suite, arm, prepared.splits[arm.task_label], over)
    progress("planning arms", len(prepared.arms), len(prepared.arms))
    return found


def refuse_failing(prepared: PreparedSuite, arms: Sequence[Arm], store: DryStore, progress: Progress) -> None:
    """Raise BenchError, one line each, for arms that are certain to end in an error. The strategy of each column runs once over a store
    that makes nothing. It runs with its largest budget, with which it gets furthest."""
    furthest = {(arm.task_label, arm.column): arm for arm in sorted(arms, key=lambda arm: arm.budget_usd)}
    faults = []
    for done, ((task, column), arm) in enumerate(furthest.items()):
        progress("planning arms", done, len(furthest))
        found = forecast(prepared.suite, arm, prepared.splits[task], store)
        if found.status == "failed":
            faults.append(f"task '{task}', strategy {column}: {found.stops}; change it, or exclude it with --only")
    progress("planning arms", len(furthest), len(furthest))
    if faults:
        raise BenchError("\n".join(faults))


def suite_forecast(
    suite: Suite,
    planned: Mapping[Arm, Forecast],
    device: Device | None,
    workers: int,
    kept: Mapping[str, Record | None] = MappingProxyType({}),
    ratios: Ratios = MappingProxyType({}),
) -> SuiteForecast:
    """Combine the forecast of a suite. `kept` maps an arm id to its record; an arm without one has yet to run. Without `ratios`, outputs
    are expected to be as long as allowed."""
    records = {arm: record for arm in planned if (record := kept.get(arm.id))}
    where = device or NoDevice()
    return SuiteForecast(
        suite=suite,
        planned=planned,
        device=device,
        standalone=totals.standalone(suite, planned, where, ratios),
        deduplicated=totals.deduplicated(suite, planned, where, ratios),
        workers=workers,
        records=records,
        remaining=totals.remaining(suite, planned, where, ratios, records),
    )


def on_this_machine(
    finder: CalibrationCache,
    planned: Mapping[Arm, Forecast],
    starts: Mapping[str, float | None],
    ratios: Ratios,
    store: DryStore,
    progress: Progress,
) -> ThisMachine:
    """Return this device after it was calibrated with a few steps of every kind of work. `starts` maps a task label to the seconds in which
    the process of an arm starts."""
    cpu, recipes = finder.device == "cpu", _recipes(planned)
    throughputs = finder.throughputs(recipes, progress)
    peaks = finder.peaks(recipes, "cpu" if cpu else "cuda", store.context, progress)
    facts: dict[str, Any] = machine.facts()
    if cpu:
        name, room, card = facts["cpu"], psutil.virtual_memory().total / max(1, finder.workers), None
    else:
        import torch

        name = facts["gpus"][0]["name"] if facts["gpus"] else "GPU"
        memory = float(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
        room, card = room_bytes(memory), Card(name=name, memory_bytes=memory, computes_bf16=machine.bf16_supported("cuda"))
    return ThisMachine(
        title=f"{name}, {finder.workers} process{'es' * (finder.workers != 1)} at a time",
        room_bytes=room,
        throughputs=throughputs,
        peaks=peaks,
        process_counts=cpu,
        kept_shares={recipe.key: _kept_share(recipe, store.context) for recipe in recipes},
        starts=starts,
        ratios=ratios,
        card=card,
        reasons=finder.reasons,
    )


def on_catalog_gpu(
    card: Card,
    training: float,
    generating: float,
    finder: CalibrationCache,
    planned: Mapping[Arm, Forecast],
    ratios: Ratios,
    store: DryStore,
    progress: Progress,
) -> CatalogGpu:
    """Return a GPU of the table. Raises BenchError where it lacks the suite's precision in hardware."""
    recipes = _recipes(planned)
    if not card.computes_bf16 and any(getattr(recipe, "precision", "") == "bf16" for recipe in recipes):
        raise BenchError(f"{card.name} has no bf16 in hardware; set `precision: fp32` in the suite, or choose another GPU")
    return CatalogGpu(
        card=card,
        training=training,
        generating=generating,
        context_bytes=CONTEXT_BYTES,
        kept_free=KEPT_FREE,
        peaks=finder.peaks(recipes, "cuda", store.context, progress),
        ratios=ratios,
        reasons=undescribed(recipes),
    )


def _recipes(planned: Mapping[Arm, Forecast]) -> list[Recipe]:
    """Return the recipes that will take time, each once."""
    works = {work.recipe.key: work for plan in planned.values() for work in plan.works if not work.shared}
    return [work.recipe for work in works.values() if takes_time(work.recipe, work.bill.flops)]


def _kept_share(recipe: Recipe, context: BuildContext) -> float:
    """Return the share of a recipe's FLOPs in steps that read kept encoder states."""
    kept = recipe.kept_steps(context)
    return math.fsum(kept.values()) / recipe.forecast_flops(context) if kept else 0.0


def refuse_above(plan: SuiteForecast, max_usd: float | None) -> None:
    """Raise BenchError where the work left may cost more than `max_usd`."""
    most = plan.remaining.at_most_usd
    if max_usd is not None and round(most, 2) > max_usd:
        raise BenchError(
            f"this may spend up to ${most:,.2f}, with shared work counted once, which is more than --max-usd {max_usd:g}; "
            "use fewer budgets, seeds or arms (--only)"
        )
