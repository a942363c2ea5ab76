"""`bench plan`: forecasts what a suite buys, costs and takes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from bench.cli import options, output
from bench.suite.named_prices import UTILIZATION


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
    default=UTILIZATION,
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
@output.options
def plan(
    suite: Path,
    only: str | None,
    max_usd: float | None,
    gpu: str | None,
    device: Literal["auto", "cpu", "cuda"],
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
    from bench.api import planning
    from bench.cli import console
    from bench.forecast import suite as forecast

    screen = output.console()
    with console.preparing(screen) as progress:
        found = planning.plan(
            suite,
            only=only,
            gpu=gpu,
            device=device,
            workers=workers,
            calibrate=calibrate,
            recalibrate=recalibrate,
            train_utilization=train_utilization,
            decode_utilization=decode_utilization,
            gpus=gpus,
            results=parent,
            cache=cache,
            progress=progress,
        )
    output.show(found.document, found.blocks)
    forecast.refuse_above(found.forecast, max_usd)
