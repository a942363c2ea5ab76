"""`bench compare`: the changes from one results folder to another."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import FILE, PATH, option, results_option


@click.command()
@click.argument("before", metavar="RESULTS_A", type=PATH)
@click.argument("after", metavar="RESULTS_B", type=PATH)
@option("--metric", "metrics", metavar="NAME", multiple=True, help="Compare only this metric (repeatable).")
@option(
    "--fail-on-change",
    is_flag=True,
    help="Exit with status 1 if a score is significantly worse or an arm that was done is not done any more.",
)
@option("--markdown", old=["--out"], metavar="FILE", type=FILE, help="Write the comparison to this Markdown file too.")
@results_option
@output.options
def compare(before: Path, after: Path, metrics: tuple[str, ...], fail_on_change: bool, markdown: Path | None, parent: Path) -> None:
    """Show what changed significantly from RESULTS_A to RESULTS_B.

    Settings and arms that are new or gone are listed too.

    RESULTS_A and RESULTS_B are results folders, or the suite files that wrote them.
    """
    from bench.api.comparing import compare as compared
    from bench.cli import console
    from bench.report.render import markdown as rendering
    from bench.system.files import write_text

    with console.preparing(output.console()) as progress:
        found = compared(before, after, metrics=metrics, parent=parent, progress=progress)
    output.show(found.document, found.blocks)
    if markdown:
        write_text(markdown, rendering.page("Two results compared", found.sections))
    raise SystemExit(1 if found.got_worse and fail_on_change else 0)
