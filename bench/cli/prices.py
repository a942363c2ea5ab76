"""`bench prices`: prices that a suite can name."""

from __future__ import annotations

import click

from bench.errors import BenchError


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
def prices(name: str | None) -> None:
    """List prices that a suite can name, with source and date.

    A suite names them under `prices`, as in `device: a100-80gb`. NAME is a
    part of a name, such as gpt-4o; without it, all prices are listed.
    """
    from rich.table import Table

    from bench.cli import console
    from bench.suite import named_prices

    screen, found = console.console(), 0
    for kind in named_prices.KINDS:
        listed = [price for price in named_prices.named_prices(kind).values() if (name or "").lower() in price.name]
        if not listed:
            continue
        found += len(listed)
        fields = dict.fromkeys(field for price in listed for field in price.settings)
        table = Table(kind, *fields, "source", "date", box=None, padding=(0, 1))
        for price in listed:
            values = (f"{price.settings[field]:g}" if field in price.settings else "" for field in fields)
            table.add_row(price.name, *values, price.source, price.as_of)
        screen.print(table)
        screen.print()
    if not found:
        raise BenchError(f"no price has {name} in its name; `bench prices` lists all")
