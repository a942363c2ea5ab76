"""`bench report`: writes the report of a results folder again."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from bench.api.places import results_folder
from bench.cli import output
from bench.cli.options import results_argument, results_option
from bench.errors import BenchError


@click.command()
@results_argument
@results_option
@output.options
def report(results: Path, parent: Path) -> None:
    """Write the report of RESULTS again, from its arms' files.

    RESULTS is a results folder, or the suite file that wrote it.
    """
    from bench.api.results import Results
    from bench.cli import console
    from bench.results import archive, folders, table

    screen, folder = output.console(), results_folder(results, parent)
    with console.preparing(screen) as progress:
        progress("reading results", 0, 2)
        found = Results(folder=folder, found=table.read(folder))
        if not found.found.records and "unfinished" not in found.statuses:
            raise BenchError(folders.why_empty(folder, found.found))
        if found.found.kept and not found.found.examples:
            raise BenchError(
                f"{folder}: cannot rebuild report.md: the arms' folders and {archive.FILE} are missing. "
                "Use `bench price` to work from table.parquet"
            )
        progress("reporting", 1, 2)
        written = found.report()
    output.show(lambda: {**found.document(), "report": written}, partial(found.blocks, notes=console.paths(written)))
