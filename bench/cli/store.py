"""`bench store`: the artifacts of a results folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.api.places import results_folder
from bench.cli import output
from bench.cli.options import results_argument, results_option

if TYPE_CHECKING:
    from rich.table import Table

    from bench.execution.stored import Stored


@click.group()
def store() -> None:
    """List, check and remove models and other artifacts.

    RESULTS is a results folder, or the suite file that wrote it.
    """


@store.command()
@results_argument
@results_option
@output.options
def ls(results: Path, parent: Path) -> None:
    """List artifacts: their size, and the arms that use them."""
    from bench.execution import stored

    found = stored.contents(results_folder(results, parent))
    whole, unneeded = sum(one.bytes for one in found), sum(one.bytes for one in found if not one.is_needed)
    output.show(
        lambda: {"artifacts": [asdict(one) for one in found], "bytes": whole, "unneeded_bytes": unneeded},
        lambda _: [_table(found), f"{len(found)} artifacts, {_size(whole)}; `bench store gc` frees {_size(unneeded)}"],
    )


@store.command()
@results_argument
@results_option
@output.options
def verify(results: Path, parent: Path) -> None:
    """Read all artifacts, and compare them with their checksums.

    The exit status is 1 where an artifact is damaged. The next run that needs it makes it again.
    """
    from bench.cli import console
    from bench.execution import stored

    with console.preparing(output.console()) as progress:
        found = stored.faults(results_folder(results, parent), progress)
    damaged = {name: fault for name, fault in found.items() if fault}
    unknown = [name for name, fault in found.items() if fault is None]
    intact = len(found) - len(damaged) - len(unknown)
    lines = [f"damaged: {fault}" for fault in damaged.values()]
    lines.append(f"{intact} artifacts are intact, {len(damaged)} damaged, {len(unknown)} without checksums")
    output.show(lambda: {"intact": intact, "damaged": damaged, "without_checksums": unknown}, lambda _: lines)
    raise SystemExit(1 if damaged else 0)


@store.command()
@results_argument
@results_option
@output.options
def gc(results: Path, parent: Path) -> None:
    """Delete teachers and all else that no record needs.

    Compact models, ledgers and reports are kept. Conversions of trained
    models, training checkpoints, and what killed runs left are deleted.
    """
    from bench.execution import stored

    freed, removed = stored.remove_unneeded(results_folder(results, parent))
    output.show(
        lambda: {"freed_bytes": freed, "removed": removed},
        lambda _: [f"freed {_size(freed)}; compact models, ledgers and reports are kept"],
    )


def _table(found: list[Stored]) -> Table:
    from rich.table import Table

    table = Table("artifact", "size", "arms", "needed", box=None, padding=(0, 1))
    for one in found:
        table.add_row(one.name, _size(one.bytes), str(len(one.arms)), "by a record" if one.is_needed else "")
    return table


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
