"""`bench run`: every arm of a suite."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import (
    cache_option,
    data_option,
    device_option,
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
@option("--retry", is_flag=True, help="Run failed arms again.")
@max_usd_option
@device_option
@workers_option
@results_option
@cache_option
@models_option
@data_option
def run(
    suite: Path,
    only: str | None,
    retry: bool,
    max_usd: float | None,
    device: str,
    workers: int | None,
    parent: Path,
    cache: Path,
) -> None:
    """Run every unfinished arm of SUITE, then write the report.

    SUITE is a YAML file. An interrupted run continues where it stopped.
    """
    from bench.cli import commands

    failed = commands.run(suite, parent, cache.absolute(), only, retry, workers, device, max_usd)
    raise SystemExit(1 if failed else 0)
