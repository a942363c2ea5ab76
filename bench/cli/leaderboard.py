"""`bench leaderboard`: several results folders in one table."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import FILE, PATH, option, results_folder, results_option


@click.command()
@click.argument("results", metavar="RESULTS...", type=PATH, nargs=-1, required=True)
@option("--rank-by", metavar="METRIC", default="", show_default="the metric each suite ranks by", help="Metric to rank by.")
@option("--best", is_flag=True, help="Show only settings that share the first rank.")
@option("--csv", metavar="FILE", type=FILE, help="Write the numbers to this CSV file too.")
@option("--markdown", metavar="FILE", type=FILE, help="Write the tables to this Markdown file too.")
@results_option
def leaderboard(results: tuple[Path, ...], rank_by: str, best: bool, csv: Path | None, markdown: Path | None, parent: Path) -> None:
    """Show several results folders in one leaderboard.

    Each RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.cli import console
    from bench.report.analysis import merge
    from bench.report.render import markdown as rendering
    from bench.report.render import terminal
    from bench.report.sections import merged
    from bench.results import folders
    from bench.system.files import write_text

    screen = console.console()
    with console.preparing(screen) as progress:
        sides, left_out = folders.read_all([results_folder(path, parent) for path in results], progress)
        found = merge.together(sides, rank_by, best, progress)
    shown = merged.sections(found, left_out)
    screen.print(terminal.page(shown, screen.width))
    if csv:
        write_text(csv, merged.frame(found).to_csv(index=False))
    if markdown:
        write_text(markdown, rendering.page("Leaderboard", shown))
