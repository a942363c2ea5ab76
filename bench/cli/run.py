"""`bench run`: runs every arm of a suite."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import options


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
    from bench import report as reporting
    from bench.cli import console
    from bench.execution import prepare, runner
    from bench.executors.local import Local
    from bench.results import table
    from bench.system import processes

    screen, fetched = console.console(), None
    with console.preparing(screen) as progress:
        prepared = prepare.load(suite, results=parent, cache=cache.absolute(), device=device, only=only, progress=progress)
        kept = runner.kept(prepared, retry, progress)
        if None in kept.values():
            from bench.execution.store import DryStore
            from bench.forecast import suite as forecast

            prepared = prepared.on_device()
            fetched = prepare.fetch(prepared, progress)
            store = DryStore(prepared.cache, progress)
            forecast.refuse_failing(prepared, [arm for arm in prepared.arms if not kept[arm.id]], store, progress)
            if max_usd is not None:
                planned = forecast.forecasts(prepared, store, progress, reuse=True)
                forecast.refuse_above(forecast.suite_forecast(prepared.suite, planned, None, 1, kept), max_usd)
    if fetched is not None:
        for line in (*fetched.layers, *fetched.warnings, *prepare.warnings(prepared)):
            screen.print(line)
    with console.RunScreen(console=screen) as shown:
        executor = Local(workers=workers or processes.concurrency(prepared.device))
        records = runner.run(prepared, executor, shown, retry=retry, fetched=fetched)
    found = table.read(prepared.results)
    written = reporting.write(prepared.results, read=found)
    screen.print(reporting.terminal(found, screen.width))
    console.summary(records, written, screen)
    raise SystemExit(1 if any(record.status == "failed" for record in records) else 0)
