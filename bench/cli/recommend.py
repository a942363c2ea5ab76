"""`bench recommend`: how to spend a budget."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import NUMBER, POSITIVE, option, results_argument, results_folder, results_option
from bench.cli.price_options import OtherPrices, price_options


@click.command()
@results_argument
@option("--budget-usd", old=["--budget"], metavar="USD", type=POSITIVE, help="Budget in dollars.")
@option("--target", metavar="SCORE", type=NUMBER, help="Score to reach, in the unit of the metric that ranks.")
@option("--serving", is_flag=True, help="With --target: the cheapest way to answer, with the compact model, its teacher, or both.")
@option("--task", metavar="NAME", show_default="each task", help="Task to recommend for.")
@price_options
@results_option
def recommend(
    results: Path, parent: Path, budget_usd: float | None, target: float | None, serving: bool, task: str | None, prices: OtherPrices
) -> None:
    """Recommend how to spend a budget, or what to spend for a score.

    Give --budget-usd or --target. The answer says how certain it is, and for a budget which price would change it. A price that is not
    given does not change.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench import report as reporting
    from bench.cli import console
    from bench.report.blocks import Block, Paragraph, Section
    from bench.report.render import terminal
    from bench.report.sections import cascade, recommendation, targets
    from bench.results import folders

    if (budget_usd is None) == (target is None):
        raise click.UsageError("Give either --budget-usd or --target.")
    if serving and target is None:
        raise click.UsageError("--serving needs --target.")
    screen = console.console()
    found = folders.read(results_folder(results, parent))
    quotes = prices.quotes(found)
    with console.preparing(screen) as progress:
        progress("comparing settings", 0, 0)
        fields = reporting.fields(found, task, quotes)
        blocks: list[Block] = []
        for field in fields:
            if target is not None and serving:
                blocks += cascade.recommend(*reporting.at_prices(found, quotes, field.task), quotes, target)
            elif target is not None:
                blocks += targets.answer(field, quotes, target)
            elif budget_usd is not None:
                blocks.append(Paragraph(recommendation.recommend(field, budget_usd, quotes)))
    screen.print(terminal.page([Section(id="recommendation", title="", blocks=tuple(blocks))], screen.width))
    for note in prices.notes(found, quotes):
        screen.print(note)
