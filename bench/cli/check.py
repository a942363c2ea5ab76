"""`bench check`: every error in suite files."""

from __future__ import annotations

from pathlib import Path

import click

from bench.cli import output
from bench.cli.options import SUITE
from bench.errors import SuiteError


@click.command()
@click.argument("suites", metavar="SUITE...", type=SUITE, nargs=-1, required=True)
@output.options
def check(suites: tuple[Path, ...]) -> None:
    """Report every error in suite files, and count their arms."""
    from bench.suite import arms, suite_file

    counts: dict[Path, int] = {}
    faults: list[str] = []
    for path in suites:
        try:
            counts[path] = len(arms.arms(suite_file.read(path)))
        except SuiteError as error:
            faults += error.faults
    if faults:
        raise SuiteError(faults)
    output.show(
        lambda: {"suites": [{"suite": path, "arms": count} for path, count in counts.items()]},
        lambda _: (f"{path}: {count} arms" for path, count in counts.items()),
    )
