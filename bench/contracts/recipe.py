"""A recipe says how a thing is made; its key is the hash of all that decides what it makes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from bench.contracts.part import Part
from bench.contracts.values import Example, Limit, Progress, fingerprint


class Tally(Protocol):
    """Counts what work takes while it runs."""

    def room_for(self, flops: float, items: int = 0) -> bool:
        """Whether a next step of so many FLOPs and items may start; by seconds and kWh, whether one like the longest so far may.

        Where it may not, a recipe with a `limit` stops early, and one without raises OverBudget.
        """
        ...

    def fraction(self) -> float:
        """Share of the allowance used so far, 0 where nothing limits it."""
        ...

    def advance(self, flops: float, items: int = 0) -> None:
        """A step of so many FLOPs is done, and it was the first to use so many labels or documents."""
        ...

    def sold(self, prompt_tokens: int, output_tokens: int) -> None:
        """An endpoint answered, and counted so many tokens."""
        ...


class NoTally:
    """A Tally without a limit that counts nothing: for reading and forecasting."""

    def room_for(self, flops: float, items: int = 0) -> bool:  # noqa: ARG002
        return True

    def fraction(self) -> float:
        return 0.0

    def advance(self, flops: float, items: int = 0) -> None: ...

    def sold(self, prompt_tokens: int, output_tokens: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
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

    limit: where a recipe that can stop early does so; None: none.
    """

    limit: Limit | None = field(default=None, kw_only=True)

    version: ClassVar[int] = 1
    """Raised whenever the same fields come to make something else."""
    on_device: ClassVar[bool] = True
    """Whether the device works on it. Where somebody else's does, behind an endpoint, tokens are paid and compute is not."""

    @cached_property
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

        Of a recipe with a limit in FLOPs or items, what it takes within that. Raises OverBudget where not even its first step fits.
        """

    def forecast_items(self, bench: Workbench) -> int:  # noqa: ARG002
        """Labels trained on, or documents labelled, each once."""
        return 0

    def forecast_tokens(self, bench: Workbench) -> tuple[int, int]:  # noqa: ARG002
        """(prompt, output) tokens to be bought of an endpoint: an estimate that errs upwards."""
        return 0, 0

    @abstractmethod
    def make(self, folder: Path, bench: Workbench) -> None:
        """Make it, into an empty folder. Inputs have been made before."""

    def rehearsal(self, step_flops: float, bench: Workbench) -> Recipe:  # noqa: ARG002
        """The same kind of work, cut to a few steps of hardly more than so many FLOPs, over models that nobody trained: to time it.

        bench: to forecast with.
        """
        return self

    def inputs(self) -> tuple[Recipe, ...]:
        """Recipes whose artifacts this one reads: its fields, and what stands in its fields that are tuples."""
        values = (getattr(self, f.name) for f in dataclasses.fields(self))
        found = (inner for value in values for inner in (value if isinstance(value, tuple) else (value,)))
        return tuple(inner for inner in found if isinstance(inner, Recipe))

    def within(self, limit: Limit) -> Self:
        """The same, but stopping early before more than `limit` is used."""
        return dataclasses.replace(self, limit=limit)

    def read(self, folder: Path) -> Any:
        """What the artifact holds, for a strategy."""
        return folder

    def pretend(self, bench: Workbench) -> Any:  # noqa: ARG002
        """What `read` would give, guessed without making it: for `bench plan`."""
        return None


R = TypeVar("R", bound=Recipe)


def identify(value: Any) -> Any:
    """Turn a value into JSON that is equal exactly where the values mean the same: recipes by key, texts by hash, parts by `kind`."""
    if isinstance(value, Recipe):
        return value.key
    if isinstance(value, Part):
        return {"part": value.kind(), **value.identity()}
    if isinstance(value, tuple) and value and isinstance(value[0], Example):
        return fingerprint(value)
    if isinstance(value, tuple):
        return [identify(inner) for inner in value]
    return value
