"""Identifies this version of `bench`, also where its source files change without a new version number."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import bench
from bench.system.files import state

SOURCES = ("*.py", "*.html")


@cache
def fingerprint() -> str:
    """Return a hash of the version number and of the states of the source files."""
    package = Path(bench.__file__).parent
    states = [state(path) for kind in SOURCES for path in sorted(package.rglob(kind))]
    return hashlib.sha256(repr((bench.__version__, states)).encode()).hexdigest()
