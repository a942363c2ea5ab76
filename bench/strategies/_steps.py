"""Steps from which strategies are composed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.contracts import Compact, Example, Job, Phase
from bench.errors import CheckpointError, NotEnough, OverBudget
from bench.system.sequences import joined, picked
from bench.training.finetuned import Finetuned
from bench.training.generated import PseudoLabels
from bench.training.recipes import ModelRecipe, Pretrained, Shrunk, as_the_task_says
from bench.training.settings import Distillation, Tuning, check_optimizer
from bench.training.soft_labels import Distilled, SoftLabels

CHUNK = 250
"""Pseudo-labels made at a time. Each chunk is an artifact, so budgets share their first chunks, and a killed run keeps them."""

OUTPUTS_SHARE = 0.4
"""Part of the remaining money for a chunk's outputs where soft labels of them follow, so that both fit.

Soft labels cost about as much as the outputs; the rest is a margin. The share only matters where the money runs out.
"""


def check_installed(*tunings: Tuning | None) -> None:
    """Raise BenchError where an optimiser is not installed. Call it before labels are bought."""
    for tuning in filter(None, tunings):
        check_optimizer(tuning.optimizer)


def large(job: Job) -> ModelRecipe:
    """Return the pretrained large model, unchanged."""
    return job.make(Pretrained(job.large), Phase.STUDENT_TRAINING)


def compact(job: Job) -> ModelRecipe:
    """Make the compact model, cut from the pretrained large one."""
    return job.make(cut(job, large(job)), Phase.STUDENT_TRAINING)


def cut(job: Job, base: ModelRecipe) -> ModelRecipe:
    """Return a recipe for the layers of `base` that the compact shape keeps.

    Where the shape names a model, it is that model, or layers of it. Nothing is made yet. Raises CheckpointError where the shape names a
    model and `base` is a trained one, because the first is not cut from the second.
    """
    shape = job.compact
    if shape.model is not None:
        if not isinstance(base, Pretrained):
            raise CheckpointError(
                f"compact.model '{shape.model}' is a model of its own, and here the compact model is cut from one that was tuned; "
                "take compact.model out, or start from 'pretrained'"
            )
        base = Pretrained(job.model(shape.model))
    layers = Compact(encoder_layers=shape.encoder_layers, decoder_layers=shape.decoder_layers)
    return Shrunk(base, layers) if layers != Compact() else base


def teacher(job: Job, examples: tuple[Example, ...], tuning: Tuning | None) -> ModelRecipe:
    """Return a recipe for the fine-tuned large model. Without settings it is the large model itself, which then knows the task already."""
    return finetuned(job, large(job), examples, tuning, Phase.TEACHER_TUNING) if tuning else large(job)


def tune(job: Job, base: ModelRecipe, examples: Sequence[Example], tuning: Tuning, phase: Phase) -> ModelRecipe:
    """Make `base` fine-tuned. A student stops early where the money ends. A teacher is tuned completely or not at all."""
    return job.make(finetuned(job, base, examples, tuning, phase), phase, allow_partial=phase == Phase.STUDENT_TRAINING)


def finetuned(job: Job, base: ModelRecipe, examples: Sequence[Example], tuning: Tuning, phase: Phase) -> ModelRecipe:
    """Return a recipe for `base` fine-tuned. Raises NotEnough where there is no example."""
    return Finetuned(base=base, tuning=tuning, seed=job.seed_for(phase), **_read_as_the_task_says(job, examples))


def distilled(
    job: Job,
    base: ModelRecipe,
    taught_by: tuple[SoftLabels, ...] | ModelRecipe,
    examples: Sequence[Example],
    tuning: Tuning,
    kd: Distillation,
) -> ModelRecipe:
    """Return a recipe for `base` trained on labels and on a teacher's distributions. Raises NotEnough where there is no example."""
    data, seed = _read_as_the_task_says(job, examples), job.seed_for("student_training")
    return Distilled(base=base, tuning=tuning, seed=seed, taught_by=taught_by, distillation=kd, **data)


def _read_as_the_task_says(job: Job, examples: Sequence[Example]) -> dict[str, Any]:
    """Return the fields of every recipe that learns from labelled examples. Raises NotEnough where there is none."""
    if not examples:
        raise NotEnough("there is not a single label to train on")
    return {"examples": examples, **as_the_task_says(job)}


def soft_labels(job: Job, teacher: ModelRecipe, examples: Sequence[Example], kd: Distillation, max_usd: float | None = None) -> SoftLabels:
    """Make the distributions of `teacher` at every label token of `examples`. Raises OverBudget where not all of them fit."""
    recipe = SoftLabels(teacher=teacher, temperature=kd.temperature, top_k=kd.top_k, **_read_as_the_task_says(job, examples))
    return job.make(recipe, Phase.PSEUDO_LABELLING, max_usd=max_usd)


def pseudo_label(
    job: Job, teacher: ModelRecipe, max_usd: float, keep: Distillation | None = None
) -> tuple[Sequence[Example], tuple[SoftLabels, ...]]:
    """Label the pool with `teacher`, in the pool's order, as far as the money goes.

    With `keep`, soft labels are made as well, and each chunk is paid for twice, outputs first. A chunk whose
    soft labels do not fit is left out and ends the work. Raises OverBudget where the money buys no label.
    """
    labelled: list[Sequence[Example]] = []
    kept: tuple[SoftLabels, ...] = ()
    left: tuple[Example, ...] = ()
    at, stop_at = 0, job.left_usd() - max_usd
    while left or at < len(job.unlabelled):
        after = at + CHUNK - len(left)
        chunk, share = joined((left, job.unlabelled[at:after])), OUTPUTS_SHARE if keep else 1.0
        try:
            recipe = PseudoLabels.of(job, teacher, chunk)
            made = job.make(recipe, Phase.PSEUDO_LABELLING, allow_partial=True, max_usd=share * (job.left_usd() - stop_at))
            outputs = job.read(made)
            usable = picked(outputs, [place for place, example in enumerate(outputs) if example.target])
            if keep and usable:
                kept += (soft_labels(job, teacher, usable, keep, job.left_usd() - stop_at),)
        except OverBudget:
            if not any(labelled):
                raise
            break
        labelled.append(usable)
        if len(outputs) < len(chunk) and not keep:
            break
        done = {example.id for example in outputs}  # a batch begins with the longest, so a chunk cut short did not do its first documents
        left = tuple(example for example in chunk if example.id not in done)
        at = after
    return joined(labelled), kept
