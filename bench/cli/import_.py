"""`bench import`: results folders made from published figures."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import results_option


@click.group("import")
def import_() -> None:
    """Turn published figures into a results folder."""


@import_.command("published")
@click.argument("name", metavar="[NAME]", required=False)
@results_option
@output.options
def import_published(name: str | None, parent: Path) -> None:
    """Write a paper's figures as a results folder, with its report.

    NAME is the work, such as `kang2023`. Without NAME, list the works.
    """
    from bench.api.results import Results
    from bench.cli import console
    from bench.results import published, table

    if name is None:
        works = {known: published.find(known).source for known in published.names()}
        output.show(lambda: {"works": works}, lambda _: (f"{known}: {source}" for known, source in works.items()))
        return
    folder = published.published(name, parent)
    found = Results(folder=folder, found=table.read(folder))
    written = found.report()
    output.show(lambda: {**found.document(), "report": written}, lambda _: ())
    screen = output.console()
    for line in console.summary([*found.found.records.values()], written):
        screen.print(line)
