"""`bench list`: the parts that a suite can use, and their settings."""

from __future__ import annotations

import click

from bench.cli import output


@click.command("list")
@click.argument("part", metavar="[PART]", required=False)
@output.options
def list_(part: str | None) -> None:
    """List all parts that a suite can use, or the settings of one.

    PART is the name of a part, such as `distill`.
    """
    from bench.cli import parts

    found = parts.every() if part is None else parts.named(part)
    output.show(lambda: {"parts": found}, lambda _: parts.blocks(found))
