"""Generation speed of a student and of the large model."""

from __future__ import annotations

import functools
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from bench.contracts import Activity, Batch, BuildContext, Decoding, Engine, Fact, LoadedModel, Precision, Recipe
from bench.training.calibration import smaller_batch
from bench.training.checkpoints import load_tokenizer
from bench.training.conversion import conversions, load_into, random_documents
from bench.training.recipes import ModelRecipe, write_json


@dataclass(frozen=True, kw_only=True)
class InferenceSpeed(Recipe):
    """Milliseconds and FLOPs per example that the large model and a student need to generate exactly
    `target_tokens` tokens.

    Both models run in one process, in turn, `rounds` times over the same random documents. A first round is
    not counted. The result is the median round. Speed depends on the architecture alone: pass
    `recipe.untrained`, so that all arms whose students have one architecture share a timing.
    """

    activity: ClassVar[Activity] = "generation"
    version: ClassVar[int] = 2
    """Engines generate since 2. Older timings are those of other code."""

    large: ModelRecipe
    student: ModelRecipe
    source_tokens: int
    """Tokens of each random document."""
    target_tokens: int
    documents: int
    """Number of random documents."""
    rounds: int
    """Number of rounds that are counted."""
    precision: Precision
    decoding: Decoding
    engine: Engine

    def forecast_flops(self, context: BuildContext) -> float:
        return (self.rounds + 1) * self.documents * math.fsum(self._flops(context))

    def batches(self, context: BuildContext) -> tuple[Batch, ...]:  # noqa: ARG002
        """Return one batch of each model. Both models are loaded while one of them generates.

        Return none where the engine is not torch, whose memory alone is forecast.
        """
        if self.engine.reference() is not None:
            return ()
        one, other = (
            Batch(
                network=model,
                settings=self.decoding,
                precision=self.precision,
                source_tokens=self.source_tokens,
                target_tokens=self.target_tokens,
                examples=min(self.documents, self.decoding.batch_size),
                beside=(loaded,),
            )
            for model, loaded in ((self.large, self.student), (self.student, self.large))
        )
        return one, other

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        return replace(self, rounds=1, documents=smaller_batch(self.documents, self.documents * max(self._flops(context)), step_flops))

    def make(self, folder: Path, context: BuildContext) -> None:
        runs, flops = self._runs(context), self._flops(context)
        seconds: tuple[list[float], list[float]] = ([], [])
        for turn in range(self.rounds + 1):
            for run, times, one in zip(runs, seconds, flops, strict=True):
                times.append(_seconds(run, context.device))
                context.usage.record_step(self.documents * one)
            context.progress("timing", turn + 1, self.rounds + 1)
        large, student = (1000 * statistics.median(times[1:]) / self.documents for times in seconds)
        write_json(folder / "speed.json", {"large_ms": large, "student_ms": student, "large_flops": flops[0], "student_flops": flops[1]})

    def read(self, folder: Path) -> tuple[Fact, ...]:
        """Return large_ms, student_ms, large_flops and student_flops, each per example."""
        speed: dict[str, float] = json.loads((folder / "speed.json").read_text(encoding="utf-8"))
        return tuple(Fact(name=name, value=value, unit="ms" if name.endswith("_ms") else "FLOP") for name, value in speed.items())

    def inputs(self) -> tuple[Recipe, ...]:
        needed = (conversion for model in (self.large, self.student) for conversion in conversions(model, self.engine, self.source_tokens))
        return (*super().inputs(), *needed)

    def _runs(self, context: BuildContext) -> list[Callable[[], None]]:
        models = (self.large, self.student)
        sources = random_documents([load_tokenizer(model.folder(context)) for model in models], self.documents, self.source_tokens)
        settings: Any = {"decoding": self.decoding, "precision": self.precision}
        return [functools.partial(self._run, load_into(self.engine, model, sources, context, **settings), sources) for model in models]

    def _run(self, model: LoadedModel, sources: list[list[int]]) -> None:
        for at in range(0, len(sources), self.decoding.batch_size):
            model.generate(sources[at : at + self.decoding.batch_size], self.target_tokens, self.target_tokens)

    def _flops(self, context: BuildContext) -> tuple[float, float]:
        """Return the FLOPs of generating one answer, of the large model and the student."""
        large, student = (
            model.flop_model(context.cache).generation(self.source_tokens, self.target_tokens, self.decoding.beams)
            for model in (self.large, self.student)
        )
        return large, student


def _seconds(run: Callable[[], None], device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
