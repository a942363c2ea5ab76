"""Tells whether the report of a results folder would be written again as it is.

A small file beside the report holds a hash of what the report was made from, and of the pages themselves. Sizes and times of files stand
for their content. Any doubt, such as a file that was copied, makes the report be written again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import bench
from bench.forecast import saved
from bench.system.files import write_text

FILE = "report.sha256"

ASKED = ("suite.json", "suite.yaml")
"""Files that every run writes again. Their content is hashed."""

READ = ("record.json", "ledger.jsonl", "predictions.jsonl")
"""Files of an arm that a report reads."""

NOT_PAGES = {FILE, saved.FILE, *ASKED, "paths.json", "run.lock"}
"""Files in the results folder that no report writes."""


def inputs(folder: Path) -> str:
    """Return a hash of what a report is made from: this version of `bench`, and the files of the suite and of its arms."""
    arms = (f"{arm}/{name}" for arm in sorted(_names(folder, folders=True)) for name in READ)
    asked = [path.read_bytes() for name in ASKED if (path := folder / name).exists()]
    return _hash(_program(), asked, list(_states(folder, [saved.FILE, *arms])))


def unchanged(folder: Path, made_from: str) -> bool:
    """Return whether the pages in `folder` are those that `remember` saw there, made from the same `inputs`."""
    path = folder / FILE
    return path.exists() and path.read_text(encoding="utf-8") == _hash(made_from, _pages(folder))


def remember(folder: Path, made_from: str) -> None:
    """Note that the pages in `folder` were made from what `inputs` saw before they were."""
    write_text(folder / FILE, _hash(made_from, _pages(folder)))


def _pages(folder: Path) -> list[str]:
    return list(_states(folder, sorted(_names(folder, folders=False) - NOT_PAGES)))


def _program() -> list[str]:
    """Return the version of `bench` and the states of its source files."""
    package = Path(bench.__file__).parent
    sources = sorted(path.relative_to(package).as_posix() for kind in ("*.py", "*.html") for path in package.rglob(kind))
    return [bench.__version__, *_states(package, sources)]


def _names(folder: Path, *, folders: bool) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.is_dir() == folders}


def _states(folder: Path, names: list[str]) -> Iterator[str]:
    """Yield name, size and time of change of each file that is there."""
    for name in names:
        try:
            now = os.stat(f"{folder}/{name}")
        except FileNotFoundError:
            continue
        yield f"{name} {now.st_size} {now.st_mtime_ns}"


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
