"""`bench leaderboard`: several results folders in one table."""

from __future__ import annotations

from pathlib import Path

import click

from bench.api.places import results_folder
from bench.cli import output
from bench.cli.options import FILE, PATH, option, results_option


@click.command()
@click.argument("results", metavar="RESULTS...", type=PATH, nargs=-1, required=True)
@option("--rank-by", metavar="METRIC", default="", show_default="the metric each suite ranks by", help="Metric to rank by.")
@option("--best", is_flag=True, help="Show only settings that share the first rank.")
@option("--csv", metavar="FILE", type=FILE, help="Write the numbers to this CSV file too.")
@option("--markdown", metavar="FILE", type=FILE, help="Write the tables to this Markdown file too.")
@results_option
@output.options
def leaderboard(results: tuple[Path, ...], rank_by: str, best: bool, csv: Path | None, markdown: Path | None, parent: Path) -> None:
    """Show several results folders in one leaderboard.

    Each RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.api import results as api
    from bench.cli import console
    from bench.report.render import markdown as rendering
    from bench.results import spreadsheet
    from bench.system.files import write_text

    screen = output.console()
    with console.preparing(screen) as progress:
        found = api.leaderboard([results_folder(path, parent) for path in results], rank_by, best, progress)
    output.show(found.document, found.blocks)
    if csv:
        write_text(csv, spreadsheet.without_formulas(found.table).to_csv(index=False))
    if markdown:
        write_text(markdown, rendering.page("Leaderboard", found.sections))
