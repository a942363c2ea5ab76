"""`bench price`: the same results at other prices."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import FOLDER, POSITIVE, option, results_argument, results_folder, results_option
from bench.cli.price_options import OtherPrices, price_options


@click.command()
@results_argument
@price_options
@option(
    "--requests-per-month",
    old=["--requests"],
    metavar="N",
    type=POSITIVE,
    help="Requests that the model answers in a month; adds the cost of serving them.",
)
@option("--months", metavar="N", type=POSITIVE, default=12, help="Months of use.")
@option("--out", metavar="DIR", type=FOLDER, show_default="`priced` in RESULTS", help="Folder of the new report.")
@results_option
def price(results: Path, parent: Path, prices: OtherPrices, requests_per_month: float | None, months: float, out: Path | None) -> None:
    """Show RESULTS at other prices, without running anything.

    A price that is not given does not change. The new report goes into a folder of its own.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench import report as reporting
    from bench.cli import console
    from bench.report.analysis.serving_cost import Use
    from bench.results import folders, repricing

    screen, folder = console.console(), results_folder(results, parent)
    found = folders.read(folder)
    quotes = prices.quotes(found)
    use = Use(requests_per_month, months) if requests_per_month else None
    with console.preparing(screen) as progress:
        progress("re-pricing", 0, 0)
        written = reporting.write(folder, quotes, use, out or folder / "priced", found)
    screen.print(reporting.terminal(repricing.reprice(found, quotes), screen.width))
    for note in prices.notes(found, quotes):
        screen.print(note)
    for line in console.paths(written):
        screen.print(line)
