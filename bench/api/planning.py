"""A suite -> its plan: what each arm buys, costs and takes. No arm is run and nothing is paid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, validate_call

from bench.api import places
from bench.api.shown import Shown
from bench.contracts import Progress, no_progress
from bench.suite.named_prices import UTILIZATION

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from bench.forecast.device import Device
    from bench.forecast.fit.arms import TooLarge
    from bench.forecast.suite import SuiteForecast

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan(Shown):
    """What the arms of a suite buy, cost and take."""

    forecast: SuiteForecast
    layers: tuple[str, ...]
    """A line for each stack of layers that a compact model cuts."""
    warnings: tuple[str, ...]
    too_large: TooLarge | None = None
    """The largest training that does not fit the GPU, and what fits instead."""

    @property
    def table(self) -> pd.DataFrame:
        """One row for each arm. What is not forecast is missing.

        Columns end in their unit: `_usd` dollars, `seconds`, `_bytes`, `kwh`, `flops`. `usd` columns count all work of an arm, even work
        that other arms share. `ended` is the status of an arm that ran before, and `status` how the arm is expected to end.
        """
        import pandas as pd

        return pd.DataFrame(self._rows()).set_index("arm")

    @property
    def expected_usd(self) -> float | None:
        """Dollars of all arms, with shared work counted once, if generated texts are as long as labels. None where it is not forecast."""
        return self.forecast.deduplicated.expected_usd

    @property
    def at_most_usd(self) -> float:
        """Upper bound of the dollars of all arms, with shared work counted once."""
        return self.forecast.deduplicated.at_most_usd

    @property
    def seconds(self) -> float | None:
        """Seconds of all arms one after the other, with shared work done once. None where it is not forecast."""
        return self.forecast.deduplicated.seconds if self.forecast.device else None

    def document(self) -> dict[str, Any]:
        found, device = self.forecast, self.forecast.device
        spec, left = found.suite.spec, found.remaining
        return {
            "suite": spec.suite,
            "start_labels": spec.start_labels,
            "meter": spec.prices.meter,
            "device": device.title if device else None,
            "not_forecast": dict(device.reasons) if device else {},
            "layers": self.layers,
            "warnings": self.warnings,
            "arms": self._rows(),
            "too_large": self.too_large.document() if self.too_large else None,
            "totals": {
                "expected_usd": self.expected_usd,
                "at_most_usd": self.at_most_usd,
                "seconds": self.seconds,
                "kwh": found.deduplicated.taken.kwh,
                "workers": found.workers,
            },
            "left": {
                "arms": len(found.planned) - len(found.records),
                "expected_usd": left.expected_usd,
                "at_most_usd": left.at_most_usd,
                "seconds": left.seconds if device else None,
            },
        }

    def _rows(self) -> list[dict[str, Any]]:
        found, rows = self.forecast, []
        for arm, total in found.standalone.items():
            planned = found.planned[arm]
            rows.append(
                {
                    "arm": arm.id,
                    "task": arm.task_label,
                    "strategy": arm.cell.label,
                    "setting": arm.cell.setting,
                    "budget_usd": arm.budget_usd,
                    "seed": arm.seed,
                    "status": planned.status,
                    "reason": planned.stops,
                    "ended": found.records[arm].status if arm in found.records else "",
                    "labels_bought": planned.facts.get("labels_bought", 0.0),
                    "pseudo_labels": planned.facts.get("pseudo_labels", 0.0),
                    "expected_usd": total.expected_usd,
                    "at_most_usd": total.at_most_usd,
                    "exact": planned.exact,
                    "training_steps": planned.steps,
                    "flops": sum(work.bill.flops for work in planned.works),
                    "seconds": total.seconds,
                    "peak_bytes": total.taken.peak_bytes,
                    "kwh": total.taken.kwh,
                    "fits": None if found.device is None or total.taken.peak_bytes is None else arm not in found.too_large,
                }
            )
        return rows

    def blocks(self, width: int) -> Iterator[RenderableType]:  # noqa: ARG002
        from bench.forecast import terminal

        spec = self.forecast.suite.spec
        owned = f"{spec.start_labels} labels owned"
        yield f"{spec.suite}: {len(self.forecast.planned)} arms, {owned}, compute paid by {spec.prices.meter}"
        yield from (*self.layers, *self.warnings, *terminal.blocks(self.forecast, self.too_large))


@validate_call
def plan(
    suite: Path,
    *,
    only: str | None = None,
    gpu: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    workers: Annotated[int, Field(ge=1)] | None = None,
    calibrate: bool = True,
    recalibrate: bool = False,
    train_utilization: Share = UTILIZATION,
    decode_utilization: Share = 0.02,
    gpus: Path | None = None,
    results: Path = places.RESULTS,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> Plan:
    """Forecast the purchases, cost and time of each arm of a suite. No arm is run and nothing is paid.

    suite: YAML file. only: pattern that arm ids have to match, such as '*distill*seed1*'.
    gpu: forecast for this GPU, such as 'L4' or 'A100-40GB', and not for this machine. gpus: CSV table of GPUs and prices.
    device, workers: what computes here, and how many arms at the same time.
    calibrate: time a few real steps of each kind of work, once per machine. recalibrate: time them again.
    train_utilization, decode_utilization: with `gpu`, fractions of its peak FLOP/s assumed for training and generation.
    results: parent of all results folders. cache: folder for data, checkpoints and calibrations. progress: called with
    (what, done, total).

    Raises SuiteError, DataError and BenchError.
    """
    from bench.execution import prepare, runner
    from bench.execution.store import DryStore
    from bench.forecast import gpus as gpu_table
    from bench.forecast import saved
    from bench.forecast import suite as forecast
    from bench.forecast.calibration_cache import CalibrationCache
    from bench.forecast.fit import arms as fitting
    from bench.forecast.output_lengths import expected_length_ratios
    from bench.system import processes

    table = gpu_table.cards(gpus)
    card = gpu_table.find(gpu, table) if gpu else None
    kept_in = places.cache_folder(cache)
    prepared = prepare.load(suite, results=results, cache=kept_in, device=device, only=only, progress=progress).on_device()
    workers = workers or processes.concurrency(prepared.device)
    fetched = prepare.fetch(prepared, progress)
    store = DryStore(prepared.cache, progress)
    # No finished arm ran on that other GPU.
    kept = {} if card else runner.kept(prepared, retry=False, progress=progress)
    planned = forecast.forecasts(prepared, store, progress, reuse=not card)
    ratios = expected_length_ratios(planned.values(), prepared.suite.spec.pays, store.context)
    finder = CalibrationCache(
        cache=prepared.cache,
        device=prepared.device,
        workers=workers,
        profilers=prepared.suite.profilers,
        data=prepared.data_fingerprint,
        again=recalibrate,
    )
    model: Device | None = None
    if card:
        model = forecast.on_catalog_gpu(card, train_utilization, decode_utilization, finder, planned, ratios, store, progress)
    elif calibrate:
        starts = finder.starts(suite, prepared.arms, prepared.results, progress)
        model = forecast.on_this_machine(finder, planned, starts, ratios, store, progress)
    found = forecast.suite_forecast(prepared.suite, planned, model, 1 if card else workers, kept, ratios)
    if model and not card:
        saved.write(prepared.results, found.written)
    warnings = (*fetched.warnings, *([] if card else prepare.warnings(prepared)))
    too_large = fitting.too_large(found, store.context, table, progress)
    return Plan(forecast=found, layers=fetched.layers, warnings=warnings, too_large=too_large)
