"""The steps that strategies are composed of."""

from __future__ import annotations

from typing import Any

from bench.contracts import Compact, Example, Job, Phase
from bench.errors import CheckpointError, NotEnough, OverBudget
from bench.training.generated import PseudoLabels
from bench.training.recipes import Finetuned, ModelRecipe, Pretrained, Shrunk, as_the_task_says
from bench.training.settings import Distillation, Tuning, check_optimizer
from bench.training.soft_labels import Distilled, SoftLabels

CHUNK = 250
"""Pseudo-labels made at a time: each chunk is an artifact, so budgets share their first chunks and a killed run keeps them."""

OUTPUTS_SHARE = 0.4
"""Part of the money left that may go into a chunk's outputs where soft labels of them follow, so that those fit too: they take about
as much again, up to 1.4 times in a decoder-only model, which computes logits for the document as well. Bites where money runs out."""


def check_installed(*tunings: Tuning | None) -> None:
    """Raises BenchError where one of them needs an optimiser that is not installed: said first, before labels are bought."""
    for tuning in filter(None, tunings):
        check_optimizer(tuning.optimizer)


def large(job: Job) -> ModelRecipe:
    """The pretrained large model, as it is."""
    return job.make(Pretrained(job.large), "student_training")


def compact(job: Job, base: ModelRecipe) -> ModelRecipe:
    """`cut`, made."""
    return job.make(cut(job, base), "student_training")


def cut(job: Job, base: ModelRecipe) -> ModelRecipe:
    """The layers of `base` that the compact shape keeps; where it names a model of its own, that one, or layers of that. Not made yet.

    Raises CheckpointError where a model of its own is named and `base` is a trained one: the one is not cut from the other.
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
    """The large model fine-tuned, not made yet; without settings as it comes, where it knows the task already."""
    return finetuned(job, large(job), examples, tuning, "teacher_tuning") if tuning else large(job)


def tune(job: Job, base: ModelRecipe, examples: tuple[Example, ...], tuning: Tuning, phase: Phase) -> ModelRecipe:
    """`base` fine-tuned. The teacher is tuned in full or not at all; the student stops early where the money ends."""
    return job.make(finetuned(job, base, examples, tuning, phase), phase, shorten=phase == "student_training")


def finetuned(job: Job, base: ModelRecipe, examples: tuple[Example, ...], tuning: Tuning, phase: Phase) -> ModelRecipe:
    """`base` fine-tuned, not made yet. Raises NotEnough where there is no example."""
    return Finetuned(base=base, tuning=tuning, seed=job.seed_for(phase), **_read_as_the_task_says(job, examples))


def distilled(
    job: Job,
    base: ModelRecipe,
    taught_by: tuple[SoftLabels, ...] | ModelRecipe,
    examples: tuple[Example, ...],
    tuning: Tuning,
    kd: Distillation,
) -> ModelRecipe:
    """`base` trained on labels and on what a teacher makes of the same inputs, not made yet. Raises NotEnough where there is no example."""
    data, seed = _read_as_the_task_says(job, examples), job.seed_for("student_training")
    return Distilled(base=base, tuning=tuning, seed=seed, taught_by=taught_by, distillation=kd, **data)


def _read_as_the_task_says(job: Job, examples: tuple[Example, ...]) -> dict[str, Any]:
    """Fields that every recipe has that learns from labelled examples. Raises NotEnough where there is none."""
    if not examples:
        raise NotEnough("there is not a single label to train on")
    return {"examples": examples, **as_the_task_says(job)}


def soft_labels(
    job: Job, teacher: ModelRecipe, examples: tuple[Example, ...], kd: Distillation, at_most_usd: float | None = None
) -> SoftLabels:
    """What `teacher` makes of every label token of `examples`. Raises OverBudget where not all of it fits."""
    recipe = SoftLabels(teacher=teacher, temperature=kd.temperature, top_k=kd.top_k, **_read_as_the_task_says(job, examples))
    return job.make(recipe, "pseudo_labelling", at_most_usd=at_most_usd)


def pseudo_label(
    job: Job, teacher: ModelRecipe, at_most_usd: float, keep: Distillation | None = None
) -> tuple[tuple[Example, ...], tuple[SoftLabels, ...]]:
    """The pool, in its order, labelled by `teacher` as far as the money goes; with `keep`, its soft labels of them as well.

    With `keep` each chunk is paid for twice, outputs first; one whose soft labels do not fit is left out, and is the last.
    Raises OverBudget where the money buys none.
    """
    labelled: tuple[Example, ...] = ()
    kept: tuple[SoftLabels, ...] = ()
    waiting, stop_at = job.unlabelled, job.left_usd() - at_most_usd
    while waiting:
        chunk, share = waiting[:CHUNK], OUTPUTS_SHARE if keep else 1.0
        try:
            recipe = PseudoLabels.of(job, teacher, chunk)
            made = job.make(recipe, "pseudo_labelling", shorten=True, at_most_usd=share * (job.left_usd() - stop_at))
            outputs = job.read(made)
            said = tuple(example for example in outputs if example.target)
            if keep and said:
                kept += (soft_labels(job, teacher, said, keep, job.left_usd() - stop_at),)
        except OverBudget:
            if not labelled:
                raise
            break
        labelled += said
        if len(outputs) < len(chunk) and not keep:
            break
        done = {example.id for example in outputs}  # of a chunk cut short not the first ones: a batch begins with the longest
        waiting = tuple(example for example in chunk if example.id not in done) + waiting[CHUNK:]
    return labelled, kept
