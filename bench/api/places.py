"""Where suites, results and the cache lie."""

from __future__ import annotations

import os
from pathlib import Path

from bench.system import home

RESULTS = Path("results")
"""Parent of all results folders, in the current folder."""


def cache_folder(cache: Path | None) -> Path:
    """Return the cache folder as an absolute path: the given one, that of BENCH_CACHE, or `home.cache_folder()`."""
    return (cache or Path(os.environ.get("BENCH_CACHE") or home.cache_folder())).absolute()


def results_folder(results: Path, parent: Path) -> Path:
    """Return the results folder itself, or the one under `parent` that a suite file writes to. Raises SuiteError."""
    if not results.is_file():
        return results
    from bench.suite import suite_file

    return parent / suite_file.read(results).spec.suite
