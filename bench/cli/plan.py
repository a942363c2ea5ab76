"""`bench plan`: forecasts what a suite buys, costs and takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options

if TYPE_CHECKING:
    from bench.forecast.device import Device


@click.command()
@options.suite_argument
@options.only_option
@options.max_usd_option
@options.option("--gpu", old=["--card"], metavar="NAME", help="Forecast for this GPU, such as L4 or A100-40GB, not for this machine.")
@options.device_option
@options.workers_option
@options.option(
    "--calibrate/--no-calibrate",
    old=["--rehearse/--no-rehearse"],
    default=True,
    help="Time a few real steps of each kind of work, once per machine.",
)
@options.option("--recalibrate", old=["--again"], is_flag=True, help="Time them again; use it if the machine was busy before.")
@options.option(
    "--train-utilization",
    old=["--training"],
    metavar="FRACTION",
    type=options.FRACTION,
    default=0.3,
    help="With --gpu: fraction of its peak FLOP/s assumed for training.",
)
@options.option(
    "--decode-utilization",
    old=["--generating"],
    metavar="FRACTION",
    type=options.FRACTION,
    default=0.02,
    help="With --gpu: fraction of its peak FLOP/s assumed for generation.",
)
@options.gpus_option
@options.results_option
@options.cache_option
@options.models_option
@options.data_option
def plan(
    suite: Path,
    only: str | None,
    max_usd: float | None,
    gpu: str | None,
    device: str,
    workers: int | None,
    calibrate: bool,
    recalibrate: bool,
    train_utilization: float,
    decode_utilization: float,
    gpus: Path | None,
    parent: Path,
    cache: Path,
) -> None:
    """Forecast the purchases, cost and time of each arm of SUITE.

    SUITE is a YAML file. No arm is run and nothing is paid.
    """
    from bench.cli import console
    from bench.execution import prepare, runner
    from bench.execution.store import DryStore
    from bench.forecast import gpus as gpu_table
    from bench.forecast import saved, terminal
    from bench.forecast import suite as forecast
    from bench.forecast.calibration_cache import CalibrationCache
    from bench.forecast.output_lengths import expected_length_ratios
    from bench.system import processes

    screen = console.console()
    card = gpu_table.find(gpu, gpu_table.cards(gpus)) if gpu else None
    with console.preparing(screen) as progress:
        prepared = prepare.load(suite, results=parent, cache=cache.absolute(), device=device, only=only, progress=progress).on_device()
        workers = workers or processes.concurrency(prepared.device)
        fetched = prepare.fetch(prepared, progress)
        store = DryStore(prepared.cache, progress)
        # No finished arm ran on that other GPU.
        kept = {} if card else runner.kept(prepared, retry=False, progress=progress)
        planned = forecast.forecasts(prepared, store, progress, reuse=not card)
        ratios = expected_length_ratios(planned.values(), store.context)
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
    planned_suite = forecast.suite_forecast(prepared.suite, planned, model, 1 if card else workers, kept, ratios)
    spec = prepared.suite.spec
    owned = f"{spec.start_labels} labels owned"
    screen.print(f"{spec.suite}: {len(prepared.arms)} arms, {owned}, compute paid by {spec.prices.meter}")
    for block in (*fetched.layers, *fetched.warnings, *([] if card else prepare.warnings(prepared)), *terminal.blocks(planned_suite)):
        screen.print(block)
    if model and not card:
        saved.write(prepared.results, planned_suite.written)
    forecast.refuse_above(planned_suite, max_usd)
