"""A recipe describes how an artifact is made. Its key is the hash of everything that decides the outcome."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from bench.contracts.engine import Engine
from bench.contracts.meters import Limit
from bench.contracts.part import Part
from bench.contracts.training_checkpoints import TrainingCheckpoints
from bench.contracts.values import Charge, Example, Fact, PaidBy, Progress, fingerprint
from bench.contracts.workload import Activity, Batch, OutputLengths


class UsageMeter(Protocol):
    """Counts the resources that work uses while it runs."""

    def can_afford(self, flops: float, items: int = 0) -> bool:
        """Return whether a next step of this many FLOPs and items may start.

        For a limit in seconds or kWh the answer is whether a step like the longest one so far may start.
        Where it may not, a recipe with a `limit` stops early, and one without raises OverBudget.
        """
        ...

    def fraction_used(self) -> float:
        """Return the share of the allowance used so far; 0 where there is no limit."""
        ...

    def record_step(self, flops: float, items: int = 0) -> None:
        """Record a finished step of this many FLOPs. `items` counts labels or documents that it was the first
        to use."""
        ...

    def record_tokens(self, prompt_tokens: int, output_tokens: int) -> None:
        """Record the tokens of one endpoint response, as the endpoint counted them."""
        ...


class Unmetered:
    """A UsageMeter without a limit that counts nothing, for reading and forecasting."""

    def can_afford(self, flops: float, items: int = 0) -> bool:  # noqa: ARG002
        return True

    def fraction_used(self) -> float:
        return 0.0

    def record_step(self, flops: float, items: int = 0) -> None: ...

    def record_tokens(self, prompt_tokens: int, output_tokens: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What a recipe may use while it makes an artifact."""

    cache: Path
    device: str
    artifact: Callable[[Recipe], Path]
    """Returns the folder of an artifact that was made before."""
    usage: UsageMeter
    progress: Progress
    checkpoints: TrainingCheckpoints | None = None
    """Keeps the state of a training. None: an interrupted training starts again."""


