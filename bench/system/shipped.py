"""Files that come with bench: the suites, their small data, and the list of pinned downloads.

In a checkout they lie beside the package, in `suites/` and `requirements/`. A wheel holds them in the package; see setup.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.system.home import expanded

PACKAGE = Path(__file__).parents[1]

NAME = r"[\w-]+(/[\w-]+)?"
"""Pattern of the name of a suite: 'pegasus', or 'papers/tay2021'."""


def shipped(path: str) -> Path:
    """Return where a shipped file or folder is, such as 'suites/smoke.yaml'. Nothing checks that it exists."""
    inside = PACKAGE / path
    return inside if inside.exists() else PACKAGE.parent / path


def suite_named(name: str) -> Path | None:
    """Return the file of a shipped suite, or None where there is none of this name."""
    path = shipped(f"suites/{name}.yaml")
    return path if re.fullmatch(NAME, name) and path.is_file() else None


def located(path: str | Path) -> Path:
    """Return a path with the home folder for `~`. Where nothing is there, it is a shipped file of this path, if there is one.

    A shipped suite can therefore name `suites/data/smoke.csv`, wherever bench runs.
    """
    there = expanded(path)
    if there.exists() or there.parts[:1] != ("suites",) or ".." in there.parts:
        return there
    ours = shipped(there.as_posix())
    return ours if ours.is_file() else there
