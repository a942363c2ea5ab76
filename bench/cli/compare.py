"""`bench compare`: the changes from one results folder to another."""

from __future__ import annotations

from pathlib import Path

import click

from bench.api.places import results_folder
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
    from bench.cli import console
    from bench.report.analysis import compare as analysis
    from bench.report.render import markdown as rendering
    from bench.report.render import terminal
    from bench.report.sections import comparison
    from bench.results import folders
    from bench.system.files import write_text

    screen = output.console()
    with console.preparing(screen) as progress:
        progress("reading results", 0, 2)
        old = folders.read(results_folder(before, parent))
        progress("reading results", 1, 2)
        new = folders.read(results_folder(after, parent))
        found = analysis.compare(old, new, metrics, progress)
    shown = comparison.sections(found, str(before), str(after))
    output.show(found.document, lambda width: [terminal.page(shown, width)])
    if markdown:
        write_text(markdown, rendering.page("Two results compared", shown))
    raise SystemExit(1 if found.got_worse and fail_on_change else 0)
