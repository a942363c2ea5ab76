"""`bench run`: runs every arm of a suite."""

from __future__ import annotations

from dataclasses import replace
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
    from bench.forecast.arm import Forecast
    from bench.suite.arms import Arm


@click.command()
@options.suite_argument
@options.only_option
@options.option("--retry", is_flag=True, help="Run failed arms again.")
@options.max_usd_option
@options.option(
    "--until-decided",
    is_flag=True,
    help="Add seeds until each budget has a winner, or settings that are equal within --margin. --max-usd then ends the run early.",
)
@options.option(
    "--max-seeds", metavar="N", type=options.COUNT, show_default="20", help="Largest number of seeds of a setting, with --until-decided."
)
@options.option(
    "--max-hours",
    metavar="H",
    type=options.POSITIVE,
    help="With --until-decided: add no seeds that would raise the hours in which arms ran above this. Earlier runs count.",
)
@options.option(
    "--margin",
    metavar="POINTS",
    type=options.POSITIVE,
    show_default="1.0",
    help="Largest difference of settings that count as equal, in units of the score that ranks, with --until-decided.",
)
@options.option(
    "--checkpoint-minutes",
    metavar="MINUTES",
    type=options.MINUTES,
    default=5.0,
    show_default="5",
    help="Minutes between two checkpoints of a training. After a kill it continues from the last one. 0: after every step.",
)
@options.device_option
@options.workers_option
@options.results_option
@options.cache_option
@options.models_option
@options.data_option
def run(
    suite: Path,
    only: str | None,
    retry: bool,
    max_usd: float | None,
    until_decided: bool,
    max_seeds: int | None,
    max_hours: float | None,
    margin: float | None,
    checkpoint_minutes: float,
    device: str,
    workers: int | None,
    parent: Path,
    cache: Path,
) -> None:
    """Run every unfinished arm of SUITE, then write the report.

    SUITE is a YAML file. An interrupted run continues where it stopped.
    """
    given = {"--max-seeds": max_seeds, "--max-hours": max_hours, "--margin": margin}
    if not until_decided and (alone := [name for name, value in given.items() if value is not None]):
        raise click.UsageError(f"{', '.join(alone)}: only with --until-decided")
    from bench.cli import console
    from bench.execution import runner
    from bench.executors.local import Local
    from bench.system import processes

    screen = console.console()
    # torch and the data would otherwise stay in the memory of this process while arms run
    found = processes.in_child(partial(_prepare, screen, suite, only, retry, max_usd, until_decided, device, parent, cache.absolute()))
    if isinstance(found, BenchError):
        raise found
    prepared, fetched, lines, planned = found
    prepared = replace(prepared, checkpoint_minutes=checkpoint_minutes)
    for line in lines:
        screen.print(line)
    with console.RunScreen(console=screen) as shown:
        executor = Local(workers=workers or processes.concurrency(prepared.device))
        if until_decided:
            from bench.adaptive import loop
            from bench.adaptive.limits import Limits

            limits = Limits(max_seeds=max_seeds, max_hours=max_hours, max_usd=max_usd, margin=margin or 1.0, planned=planned)
            records = loop.run(prepared, executor, shown, retry=retry, fetched=fetched, limits=limits, say=screen.print)
        else:
            records = runner.run(prepared, executor, shown, retry=retry, fetched=fetched)
    from bench import report as reporting
    from bench.results import table

    results = table.read(prepared.results)
    written = reporting.write(prepared.results, read=results)
    screen.print(reporting.terminal(results, screen.width))
    console.summary(records, written, screen)
    raise SystemExit(1 if any(record.status == "failed" for record in records) else 0)


def _prepare(
    screen: Console,
    suite: Path,
    only: str | None,
    retry: bool,
    max_usd: float | None,
    until_decided: bool,
    device: str,
    results: Path,
    cache: Path,
) -> tuple[PreparedSuite, Fetched | None, tuple[str, ...], dict[Arm, Forecast]] | BenchError:
    """Return the suite without its examples, what was fetched where arms have to run, and lines for the user.

    Forecasts of the arms come last, where dollars limit a run with --until-decided.
    A BenchError is returned with its message alone, because not every kind can pass between processes.
    """
    from bench.cli import console
    from bench.execution import prepare, runner

    try:
        with console.preparing(screen) as progress:
            prepared = prepare.load(suite, results=results, cache=cache, device=device, only=only, progress=progress)
            kept = runner.kept(prepared, retry, progress)
            if not until_decided and None not in kept.values():
                return prepared.without_examples(), None, (), {}
            from bench.execution.store import DryStore
            from bench.forecast import suite as forecast

            prepared = prepared.on_device()
            fetched = prepare.fetch(prepared, progress)
            store = DryStore(prepared.cache, progress)
            forecast.refuse_failing(prepared, [arm for arm in prepared.arms if not kept[arm.id]], store, progress)
            planned = {} if max_usd is None else forecast.forecasts(prepared, store, progress, reuse=not until_decided)
            if max_usd is not None and not until_decided:
                forecast.refuse_above(forecast.suite_forecast(prepared.suite, planned, None, 1, kept), max_usd)
        lines = (*fetched.layers, *fetched.warnings, *prepare.warnings(prepared))
        return prepared.without_examples(), fetched, lines, planned if until_decided else {}
    except BenchError as error:
        return BenchError(str(error))
