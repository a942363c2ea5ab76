"""`bench price`: the same results at other prices."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import FOLDER, POSITIVE, option, results_argument, results_option
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
@output.options
def price(results: Path, parent: Path, prices: OtherPrices, requests_per_month: float | None, months: float, out: Path | None) -> None:
    """Show RESULTS at other prices, without running anything.

    A price that is not given does not change. The new report goes into a folder of its own.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.api import results as api
    from bench.cli import console

    screen = output.console()
    found = prices.applied(api.read(results, parent=parent))
    with console.preparing(screen) as progress:
        progress("re-pricing", 0, 0)
        written = found.report(out, requests_per_month=requests_per_month, months=months)
    notes = prices.notes(found)
    output.show(lambda: {**found.document(), "report": written, "notes": notes}, found.blocks)
    for note in notes:
        screen.print(note)
    for line in console.paths(written):
        screen.print(line)
