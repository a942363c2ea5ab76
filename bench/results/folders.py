"""Reads several results folders at once, and gives each a distinct name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.contracts import Progress
from bench.errors import BenchError
from bench.results import table
from bench.results.table import Results
from bench.system.results_folder import SUITE_JSON


def read(folder: Path) -> Results:
    """Read one folder. Raises BenchError where it does not exist, or where no arm in it has ended."""
    found = table.read(folder)
    if not found.records:
        raise BenchError(why_empty(folder, found))
    return found


def why_empty(folder: Path, found: Results) -> str:
    """Return why no arm in the folder has ended, and what it holds instead."""
    inside = sorted(str(path.parent.relative_to(folder)) for path in folder.glob(f"*/{SUITE_JSON}"))
    records = found.table[found.table["row"] == "record"]
    failed = records.loc[records["status"] == "failed", "reason"]
    if inside:
        hint = f"; results folders inside it are: {', '.join(inside)}"
    elif len(failed):
        hint = (
            f"; {len(failed):,} of {len(records):,} cannot be read, the first one: {str(failed.iloc[0]).removeprefix('cannot be read: ')}"
        )
    elif len(records):
        hint = "; its arms are still running, or their folders are gone"
    else:
        hint = "; a results folder is one that `bench run` or `bench import` wrote, such as results/pegasus"
    return f"{folder}: no arm in it has ended{hint}"


def read_all(folders: Sequence[Path], progress: Progress) -> tuple[dict[str, Results], list[str]]:
    """Return (name -> results, sorted by name) and one line for each folder that was left out, with the reason.

    A folder given twice is read once. Its name is that of its suite, or its path where several folders have one suite. A folder in which no
    arm has ended is left out. Raises BenchError where a folder does not exist, or where all would be left out.
    """
    distinct = {folder.resolve(): folder for folder in folders}
    found: dict[Path, Results] = {}
    empty = []
    for done, folder in enumerate(distinct.values()):
        progress("reading results", done, len(distinct))
        one = table.read(folder)
        if one.records:
            found[folder] = one
        else:
            empty.append(why_empty(folder, one))
    progress("reading results", len(distinct), len(distinct))
    if not found:
        raise BenchError("; ".join(empty))
    suites = Counter(_suite(folder, one) for folder, one in found.items())
    named = {name if suites[name := _suite(folder, one)] == 1 else str(folder): one for folder, one in found.items()}
    return dict(sorted(named.items())), empty


def _suite(folder: Path, found: Results) -> str:
    return str(found.suite.get("suite", folder.name))
