"""`bench plan`: what a suite will buy, cost and take."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import (
    FRACTION,
    cache_option,
    data_option,
    device_option,
    gpus_option,
    max_usd_option,
    models_option,
    only_option,
    option,
    results_option,
    suite_argument,
    workers_option,
)


@click.command()
@suite_argument
@only_option
@max_usd_option
@option("--gpu", old=["--card"], metavar="NAME", help="Forecast for this GPU, such as L4 or A100-40GB, not for this machine.")
@device_option
@workers_option
@option(
    "--calibrate/--no-calibrate",
    old=["--rehearse/--no-rehearse"],
    default=True,
    help="Time a few real steps of each kind of work, once per machine.",
)
@option("--recalibrate", old=["--again"], is_flag=True, help="Time them again; use it if the machine was busy before.")
@option(
    "--train-utilization",
    old=["--training"],
    metavar="FRACTION",
    type=FRACTION,
    default=0.3,
    help="With --gpu: fraction of its peak FLOP/s assumed for training.",
)
@option(
    "--decode-utilization",
    old=["--generating"],
    metavar="FRACTION",
    type=FRACTION,
    default=0.02,
    help="With --gpu: fraction of its peak FLOP/s assumed for generation.",
)
@gpus_option
@results_option
@cache_option
@models_option
@data_option
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
    """Forecast what each arm of SUITE buys, costs and takes.

    SUITE is a YAML file. No arm is run and nothing is paid.
    """
    from bench.cli import commands

    on = {
        "device": device,
        "workers": workers,
        "again": recalibrate,
        "rehearse": calibrate,
        "card": gpu,
        "cards": gpus,
        "training": train_utilization,
        "generating": decode_utilization,
    }
    commands.plan(suite, cache.absolute(), only, parent, on, max_usd)
