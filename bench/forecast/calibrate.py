"""A few real steps of a piece of work, timed: its pace on this device.

A rehearsal (`Recipe.rehearsal`) is the same kind of work, from models that nobody trained, since it is their architecture that takes
time, over a sample of its examples. It is made by the recipe's own `make`, under the suite's own profilers; a tally that looks at the
clock ends it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from bench.contracts import Checkpoint, Example, Profiler, Recipe, Workbench, identify, no_progress
from bench.errors import OverBudget
from bench.execution.store import DryStore, window
from bench.training.recipes import ModelRecipe

SECONDS = 10.0
"""A rehearsal begins no further step after so long."""

STEP_FLOPS = {"cpu": 4e11, "cuda": 1e15}
"""Steps that take more are rehearsed with smaller batches: some four seconds of one CPU core, some of a GPU."""

NO_PACE = ("limit", "seed")
"""Fields of a recipe that its pace does not depend on."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a kind of work goes.

    seconds_per_flop: of its steps, by the FLOPs that a forecast counts; 0 where there was none. around_s: all other seconds, for loading,
    saving, and what the first step takes more than others. steps: that were timed. watts: mean power, None where no instrument tells
    it. resident_bytes: of a process that is about to load a model.
    """

    around_s: float
    seconds_per_flop: float
    steps: int
    watts: float | None
    resident_bytes: int

    def seconds(self, flops: float) -> float:
        """Seconds that work of so many FLOPs takes."""
        return self.around_s + flops * self.seconds_per_flop


def kind(recipe: Recipe, context: str) -> str:
    """A key that is the same for work of the same pace. context: all that decides it besides, such as the data and the device."""
    text = json.dumps([context, _paced(recipe)], sort_keys=True)
    return f"{type(recipe).__name__.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _paced(recipe: Recipe) -> dict[str, Any]:
    fields = {f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe) if f.name not in NO_PACE}
    return {"recipe": type(recipe).__name__, **{name: _told(value) for name, value in fields.items()}}


def _told(value: Any) -> Any:
    """What a field says of the pace: of examples nothing, of several values what the first one says."""
    if isinstance(value, ModelRecipe):
        return value.untrained.key
    if isinstance(value, Recipe):
        return _paced(value)
    if isinstance(value, tuple):
        return _told(value[0]) if value else None
    return None if isinstance(value, Example) else identify(value)


def checkpoints(recipe: Recipe) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that a recipe and its inputs name, each once. What lies there decides the pace, and not the name."""
    own = [value for f in dataclasses.fields(recipe) if isinstance(value := getattr(recipe, f.name), Checkpoint)]
    return tuple(dict.fromkeys([*own, *(model for needed in recipe.inputs() for model in checkpoints(needed))]))


@dataclass(kw_only=True)
class Stopwatch:
    """A Tally that lets work go on for some seconds, and notes when each step was done."""

    at_most_s: float = SECONDS
    flops: list[float] = field(default_factory=list)
    """Of each step, as they were foreseen where the work asked for room, else as they were counted."""
    edges: list[float] = field(default_factory=list)
    """When the first step began, where that is known, and when each ended."""
    _asked: float = 0.0

    def room_for(self, flops: float, items: int = 0) -> bool:  # noqa: ARG002
        now = time.monotonic()
        if not self.edges:
            self.edges.append(now)
        self._asked = flops
        return not self.flops or now - self.edges[0] < self.at_most_s

    def fraction(self) -> float:
        return 0.0

    def advance(self, flops: float, items: int = 0) -> None:  # noqa: ARG002
        self.edges.append(time.monotonic())
        self.flops.append(self._asked or flops)

    def sold(self, prompt_tokens: int, output_tokens: int) -> None: ...

    @property
    def seconds_per_flop(self) -> float:
        """Over the steps; the first one, in which memory is laid out, counts only where there is no other."""
        seconds = [after - before for before, after in zip(self.edges, self.edges[1:], strict=False)]
        timed = list(zip(self.flops[-len(seconds) :], seconds, strict=True)) if seconds else []
        counted = timed[1:] if len(timed) > 1 and len(timed) == len(self.flops) else timed
        flops = sum(flops for flops, _ in counted)
        return sum(seconds for _, seconds in counted) / flops if flops else 0.0


def rehearse(recipe: Recipe, folder: Path, device: str, profilers: Mapping[str, Profiler]) -> Pace:
    """Time a kind of work here and now. folder: the cache. Raises BenchError where it cannot be done at all."""
    dry = DryStore(folder, no_progress).bench
    short = recipe.rehearsal(STEP_FLOPS[device], dry)
    with tempfile.TemporaryDirectory() as made:
        stage = _Stage(Path(made), folder, device)
        for needed in short.inputs():
            stage.make(needed, Stopwatch())
        for profiler in profilers.values():
            profiler.prepare()
        resident = _resident_bytes()
        watch = Stopwatch()
        with window(profilers, device) as seen:
            stage.make(short, watch)
    pace, kwh = watch.seconds_per_flop, seen.kwh()
    around = max(0.0, seen.wall_s - pace * sum(watch.flops))
    return Pace(
        around_s=around,
        seconds_per_flop=pace,
        steps=len(watch.flops),
        watts=None if kwh is None else 3.6e6 * kwh / seen.wall_s,
        resident_bytes=resident,
    )


@cache
def _resident_bytes() -> int:
    """Before the first rehearsal of this process, all libraries being loaded; what is left of one is no part of the next."""
    return int(psutil.Process().memory_info().rss)


@dataclass(frozen=True)
class _Stage:
    """Makes recipes in a folder that is thrown away."""

    folder: Path
    cache: Path
    device: str

    def make(self, recipe: Recipe, watch: Stopwatch) -> None:
        for needed in recipe.inputs():
            if not self.artifact(needed).exists():
                self.make(needed, Stopwatch())
        self.artifact(recipe).mkdir(exist_ok=True)
        with suppress(OverBudget):  # the clock has ended what may not stop early
            recipe.make(
                self.artifact(recipe),
                Workbench(cache=self.cache, device=self.device, artifact=self.artifact, tally=watch, progress=no_progress),
            )

    def artifact(self, recipe: Recipe) -> Path:
        return self.folder / recipe.key
