"""How fast a compact shape generates, beside the large one."""

from __future__ import annotations

import functools
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.contracts import Compact, Decoding, Precision, Recipe, Workbench
from bench.training.generation import generate_batch, generation_config
from bench.training.models import load
from bench.training.recipes import ModelRecipe, Shrunk
from bench.training.shrinking import counts_of, shrink


@dataclass(frozen=True)
class InferenceSpeed(Recipe):
    """Milliseconds an example that the large and the compact model take to generate exactly `target_tokens` tokens.

    Both in one process, in turn, `rounds` times over the same `documents` random documents of `source_tokens` tokens, after a
    round that is not counted; the median round. Time depends on the shape alone, so the compact model is untrained.
    """

    large: ModelRecipe
    compact: Compact
    source_tokens: int
    target_tokens: int
    documents: int
    rounds: int
    precision: Precision
    decoding: Decoding

    def forecast_flops(self, bench: Workbench) -> float:
        return (self.rounds + 1) * sum(self._round_flops(bench))

    def make(self, folder: Path, bench: Workbench) -> None:
        runs = self._runs(bench)
        seconds: tuple[list[float], list[float]] = ([], [])
        for turn in range(self.rounds + 1):
            for run, times, flops in zip(runs, seconds, self._round_flops(bench), strict=True):
                times.append(_seconds(run, bench.device))
                bench.tally.advance(flops)
            bench.progress("timing", turn + 1, self.rounds + 1)
        large, compact = (1000 * statistics.median(times[1:]) / self.documents for times in seconds)
        (folder / "speed.json").write_text(json.dumps({"large_ms": large, "compact_ms": compact}), encoding="utf-8")

    def read(self, folder: Path) -> dict[str, float]:
        """large_ms and compact_ms, per example."""
        speed: dict[str, float] = json.loads((folder / "speed.json").read_text(encoding="utf-8"))
        return speed

    def _runs(self, bench: Workbench) -> list[Callable[[], None]]:
        large, tokenizer = load(self.large.folder(bench))
        compact, _ = load(self.large.folder(bench))
        shrink(compact, *counts_of(compact.config, self.compact))
        ordinary = torch.tensor(sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids)))
        drawn = torch.randint(len(ordinary), (self.documents, self.source_tokens), generator=torch.Generator().manual_seed(0))
        sources: list[list[int]] = ordinary[drawn].tolist()
        return [functools.partial(self._run, model.to(bench.device), tokenizer, sources, bench.device) for model in (large, compact)]

    def _run(self, model: Any, tokenizer: Any, sources: list[list[int]], device: str) -> None:
        config = generation_config(model, self.decoding, self.target_tokens, self.target_tokens)
        for at in range(0, len(sources), self.decoding.batch_size):
            generate_batch(model, tokenizer, sources[at : at + self.decoding.batch_size], config, self.precision, device)

    def _round_flops(self, bench: Workbench) -> tuple[float, float]:
        large, compact = (m.flop_model(bench.cache) for m in (self.large, Shrunk(self.large, self.compact)))
        beams = self.decoding.beams
        one = (model.generation(self.source_tokens, self.target_tokens, beams) for model in (large, compact))
        first, second = (self.documents * flops for flops in one)
        return first, second


def _seconds(run: Callable[[], None], device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
