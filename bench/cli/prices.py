"""`bench prices`: prices that a suite can name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bench.cli import output
from bench.errors import BenchError

if TYPE_CHECKING:
    from rich.table import Table

    from bench.suite.named_prices import NamedPrice


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@output.options
def prices(name: str | None) -> None:
    """List prices that a suite can name, with source and date.

    A suite names them under `prices`, as in `device: a100-80gb`. NAME is a
    part of a name, such as gpt-4o; without it, all prices are listed.
    """
    from bench.suite import named_prices

    known = {kind: named_prices.named_prices(kind).values() for kind in named_prices.KINDS}
    listed = {kind: [price for price in all_ if (name or "").lower() in price.name] for kind, all_ in known.items()}
    if not any(listed.values()):
        raise BenchError(f"no price has {name} in its name; `bench prices` lists all")
    output.show(
        lambda: {"prices": {kind: [_document(price) for price in found] for kind, found in listed.items()}},
        lambda _: (_table(kind, found) for kind, found in listed.items() if found),
    )


def _table(kind: str, listed: list[NamedPrice]) -> Table:
    from rich.table import Table

    fields = dict.fromkeys(field for price in listed for field in price.settings)
    table = Table(kind, *fields, "source", "date", box=None, padding=(0, 1))
    for price in listed:
        values = (f"{price.settings[field]:g}" if field in price.settings else "" for field in fields)
        table.add_row(price.name, *values, price.source, price.as_of)
    return table


def _document(price: NamedPrice) -> dict[str, Any]:
    return {"name": price.name, "settings": dict(price.settings), "source": price.source, "as_of": price.as_of}
