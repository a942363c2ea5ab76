"""Simulates the memory of a training step: `loop.train` runs in a simulation up to its optimizer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.contracts import Unmetered, no_progress
from bench.forecast.memory.model import Enough, build, prime_batch, with_dropout
from bench.forecast.memory.simulate import simulate
from bench.forecast.memory.snapshots import MemorySnapshot
from bench.forecast.memory.tracker import AllocationTracker
from bench.forecast.memory.workload import TrainingStep
from bench.training.batches import Encoded
from bench.training.flops import FlopModel, flop_model
from bench.training.loop import Planned, train
from bench.training.objectives import CachedObjective, LabelObjective, Objective, SoftTargets, TeacherObjective


@dataclass(frozen=True)
class StepMemory:
    """Memory of a training step without that of its optimizer."""

    snapshots: tuple[MemorySnapshot, ...]
    """The moments before the optimizer's step at which most is held."""
    trained: tuple[torch.Size, ...]
    end: MemorySnapshot
    """What is held when the optimizer takes its step."""


def simulate_step(step: TrainingStep) -> StepMemory:
    """Simulate a training step up to its optimizer; the result is the same for every optimizer. Raises CheckpointError where `freeze` does
    not suit the model."""
    settings, lengths = step.settings, step.lengths
    config = with_dropout(step.architecture.config, settings.dropout)
    teacher = step.taught.teacher if step.taught else None
    batch = prime_batch([config, teacher.config] if teacher else [config], lengths)
    parts = 1 if settings.at_once == settings.batch_size else 2  # the second micro-batch runs beside the gradients of the first
    flops = flop_model(step.architecture.config)
    with simulate(step.kernels, batch, config.vocab_size, ["peft"] if settings.lora else []) as tracker:
        model = build(config, step.architecture.tied, tracker)
        objective = _objective(step, flops, tracker)
        seen: list[MemorySnapshot] = []

        def before_forward(*_: Any) -> None:  # by then the model has its adapters
            tracker.mark(model.parameters(), "parameters")
            tracker.take_snapshots()  # discards those before the forward pass
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.register_post_accumulate_grad_hook(lambda trained: tracker.mark([trained.grad], "gradients"))

        def before_optimizer(*_: Any) -> None:
            seen.extend(tracker.take_snapshots())
            seen.append(tracker.now())
            raise Enough

        model.register_forward_pre_hook(before_forward)
        hook = register_optimizer_step_pre_hook(before_optimizer)
        try:
            with suppress(Enough):
                train(
                    model,
                    [Encoded((1,) * lengths.source, (1,) * lengths.target)],
                    Planned([[0] * parts * batch]),
                    settings.model_copy(update={"optimizer": "adamw", "batch_size": parts * batch, "micro_batch_size": batch}),
                    flops,
                    objective,
                    precision=step.precision,
                    device="cpu",
                    seed=0,
                    usage=Unmetered(),
                    progress=no_progress,
                    may_stop_early=False,
                )
        finally:
            hook.remove()
        trained = tuple(p.shape for p in model.parameters() if p.requires_grad)
    return StepMemory(tuple(seen[:-1]), trained, seen[-1])


def _objective(step: TrainingStep, flops: FlopModel, tracker: AllocationTracker) -> Objective:
    """Return the loss of a step, with a teacher without weights or with one row of kept distributions. Its FLOPs do not matter here."""
    smoothing, taught = step.settings.label_smoothing, step.taught
    if taught is None:
        return LabelObjective(smoothing)
    settings, teacher = taught.distillation, taught.teacher
    if teacher is not None:
        network = build(teacher.config, teacher.tied, tracker).eval()
        return TeacherObjective(settings=settings, smoothing=smoothing, teacher_flops=flops, teacher=network)
    vocabulary = step.architecture.config.vocab_size
    kept = min(settings.top_k, vocabulary)
    tokens, log_probs = torch.empty(1, kept, dtype=torch.int32), torch.empty(1, min(kept + 1, vocabulary))
    starts: Any = [0, step.lengths.target]  # plain numbers, which a simulation does not store in tensors
    return CachedObjective(settings, smoothing, SoftTargets(tokens, log_probs, starts))