@dataclass(frozen=True)
class Recipe(ABC):
    """A frozen value that describes how an artifact is made.

    Its key is the hash of everything that decides the outcome.
    """

    limit: Limit | None = field(default=None, kw_only=True)
    """Amount at which a recipe that can stop early does so. None: no limit."""

    version: ClassVar[int] = 1
    """Raised whenever the same fields come to make something different."""
    on_device: ClassVar[bool] = True
    """Whether the device does the work. Behind an endpoint it does not: tokens are then paid, and compute is
    not."""
    activity: ClassVar[Activity] = "unknown"
    """What most of the work is. A forecast of its time and memory depends on it."""
    generates_text: ClassVar[bool] = False
    """Whether the artifact is text whose length is unknown in advance. Costs that depend on it are then upper
    bounds."""

    @cached_property
    def key(self) -> str:
        """Name of the kind of recipe, then 16 hex digits of sha256."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return f"{type(self).__name__.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the outcome, as JSON."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields = {name: identify(value) for name, value in values.items() if not isinstance(value, Engine) or value.in_keys}
        return {"recipe": type(self).__name__, "version": self.version, **fields}

    @abstractmethod
    def forecast_flops(self, context: BuildContext) -> float:
        """Return the model FLOPs that `make` will take, from shapes and token counts alone. No weights are
        needed.

        With a limit in FLOPs or items, return what `make` takes within the limit. Raises OverBudget where not
        even the first step fits.
        """

    def forecast_items(self, context: BuildContext) -> int:  # noqa: ARG002
        """Return the number of labels trained on, or documents labelled, each counted once."""
        return 0

    def forecast_tokens(self, context: BuildContext) -> tuple[int, int]:  # noqa: ARG002
        """Return an upper estimate of the (prompt, output) tokens to buy from an endpoint."""
        return 0, 0

    def facts(self, folder: Path) -> tuple[Fact, ...]:  # noqa: ARG002
        """Return what making the artifact in `folder` showed, for the record of each arm that uses it."""
        return ()

    def own_charges(self, phase: str, paid_by: PaidBy) -> list[Charge]:  # noqa: ARG002
        """Return the charges for what the work buys at a price of its own, whatever the prices of the suite are."""
        return []

    def ceiling_flops(self, context: BuildContext) -> float | None:  # noqa: ARG002
        """Return the most FLOPs that `make` may take if generated inputs turn out otherwise than forecast.

        None: no more than `forecast_flops`.
        """
        return None

    def expected_flops(self, lengths: OutputLengths, context: BuildContext) -> float | None:  # noqa: ARG002
        """Return the FLOPs where generated texts have the expected lengths. The limit of a training is left out.

        None: those of `forecast_flops`, because the cost does not depend on such lengths or they are unknown.
        """
        return None

    @property
    def documents_labelled(self) -> Sequence[Example]:
        """The documents for which the work generates outputs about as long as labels."""
        return ()

    def training_steps(self, context: BuildContext) -> int:  # noqa: ARG002
        """Return the number of training steps; 0 for work that does not train."""
        return 0

    def kept_steps(self, context: BuildContext) -> Mapping[int, float]:  # noqa: ARG002
        """Return step -> FLOPs, for the steps that read encoder states which earlier steps kept, and compute none.

        They have a speed of their own. {}: there is no such step.
        """
        return {}

    def batches(self, context: BuildContext) -> tuple[Batch, ...]:  # noqa: ARG002
        """Return the batches that decide the peak memory. Empty: it is not forecast."""
        return ()

    @abstractmethod
    def make(self, folder: Path, context: BuildContext) -> None:
        """Make the artifact in an empty folder. Its inputs have been made before."""

    def verify(self, folder: Path, context: BuildContext) -> None:  # noqa: ARG002
        """Check the artifact after `make`. The check is no work of the method: nothing measures or charges it.

        It may add files that say what it found. Raises BenchError where the artifact is wrong, which is then not kept.
        """
        return

    def calibration_run(self, step_flops: float, context: BuildContext) -> Recipe:  # noqa: ARG002
        """Return a short version of this work, for calibration: a few steps over untrained models, to be
        timed.

        `step_flops` is about the most FLOPs of one step. `context` is used to forecast.
        """
        return self

    def speed_identity(self) -> dict[str, Any]:
        """Return what decides the speed of this work, as JSON: neither examples, seed and limit, nor trained
        weights."""
        fields = {f.name: _speed(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name not in ("limit", "seed")}
        return {"recipe": type(self).__name__, **fields}

    def speed_as_input(self) -> Any:
        """Return what the artifact contributes to the speed of work that reads it, as JSON."""
        return self.speed_identity()

    def inputs(self) -> tuple[Recipe, ...]:
        """Return the recipes whose artifacts this one reads: those in its fields, and in fields that are
        tuples."""
        values = (getattr(self, f.name) for f in dataclasses.fields(self))
        found = (inner for value in values for inner in (value if isinstance(value, tuple) else (value,)))
        return tuple(inner for inner in found if isinstance(inner, Recipe))

    def limited_to(self, limit: Limit) -> Self:
        """Return the same recipe, but it stops early before more than `limit` is used."""
        return dataclasses.replace(self, limit=limit)

    def read(self, folder: Path) -> Any:
        """Return the content of the artifact, for a strategy."""
        return folder

    def placeholder(self, context: BuildContext) -> Any:  # noqa: ARG002
        """Return a placeholder for what `read` would return, without making it, for `bench plan`."""
        return None


R = TypeVar("R", bound=Recipe)


def identify(value: Any) -> Any:
    """Return JSON that is equal exactly where the values mean the same: recipes by key, texts by hash, parts by `kind`."""
    if isinstance(value, Recipe):
        return value.key
    if isinstance(value, Part):
        return {"part": value.kind(), **value.identity()}
    if isinstance(value, Limit):
        return [value.meter.name, value.amount]
    if _is_examples(value):
        return fingerprint(value)
    if isinstance(value, tuple):
        return [identify(inner) for inner in value]
    return value


def _is_examples(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and bool(value) and isinstance(value[0], Example)


def _speed(value: Any) -> Any:
    """Return what a field contributes to the speed: nothing for examples, and the first item for tuples."""
    if isinstance(value, Recipe):
        return value.speed_as_input()
    if isinstance(value, tuple):
        return _speed(value[0]) if value else None
    return None if isinstance(value, Example) or _is_examples(value) else identify(value)
