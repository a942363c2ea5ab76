"""Identifies the files and folders that a suite names by their content.

    results/<suite>/paths.json      hash of a content -> the paths under which arms of this folder know it

An arm's id and a recipe's key contain the paths of the suite. A suite may name another path with the same
content. Its parts are then identified by the path that the results folder knows, so its ended arms and its
artifacts still count.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from bench.contracts import Part, Progress, no_progress, paths_used
from bench.suite.suite_file import Suite
from bench.system.files import write_json
from bench.system.fingerprints import ALL, DECIDE, of_file, of_folder
from bench.system.shipped import located

FILE = "paths.json"

SHELVES = ("models", "texts", "tasks", "metrics")
"""Shelves of a suite whose parts name files."""

P = TypeVar("P", bound=Part)


def content(path: str | Path, cache: Path, progress: Progress = no_progress) -> str:
    """Return a hash of the content at a path; '' where nothing is there.

    For a file it covers the file, for a model's folder the files that decide its behaviour, for other folders
    all files.
    """
    there = located(path)
    try:
        if not there.is_dir():
            return of_file(there, cache, progress)
        return of_folder(there, cache, progress, DECIDE if (there / "config.json").exists() else ALL)
    except OSError:
        return ""


def known(suite: Suite, results: Path, cache: Path, progress: Progress = no_progress) -> Suite:
    """Return the suite with its parts identified by the paths that the results folder knows.

    A path that the suite itself names keeps its own identity. A path that held several contents identifies
    none of them.
    """
    before = _read(results)
    if not before:
        return suite
    named = {path for part in _parts(suite) for _, path in paths_used(part)}
    held = Counter(path for paths in before.values() for path in paths)

    def identified(part: P) -> P:
        elsewhere = {}
        for setting, path in paths_used(part):
            paths = before.get(content(path, cache, progress), [])
            others = [other for other in paths if other not in named and held[other] == 1]
            if others and path not in paths:
                elsewhere[setting] = others[0]
        return part.known_as(elsewhere)

    shelves: dict[str, Any] = {shelf: {label: identified(part) for label, part in getattr(suite, shelf).items()} for shelf in SHELVES}
    return replace(suite, large=identified(suite.large), **shelves)


def remember(suite: Suite, results: Path, cache: Path) -> None:
    """Write paths.json: the content at the paths by which the parts of a known suite are identified."""
    before = _read(results)
    found = {there: list(paths) for there, paths in before.items()}
    for part in _parts(suite):
        for setting, path in paths_used(part):
            if part.identity()[setting] == path and (there := content(path, cache)):
                found[there] = list(dict.fromkeys([*found.get(there, []), path]))
    if found != before:
        write_json(results / FILE, found)


def _parts(suite: Suite) -> Iterator[Part]:
    yield suite.large
    for shelf in SHELVES:
        yield from getattr(suite, shelf).values()


def _read(results: Path) -> dict[str, list[str]]:
    try:
        return dict(json.loads((results / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
