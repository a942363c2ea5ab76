"""`bench run`: runs every arm of a suite."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.errors import BenchError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.execution.prepare import Fetched
    from bench.execution.prepared_suite import PreparedSuite


@click.command()
@options.suite_argument
@options.only_option
@options.option("--retry", is_flag=True, help="Run failed arms again.")
@options.max_usd_option
@options.device_option
@options.workers_option
@options.results_option
@options.cache_option
@options.models_option
@options.data_option
def run(
    suite: Path, only: str | None, retry: bool, max_usd: float | None, device: str, workers: int | None, parent: Path, cache: Path
) -> None:
    """Run every unfinished arm of SUITE, then write the report.

    SUITE is a YAML file. An interrupted run continues where it stopped.
    """
    from bench.cli import console
    from bench.execution import runner
    from bench.executors.local import Local
    from bench.system import processes

    screen = console.console()
    # torch and the data would otherwise stay in the memory of this process while arms run
    found = processes.in_child(partial(_prepare, screen, suite, only, retry, max_usd, device, parent, cache.absolute()))
    if isinstance(found, BenchError):
        raise found
    prepared, fetched, lines = found
    for line in lines:
        screen.print(line)
    with console.RunScreen(console=screen) as shown:
        executor = Local(workers=workers or processes.concurrency(prepared.device))
        records = runner.run(prepared, executor, shown, retry=retry, fetched=fetched)
    from bench import report as reporting
    from bench.results import table

    results = table.read(prepared.results)
    written = reporting.write(prepared.results, read=results)
    screen.print(reporting.terminal(results, screen.width))
    console.summary(records, written, screen)
    raise SystemExit(1 if any(record.status == "failed" for record in records) else 0)


def _prepare(
    screen: Console, suite: Path, only: str | None, retry: bool, max_usd: float | None, device: str, results: Path, cache: Path
) -> tuple[PreparedSuite, Fetched | None, tuple[str, ...]] | BenchError:
    """Return the suite without its examples, what was fetched where arms have to run, and lines for the user.

    A BenchError is returned with its message alone, because not every kind can pass between processes.
    """
    from bench.cli import console
    from bench.execution import prepare, runner

    try:
        with console.preparing(screen) as progress:
            prepared = prepare.load(suite, results=results, cache=cache, device=device, only=only, progress=progress)
            kept = runner.kept(prepared, retry, progress)
            if None not in kept.values():
                return prepared.without_examples(), None, ()
            from bench.execution.store import DryStore
            from bench.forecast import suite as forecast

            prepared = prepared.on_device()
            fetched = prepare.fetch(prepared, progress)
            store = DryStore(prepared.cache, progress)
            forecast.refuse_failing(prepared, [arm for arm in prepared.arms if not kept[arm.id]], store, progress)
            if max_usd is not None:
                planned = forecast.forecasts(prepared, store, progress, reuse=True)
                forecast.refuse_above(forecast.suite_forecast(prepared.suite, planned, None, 1, kept), max_usd)
        return prepared.without_examples(), fetched, (*fetched.layers, *fetched.warnings, *prepare.warnings(prepared))
    except BenchError as error:
        return BenchError(str(error))
