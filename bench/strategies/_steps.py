"""The steps that strategies are composed of."""

from __future__ import annotations

from typing import Any

from bench.contracts import Compact, Example, Job, Phase
from bench.errors import CheckpointError, NotEnough, OverBudget
from bench.training.outputs import PseudoLabels
from bench.training.recipes import Finetuned, ModelRecipe, Pretrained, Shrunk
from bench.training.soft_labels import Distilled, SoftLabels
from bench.training.tuning import Distillation, Tuning

CHUNK = 250
"""Pseudo-labels made at a time: each chunk is an artifact, so budgets share their first chunks and a killed run keeps them."""


def large(job: Job) -> ModelRecipe:
    """The pretrained large model, as it is."""
    return job.make(Pretrained(job.large), "student_training")


def compact(job: Job, base: ModelRecipe) -> ModelRecipe:
    """The layers of `base` that the compact shape keeps; where it names a model of its own, that one, or layers of that.

    Raises CheckpointError where a model of its own is named and `base` has been trained: the one is not cut from the other.
    """
    shape = job.compact
    if shape.model is not None:
        if not isinstance(base, Pretrained):
            raise CheckpointError(
                f"compact.model '{shape.model}' is a model of its own, and here the compact model is cut from one that was tuned; "
                "take compact.model out, or start from 'pretrained'"
            )
        base = job.make(Pretrained(job.model(shape.model)), "student_training")
    layers = Compact(encoder_layers=shape.encoder_layers, decoder_layers=shape.decoder_layers)
    return job.make(Shrunk(base, layers), "student_training") if layers != Compact() else base


def tune(job: Job, base: ModelRecipe, examples: tuple[Example, ...], tuning: Tuning, phase: Phase) -> ModelRecipe:
    """`base` fine-tuned. The teacher is tuned in full or not at all; the student stops early where the money ends."""
    recipe = Finetuned(base=base, tuning=tuning, seed=job.seed_for(phase), **_read_as_the_task_says(job, examples))
    return job.make(recipe, phase, shorten=phase == "student_training")


def distill(
    job: Job, base: ModelRecipe, teacher: ModelRecipe, examples: tuple[Example, ...], tuning: Tuning, kd: Distillation
) -> ModelRecipe:
    """`base` trained on labels and on what `teacher` makes of the same inputs, as far as the money goes."""
    data = _read_as_the_task_says(job, examples)
    taught_by: SoftLabels | ModelRecipe = teacher
    if kd.teacher_outputs == "cached":
        soft_labels = SoftLabels(teacher=teacher, temperature=kd.temperature, top_k=kd.top_k, **data)
        taught_by = job.make(soft_labels, "pseudo_labelling")
    recipe = Distilled(base=base, tuning=tuning, seed=job.seed_for("student_training"), taught_by=taught_by, distillation=kd, **data)
    return job.make(recipe, "student_training", shorten=True)


def _read_as_the_task_says(job: Job, examples: tuple[Example, ...]) -> dict[str, Any]:
    """Fields that every recipe has that learns from labelled examples. Raises NotEnough where there is none."""
    if not examples:
        raise NotEnough("there is not a single label to train on")
    return {
        "examples": examples,
        "prefix": job.task.prefix,
        "max_source_tokens": job.task.max_source_tokens,
        "max_target_tokens": job.task.max_target_tokens,
        "precision": job.precision,
    }


def pseudo_label(job: Job, teacher: ModelRecipe, at_most_usd: float) -> tuple[Example, ...]:
    """The pool, in its order, labelled by `teacher` as far as the money goes. Raises OverBudget where it buys none."""
    labelled: tuple[Example, ...] = ()
    stop_at = job.left_usd() - at_most_usd
    for start in range(0, len(job.unlabelled), CHUNK):
        try:
            chunk = job.make(
                PseudoLabels.of(job, teacher, job.unlabelled[start : start + CHUNK]),
                "pseudo_labelling",
                shorten=True,
                at_most_usd=job.left_usd() - stop_at,
            )
        except OverBudget:
            if not labelled:
                raise
            break
        outputs = job.read(chunk)
        labelled += tuple(example for example in outputs if example.target)
        if len(outputs) < len(chunk.examples):
            break
    return labelled
