"""Published figures -> a results folder like one that a run writes. Nothing is run.

    _write          one figure is one arm; writes its folder
    kang2023        labels or a teacher, six tasks, four budgets, two numbers of labels owned
    shleifer2020    the model cards of the distilled BARTs

Each published work has a file, found by its name, with one function `work() -> Work`. Files that start with '_' are not works.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from bench.errors import BenchError
from bench.results.published._write import EQUALS_CLASS_SHARE, Cell, Work, write
from bench.system.names import nearest

__all__ = ["EQUALS_CLASS_SHARE", "Cell", "Work", "find", "names", "published"]


def names() -> tuple[str, ...]:
    """Return the names of the published works, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def find(name: str) -> Work:
    """Return one published work. Raises BenchError where there is none of this name; the message suggests the nearest."""
    if name not in names():
        near = nearest(name, names())
        raise BenchError(f"no published work '{name}'; " + (f"did you mean '{near}'?" if near else f"there are: {', '.join(names())}"))
    found: Work = importlib.import_module(f"{__name__}.{name}").work()
    return found


def published(name: str, results: Path) -> Path:
    """Write the folder `results/published-NAME/` and return its path. An older one is replaced. Raises BenchError for an unknown name."""
    work = find(name)
    return write(work, f"published-{name}", results / f"published-{name}")
