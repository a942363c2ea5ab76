"""A recipe says how a thing is made; its key is the hash of all that decides what it makes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel

from bench.values import Example, Progress, fingerprint


class Tally(Protocol):
    """Counts what work takes while it runs."""

    def room_for(self, flops: float) -> bool:
        """Whether a next step of so many FLOPs may start; by other meters, whether one like the longest so far may.

        Where it may not, a recipe with a `limit` stops early, and one without raises OverBudget.
        """
        ...

    def fraction(self) -> float:
        """Share of the allowance used so far, 0 where nothing limits it."""
        ...

    def advance(self, flops: float) -> None:
        """A step of so many FLOPs is done."""
        ...


@dataclass(frozen=True)
class Workbench:
    """What a recipe may use while it makes something."""

    cache: Path
    device: str
    artifact: Callable[[Recipe], Path]
    """Folder of something made before."""
    tally: Tally
    progress: Progress


@dataclass(frozen=True)
class Recipe(ABC):
    """A frozen value that says how a thing is made. Its key is the hash of all that decides what it makes.

    limit: the amount of the paying meter after which a recipe that can stop early does so; None: none.
    """

    limit: float | None = field(default=None, kw_only=True)

    version: ClassVar[int] = 1
    """Raised whenever the same fields come to make something else."""

    @property
    def key(self) -> str:
        """Readable kind, then 16 hex digits of sha256."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return f"{type(self).__name__.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def identity(self) -> dict[str, Any]:
        """All that decides the outcome, as JSON."""
        fields = {f.name: identify(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"recipe": type(self).__name__, "version": self.version, **fields}

    @abstractmethod
    def forecast_flops(self, bench: Workbench) -> float:
        """Model FLOPs that `make` will take, from shapes and token counts alone: no weights, nothing made.

        Of a recipe with a limit in FLOPs, what it takes within that. Raises OverBudget where not even its first step fits.
        """

    @abstractmethod
    def make(self, folder: Path, bench: Workbench) -> None:
        """Make it, into an empty folder. Inputs have been made before."""

    def inputs(self) -> tuple[Recipe, ...]:
        """Recipes whose artifacts this one reads."""
        return tuple(v for f in dataclasses.fields(self) if isinstance(v := getattr(self, f.name), Recipe))

    def within(self, limit: float) -> Self:
        """The same, but stopping early before more than `limit` of the paying meter is used."""
        return dataclasses.replace(self, limit=limit)

    def read(self, folder: Path) -> Any:
        """What the artifact holds, for a strategy."""
        return folder

    def pretend(self, bench: Workbench) -> Any:  # noqa: ARG002
        """What `read` would give, guessed without making it: for `bench plan`."""
        return None


R = TypeVar("R", bound=Recipe)


def identify(value: Any) -> Any:
    """A JSON value that is the same exactly where `value` means the same: recipes by key, texts by hash."""
    if isinstance(value, Recipe):
        return value.key
    if isinstance(value, BaseModel):
        return {"part": f"{type(value).__module__}.{type(value).__qualname__}", **value.model_dump(mode="json")}
    if isinstance(value, tuple) and value and isinstance(value[0], Example):
        return fingerprint(value)
    return value
