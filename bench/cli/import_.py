"""`bench import`: results folders made from published figures."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli.options import results_option


@click.group("import")
def import_() -> None:
    """Turn published figures into a results folder."""


@import_.command("published")
@click.argument("name", metavar="[NAME]", required=False)
@results_option
def import_published(name: str | None, parent: Path) -> None:
    """Write a paper's figures as a results folder, with its report.

    NAME is the work, such as `kang2023`. Without NAME, list the works.
    """
    from bench import report as reporting
    from bench.cli import console
    from bench.results import published, table

    screen = console.console()
    if name is None:
        for known in published.names():
            screen.print(f"{known}: {published.find(known).source}")
        return
    folder = published.published(name, parent)
    written = reporting.write(folder)
    for line in console.summary([*table.read(folder).records.values()], written):
        screen.print(line)
