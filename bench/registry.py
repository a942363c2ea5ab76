"""Finds parts by shelf and name. A part's name is its file name. Other packages add parts by entry points.

[project.entry-points."bench.strategies"]
my_strategy = "my_package.my_module:MyStrategy"
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from bench import contracts
from bench.contracts import Part
from bench.errors import BenchError
from bench.system.names import nearest

_BASES: tuple[type[Part], ...] = (
    contracts.Task,
    contracts.Strategy,
    contracts.Metric,
    contracts.Profiler,
    contracts.Checkpoint,
    contracts.Text,
    contracts.Engine,
    contracts.Executor,
)
SHELVES: dict[str, type[Part]] = {base.shelf: base for base in _BASES}
"""Shelf -> base class of its parts."""

FORMER_NAMES = {"models": ("zoo",)}
"""Shelf -> its names in earlier versions. Packages that use these in their entry points keep working."""


class UnknownPart(BenchError):
    """No such part on the shelf. The message suggests the most similar name."""

    def __init__(self, shelf: str, name: str) -> None:
        near = nearest(name, names(shelf))
        hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(names(shelf))}"
        super().__init__(f"no part '{name}' in {shelf}/; {hint}")


def names(shelf: str) -> tuple[str, ...]:
    """Return the names of all parts on a shelf, sorted. Files whose name starts with '_' are not parts."""
    package = importlib.import_module(f"bench.{shelf}")
    own = {m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")}
    return tuple(sorted(own | {entry.name for entry in _entry_points(shelf)}))


@cache
def _entry_points(shelf: str) -> tuple[EntryPoint, ...]:
    """Return the parts that other packages add to a shelf."""
    return tuple(entry for group in (shelf, *FORMER_NAMES.get(shelf, ())) for entry in _every_entry_point().select(group=f"bench.{group}"))


_every_entry_point = cache(entry_points)
"""Return the entry points of all packages. Reading them takes 20 ms."""


@cache
def find(shelf: str, name: str) -> type[Part]:
    """Return the class behind a name.

    Raises UnknownPart where there is none. Raises BenchError where its file does not hold exactly one part.
    """
    if name not in names(shelf):
        raise UnknownPart(shelf, name)
    for entry in _entry_points(shelf):
        if entry.name == name:
            loaded: type[Part] = entry.load()
            return loaded
    module = importlib.import_module(f"bench.{shelf}.{name}")
    base = SHELVES[shelf]
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, base) and c.__module__ == module.__name__]
    if len(classes) != 1:
        raise BenchError(f"bench/{shelf}/{name}.py must hold exactly one {base.__name__}, it holds {len(classes)}")
    return classes[0]


def name_of(part: Part) -> str:
    """Return the name under which the class of a part is found."""
    return _name_of(type(part))


@cache
def _name_of(kind: type[Part]) -> str:
    """Return the name of a class. That of its own file is tried first: to try another one imports its module."""
    own = kind.__module__.rpartition(".")[2]
    for shelf, base in SHELVES.items():
        if issubclass(kind, base):
            return next(name for name in sorted(names(shelf), key=lambda name: name != own) if find(shelf, name) is kind)
    raise BenchError(f"{kind.__name__} stands on no shelf")
