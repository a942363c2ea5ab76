"""Measures which share of a training step its instruments take: the count of what is used, progress, and the profilers.

The calls from the training loop are timed. The threads of profilers count with their CPU time, as if they worked on the core that
trains. What profilers do once for a training, before its first step and after its last, is no part of a step.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench.contracts import ENERGY, FLOPS, Limit, Meter, Profiler
from bench.execution.measurement import StepMeter, window
from bench.execution.worker import ProgressFile
from bench.forecast.memory import find
from bench.profilers.energy import Energy
from bench.profilers.memory import Memory
from bench.profilers.wall import Wall
from bench.training.batches import Encoded, plan_batches
from bench.training.flops import flop_model
from bench.training.lean_operators import with_lean_operators
from bench.training.loop import Planned, train
from bench.training.objectives import LabelObjective
from bench.training.settings import Tuning
from benchmarks.memory import real_model
from benchmarks.training import examples

SHAPE, TINY = "google/flan-t5-small", "t5_v1_1:small-el1-dl1-dm64-ff64-nh2"
SOURCE, TARGET, BATCH, STEPS = 48, 12, 16, 5
"""Longest source and target in tokens, examples of a batch, and steps of a training."""

PROFILERS: dict[str, Profiler] = {"wall": Wall(), "memory": Memory(), "energy": Energy()}
"""Those of a suite that names none."""

ENOUGH = 1e30
"""Amount of a meter that no training uses up."""


@dataclass
class Stopwatch:
    """Adds up the seconds of all calls that go through it."""

    seconds: float = 0.0

    def timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same call, timed."""

        def run(*arguments: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.perf_counter() - begun

        return run


class TimedUsage:
    """A UsageMeter whose calls are timed."""

    def __init__(self, usage: StepMeter, watch: Stopwatch) -> None:
        self.can_afford, self.fraction_used = watch.timed(usage.can_afford), watch.timed(usage.fraction_used)
        self.record_step, self.record_tokens = watch.timed(usage.record_step), watch.timed(usage.record_tokens)


def of_threads() -> float:
    """Return the CPU seconds of all threads that Python has started and that still run."""
    others = [thread.ident for thread in threading.enumerate() if thread is not threading.main_thread()]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in others if ident)


def share(model: Any, data: Sequence[Encoded], meter: Meter) -> float:
    """Train, and return the share of the time that instruments took."""
    watch, tuning = Stopwatch(), Tuning(epochs=1, batch_size=BATCH)
    order = Planned(plan_batches(data, BATCH, 1, 0, seed=0))
    with tempfile.TemporaryDirectory() as folder, window(PROFILERS, "cpu") as seen:
        usage = StepMeter(limit=Limit(meter=meter, amount=ENOUGH), measured=seen.so_far)
        before, begun = of_threads(), time.perf_counter()
        train(
            model,
            data,
            order,
            tuning,
            flop_model(model.config),
            LabelObjective(),
            precision="fp32",
            device="cpu",
            seed=0,
            usage=TimedUsage(usage, watch),
            progress=watch.timed(ProgressFile(Path(folder))),
            may_stop_early=True,
        )
        whole = time.perf_counter() - begun
        return (watch.seconds + of_threads() - before) / whole


def shares(tiny: bool, rounds: int) -> dict[str, list[float]]:
    """Return name of a meter -> the share of a training's time that instruments took in each round."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for profiler in PROFILERS.values():
        profiler.prepare()
    model = with_lean_operators(real_model(find(TINY if tiny else SHAPE).architecture, 0.0))
    data = examples(BATCH * STEPS, SOURCE, TARGET, model.config.vocab_size)
    return {meter.name: [share(model, data, meter) for _ in range(rounds + 1)][1:] for meter in (FLOPS, ENERGY)}
