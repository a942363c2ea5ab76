"""Several results folders at once: read, and told apart by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.contracts import Progress
from bench.errors import BenchError
from bench.results import table
from bench.results.table import Results


def read(folder: Path) -> Results:
    """Raises BenchError where there is no such folder, or no arm in it has ended."""
    found = table.read(folder)
    if not found.records:
        raise BenchError(why_empty(folder, found))
    return found


def why_empty(folder: Path, found: Results) -> str:
    """What is there instead of arms that have ended."""
    inside = sorted(str(path.parent.relative_to(folder)) for path in folder.glob("*/suite.json"))
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
    """Each folder once, by the name of its suite, or by its path where several are of one suite, sorted; which were left out, and why.

    Left out is one in which no arm has ended. Raises BenchError where there is no such folder, or where all would be left out.
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
