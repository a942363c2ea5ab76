"""Several results folders at once: read, and told apart by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench import results
from bench.contracts import Progress
from bench.errors import BenchError
from bench.results import Results


def read(folder: Path) -> Results:
    """Raises BenchError where there is no such folder, or no arm in it has ended."""
    found = results.read(folder)
    if not found.records:
        raise BenchError(why_empty(folder, found))
    return found


def why_empty(folder: Path, found: Results) -> str:
    """What is there instead of arms that have ended."""
    inside = sorted(str(path.parent.relative_to(folder)) for path in folder.glob("*/suite.json"))
    if inside:
        hint = f"; results folders inside it are: {', '.join(inside)}"
    elif (folder / "table.parquet").exists():
        hint = "; its table.parquet has no scores by example, the folders of its arms are needed"
    else:
        hint = "; its arms are still running, or cannot be read" if len(found.table) else ""
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
        one = results.read(folder)
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
