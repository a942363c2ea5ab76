"""`bench recommend`: how to spend a budget."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import NUMBER, POSITIVE, option, results_argument, results_option
from bench.cli.price_options import OtherPrices, price_options


@click.command()
@results_argument
@option("--budget-usd", old=["--budget"], metavar="USD", type=POSITIVE, help="Budget in dollars.")
@option("--target", metavar="SCORE", type=NUMBER, help="Score to reach, in the unit of the metric that ranks.")
@option("--serving", is_flag=True, help="With --target: the cheapest way to answer, with the compact model, its teacher, or both.")
@option("--task", metavar="NAME", show_default="each task", help="Task to recommend for.")
@price_options
@results_option
@output.options
def recommend(
    results: Path, parent: Path, budget_usd: float | None, target: float | None, serving: bool, task: str | None, prices: OtherPrices
) -> None:
    """Recommend how to spend a budget, or what to spend for a score.

    Give --budget-usd or --target. The answer says how certain it is, and for a budget which price would change it. A price that is not
    given does not change.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.api import results as api
    from bench.cli import console

    if (budget_usd is None) == (target is None):
        raise click.UsageError("Give either --budget-usd or --target.")
    if serving and target is None:
        raise click.UsageError("--serving needs --target.")
    screen = output.console()
    found = prices.applied(api.read(results, parent=parent))
    with console.preparing(screen) as progress:
        progress("comparing settings", 0, 0)
        recommended = (
            found.cheapest_serving(target, task=task)
            if serving and target is not None
            else found.recommend(budget_usd, target=target, task=task)
        )
    notes = prices.notes(found)
    output.show(lambda: {**recommended.document(), "notes": notes}, recommended.blocks)
    for note in notes:
        screen.print(note)
