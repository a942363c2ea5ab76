"""`bench recommend`: how to spend a budget."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import POSITIVE, option, results_argument, results_folder, results_option
from bench.cli.price_options import OtherPrices, price_options


@click.command()
@results_argument
@option("--budget-usd", old=["--budget"], metavar="USD", type=POSITIVE, required=True, help="Budget in dollars.")
@option("--task", metavar="NAME", show_default="each task", help="Task to recommend for.")
@price_options
@results_option
def recommend(results: Path, parent: Path, budget_usd: float, task: str | None, prices: OtherPrices) -> None:
    """Recommend how to spend a budget, based on RESULTS.

    State how certain this is, and which price would change it. A price that is not given does not change.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench import report as reporting
    from bench.cli import console
    from bench.report.render import terminal
    from bench.report.sections import recommendation
    from bench.results import folders

    screen = console.console()
    found = folders.read(results_folder(results, parent))
    quotes = prices.quotes(found)
    with console.preparing(screen) as progress:
        progress("comparing settings", 0, 0)
        fields = reporting.fields(found, task, quotes)
        paragraphs = [recommendation.recommend(field, budget_usd, quotes) for field in fields]
    for paragraph in paragraphs:
        screen.print(terminal.line(paragraph))
    for note in prices.notes(found, quotes):
        screen.print(note)
