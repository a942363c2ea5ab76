"""The few questions that a file does not answer, for a user at a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import click

from bench.errors import BenchError
from bench.system.one_line import shown


def column(what: str, names: Sequence[str], guess: str) -> str:
    """Ask for one of the columns. The default is `guess`."""
    click.echo(f"Which column holds the {what}?")
    for number, name in enumerate(names, 1):
        click.echo(f"  {number}  {shown(name)}")
    picked: int = click.prompt("Number", default=[*names].index(guess) + 1, type=click.IntRange(1, len(names)))
    return names[picked - 1]


def is_header(fields: Sequence[str], why: str) -> bool:
    """Ask whether the first row of a file holds the names of the columns."""
    click.echo(f"The first row is {', '.join(map(shown, fields))}. It looks like data, because {why}.")
    found: bool = click.confirm("Does it hold the names of the columns?", default=False)
    return found


def label_usd(guess: float) -> float:
    """Ask for the price of a label in dollars."""
    found: float = click.prompt("What does one label cost you, in dollars?", default=f"{guess:g}", value_proc=_price)
    return found


def budgets(guess: Sequence[float]) -> tuple[float, ...]:
    """Ask for the budgets in dollars. Each becomes one arm of every strategy."""
    question = "Budgets to compare, in dollars, with spaces between them"
    found: tuple[float, ...] = click.prompt(question, default=" ".join(f"{usd:g}" for usd in guess), value_proc=_prices)
    return found


def dollars(amounts: Sequence[float], option: str, at_least: float | None = None) -> tuple[float, ...]:
    """Return the amounts sorted and without duplicates. Raises BenchError where one is not an amount, or is 0 and may not be."""
    for usd in amounts:
        if not math.isfinite(usd) or usd < 0 or (usd == 0 and at_least is None):
            raise BenchError(f"{option}: expected dollars {'from' if at_least == 0 else 'above'} 0, got {usd:g}")
    return tuple(sorted(set(amounts)))


def _price(text: str) -> float:
    try:
        return dollars([float(text)], "price", at_least=0)[0]
    except (ValueError, BenchError) as error:
        raise click.BadParameter(f"expected dollars, 0 or more ({error})") from None


def _prices(text: str) -> tuple[float, ...]:
    try:
        found = dollars([float(usd) for usd in text.replace(",", " ").split()], "budget")
    except (ValueError, BenchError) as error:
        raise click.BadParameter(f"expected dollars above 0 ({error})") from None
    if not found:
        raise click.BadParameter("expected at least one budget")
    return found
