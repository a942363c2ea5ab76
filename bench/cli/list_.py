"""`bench list`: the parts that a suite can use, and their settings."""

from __future__ import annotations

import click


@click.command("list")
@click.argument("part", metavar="[PART]", required=False)
def list_(part: str | None) -> None:
    """List all parts that a suite can use, or the settings of one.

    PART is the name of a part, such as `distill`.
    """
    from bench.cli import console

    if part is None:
        console.every_part(console.console())
    else:
        console.one_part(part, console.console())
