"""Stage 3, where nothing is run: figures that others published -> a results folder, the same as a run leaves behind.

_cells          one figure is one arm; writes its folder
kang2023        labels or a teacher, six tasks, four budgets, two stocks of labels
shleifer2020    the model cards of the distilled BARTs

One file for each published work, found by its name, with one function `work() -> Work`. Files that start with '_' are no works.
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
    """Of the published works that are carried, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def find(name: str) -> Work:
    """One published work. Raises BenchError where it is not carried; says the nearest name."""
    if name not in names():
        near = nearest(name, names())
        raise BenchError(f"no published work '{name}'; " + (f"did you mean '{near}'?" if near else f"there are: {', '.join(names())}"))
    found: Work = importlib.import_module(f"{__name__}.{name}").work()
    return found


def published(name: str, results: Path) -> Path:
    """Write the folder `results/published-NAME/`, anew where there is one; its path. Raises BenchError for a name that is not carried."""
    work = find(name)
    return write(work, f"published-{name}", results / f"published-{name}")
