"""Measures a few real steps of a piece of work: its speed on this device.

A calibration (`Recipe.calibration_run`) is the same kind of work over a sample of its examples. It uses untrained
models, because the time depends on their architecture alone. The recipe's own `make` runs it, under the
suite's own profilers. A UsageMeter that watches the clock ends it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psutil

from bench.contracts import BuildContext, Checkpoint, Profiler, Recipe, no_progress
from bench.errors import OverBudget
from bench.execution.measurement import window
from bench.execution.store import DryStore

SECONDS = 10.0
"""Seconds after which a calibration starts no further step."""

VERSION = 4
"""Raised whenever a calibration or a simulation finds something else. 2: steps that read kept encoder states have a speed of their
own; the engine's copies of weights count in models that are loaded beside another. 3: no logits where no label is. 4: no weights in fp32
beside copies in bf16; the loss of distillation."""

STEP_FLOPS = {"cpu": 4e11, "cuda": 1e15}
"""FLOPs of a step, by device. Larger steps are calibrated with smaller batches. A CPU core needs some four seconds for this many."""


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """Speed of a kind of work."""

    around_s: float
    """All seconds outside of steps: loading, saving, and the extra time of the first step."""
    seconds_per_flop: float
    """Seconds per FLOP of its steps, in the FLOPs that a forecast counts. 0 where there was no step."""
    kept_seconds_per_flop: float | None = None
    """The same of `Recipe.kept_steps`. None: no such step was timed, and they are as fast as the others."""
    steps: int
    """Number of steps that were timed."""
    watts: float | None
    """Mean power. None where no instrument measures it."""
    resident_bytes: int
    """Resident memory of a process that is about to load a model."""

    def seconds(self, flops: float, kept_share: float = 0.0) -> float:
        """Return the seconds that work of this many FLOPs takes. `kept_share` is the share of `Recipe.kept_steps` in them."""
        kept = self.seconds_per_flop if self.kept_seconds_per_flop is None else self.kept_seconds_per_flop
        return self.around_s + flops * ((1 - kept_share) * self.seconds_per_flop + kept_share * kept)


def kind(recipe: Recipe, context: str) -> str:
    """Return a key that is the same for all work of the same speed. `context` holds everything else that decides the speed, such as the
    data and the device."""
    text = json.dumps([VERSION, context, recipe.speed_identity()], sort_keys=True)
    return f"{type(recipe).__name__.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def checkpoints(recipe: Recipe) -> tuple[Checkpoint, ...]:
    """Return the distinct checkpoints that a recipe and its inputs name. Their content decides the speed, not their name."""
    own = [value for f in dataclasses.fields(recipe) if isinstance(value := getattr(recipe, f.name), Checkpoint)]
    return tuple(dict.fromkeys([*own, *(model for needed in recipe.inputs() for model in checkpoints(needed))]))


@dataclass(kw_only=True)
class Stopwatch:
    """A UsageMeter that allows work for some seconds, and notes when each step ends."""

    at_most_s: float = SECONDS
    flops: list[float] = field(default_factory=list)
    """FLOPs of each step: the forecast ones where the work asked for room, otherwise the counted ones."""
    edges: list[float] = field(default_factory=list)
    """Times at which the first step began, where known, and at which each step ended."""
    _asked: float = 0.0

    def can_afford(self, flops: float, items: int = 0) -> bool:  # noqa: ARG002
        now = time.monotonic()
        if not self.edges:
            self.edges.append(now)
        self._asked = flops
        return not self.flops or now - self.edges[0] < self.at_most_s

    def fraction_used(self) -> float:
        return 0.0

    def record_step(self, flops: float, items: int = 0) -> None:  # noqa: ARG002
        self.edges.append(time.monotonic())
        self.flops.append(self._asked or flops)

    def record_tokens(self, prompt_tokens: int, output_tokens: int) -> None: ...

    def seconds_per_flop(self, counts: Callable[[int], bool] = lambda step: True) -> float | None:  # noqa: ARG005
        """Return the mean over the steps that `counts` selects, or None where there are none.

        The first step, in which memory is allocated, counts only if it is the only one selected.
        """
        seconds = [after - before for before, after in zip(self.edges, self.edges[1:], strict=False)]
        untimed = len(self.flops) - len(seconds)
        timed = {step: (self.flops[step], took) for step, took in enumerate(seconds, untimed) if counts(step)}
        counted = {step: one for step, one in timed.items() if step} or timed
        flops = sum(flops for flops, _ in counted.values())
        return sum(took for _, took in counted.values()) / flops if flops else None


def calibrate(recipe: Recipe, folder: Path, device: str, profilers: Mapping[str, Profiler]) -> Throughput:
    """Measure a kind of work on this device now. `folder` is the cache. Raises BenchError where that is impossible."""
    context = DryStore(folder, no_progress).context
    short = recipe.calibration_run(STEP_FLOPS[device], context)
    kept, watch = short.kept_steps(context), Stopwatch()
    with tempfile.TemporaryDirectory() as made:
        stage = _Stage(Path(made), folder, device)
        for needed in short.inputs():
            stage.make(needed, Stopwatch())
        for profiler in profilers.values():
            profiler.prepare()
        resident = _resident_bytes()
        with window(profilers, device) as seen:
            stage.make(short, watch)
    kwh, kept_pace = seen.kwh(), watch.seconds_per_flop(lambda step: step in kept)
    pace = watch.seconds_per_flop(lambda step: step not in kept) or 0.0
    stepping = sum(flops * (kept_pace if kept_pace is not None and step in kept else pace) for step, flops in enumerate(watch.flops))
    return Throughput(
        around_s=max(0.0, seen.wall_s - stepping),
        seconds_per_flop=pace,
        kept_seconds_per_flop=kept_pace,
        steps=len(watch.flops),
        watts=None if kwh is None else 3.6e6 * kwh / seen.wall_s,
        resident_bytes=resident,
    )


@cache
def _resident_bytes() -> int:
    """Return the resident memory before the first calibration of this process, with all libraries loaded. It is cached, so remains of one
    calibration do not count for the next."""
    return int(psutil.Process().memory_info().rss)


@dataclass(frozen=True)
class _Stage:
    folder: Path
    cache: Path
    device: str

    def make(self, recipe: Recipe, watch: Stopwatch) -> None:
        for needed in recipe.inputs():
            if not self.artifact(needed).exists():
                self.make(needed, Stopwatch())
        self.artifact(recipe).mkdir(exist_ok=True)
        with suppress(OverBudget):  # the clock has ended work that may not stop early
            recipe.make(
                self.artifact(recipe),
                BuildContext(cache=self.cache, device=self.device, artifact=self.artifact, usage=watch, progress=no_progress),
            )

    def artifact(self, recipe: Recipe) -> Path:
        return self.folder / recipe.key
