"""`bench run`: runs every arm of a suite."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from bench.cli import options, output
from bench.execution.defaults import CHECKPOINT_MINUTES


@click.command()
@options.suite_argument
@options.only_option
@options.option("--retry", is_flag=True, help="Run failed arms again.")
@options.option("--join", is_flag=True, help="Share the arms with a run that is at work in the same results folder.")
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
    default=CHECKPOINT_MINUTES,
    show_default=f"{CHECKPOINT_MINUTES:g}",
    help="Minutes between two checkpoints of a training. After a kill it continues from the last one. 0: after every step.",
)
@options.device_option
@options.workers_option
@options.executor_option
@options.executor_set_option
@options.results_option
@options.cache_option
@options.models_option
@options.data_option
@output.options
def run(
    suite: Path,
    only: str | None,
    retry: bool,
    join: bool,
    max_usd: float | None,
    until_decided: bool,
    max_seeds: int | None,
    max_hours: float | None,
    margin: float | None,
    checkpoint_minutes: float,
    device: str,
    workers: int | None,
    executor: str | None,
    executor_settings: dict[str, Any],
    parent: Path,
    cache: Path,
) -> None:
    """Run every unfinished arm of SUITE, then write the report.

    SUITE is a YAML file. An interrupted run continues where it stopped.
    """
    given = {"--max-seeds": max_seeds, "--max-hours": max_hours, "--margin": margin}
    if not until_decided and (alone := [name for name, value in given.items() if value is not None]):
        raise click.UsageError(f"{', '.join(alone)}: only with --until-decided")
    if join and until_decided:
        raise click.UsageError("--join: not with --until-decided, which decides alone which arms come next")
    from bench.api import arms
    from bench.cli import console

    screen = output.console()
    run_options = arms.RunOptions(
        suite=suite,
        only=only,
        retry=retry,
        join=join,
        max_usd=max_usd,
        until_decided=until_decided,
        max_seeds=max_seeds,
        max_hours=max_hours,
        margin=margin,
        device=device,
        workers=workers,
        executor=executor,
        executor_settings=executor_settings,
        checkpoint_minutes=checkpoint_minutes,
        parent=parent,
        cache=cache,
    )
    with console.RunScreen(console=screen) as shown:
        folder, records = arms.run_arms(run_options, shown)
    from bench.api.results import with_report

    found, kept = with_report(folder)
    written = folder / "report.md"
    ended = [{"arm": one.arm, "status": one.status, "reason": one.reason, "spent_usd": one.spent_usd} for one in records]
    output.show(
        lambda: {**found.document(), "report": written, "records": ended},
        partial(found.blocks, notes=console.summary(records, written, kept)),
    )
    raise SystemExit(1 if any(record.status == "failed" for record in records) else 0)
