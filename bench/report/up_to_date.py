"""Tells whether the report of a results folder would be written again as it is.

A small file beside the report holds a hash of what the report was made from, and of the pages themselves. States of files stand for their
content. Any doubt, such as a folder that was copied, makes the report be written again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bench.execution import shared_folder
from bench.forecast import saved
from bench.results import unchanged_arms
from bench.system import program
from bench.system.files import state, write_text
from bench.system.results_folder import SUITE_JSON, SUITE_YAML

FILE = "report.sha256"

ASKED = (SUITE_JSON, SUITE_YAML)
"""Files that every run writes again. Their content is hashed."""

NOT_PAGES = {FILE, saved.FILE, *ASKED, "paths.json", "run.lock", shared_folder.RUN, shared_folder.REPORT}
"""Files in the results folder that no report writes."""


def inputs(folder: Path) -> str:
    """Return a hash of what a report is made from: this version of `bench`, and the files of the suite and of its arms."""
    asked = [path.read_bytes() for name in ASKED if (path := folder / name).exists()]
    arms = {arm: found for arm in sorted(_names(folder, folders=True)) if (found := unchanged_arms.state_of(folder, arm))}
    return _hash(program.fingerprint(), asked, state(folder / saved.FILE), arms)


def unchanged(folder: Path, made_from: str) -> bool:
    """Return whether the pages in `folder` are those that `remember` saw there, made from the same `inputs`."""
    path = folder / FILE
    return path.exists() and path.read_text(encoding="utf-8") == _hash(made_from, _pages(folder))


def remember(folder: Path, made_from: str) -> None:
    """Note that the pages in `folder` were made from what `inputs` saw before they were."""
    write_text(folder / FILE, _hash(made_from, _pages(folder)))


def _pages(folder: Path) -> dict[str, str]:
    return {name: state(folder / name) for name in sorted(_names(folder, folders=False) - NOT_PAGES)}


def _names(folder: Path, *, folders: bool) -> set[str]:
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.is_dir() == folders}


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
