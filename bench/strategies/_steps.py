"""The steps that strategies are composed of."""

from __future__ import annotations

from bench.contracts import Example, Job, Phase
from bench.errors import NotEnough, OverBudget
from bench.training.recipes import Finetuned, ModelRecipe, Pretrained, PseudoLabels, Shrunk
from bench.training.tuning import Tuning

CHUNK = 250
"""Pseudo-labels made at a time: each chunk is an artifact, so budgets share their first chunks and a killed run keeps them."""


def large(job: Job) -> ModelRecipe:
    """The pretrained large model, as it is."""
    return job.make(Pretrained(job.large), "student_training")


def compact(job: Job, base: ModelRecipe) -> ModelRecipe:
    """A model with the layers of `base` that the compact shape keeps."""
    return job.make(Shrunk(base, job.compact), "student_training")


def tune(
    job: Job, base: ModelRecipe, examples: tuple[Example, ...], tuning: Tuning, phase: Phase, teacher: ModelRecipe | None = None
) -> ModelRecipe:
    """`base` fine-tuned. The teacher is tuned in full or not at all; the student stops early where the money ends."""
    if not examples:
        raise NotEnough("there is not a single label to train on")
    recipe = Finetuned(
        base=base,
        examples=examples,
        tuning=tuning,
        prefix=job.task.prefix,
        max_source_tokens=job.task.max_source_tokens,
        max_target_tokens=job.task.max_target_tokens,
        precision=job.precision,
        seed=job.seed_for(phase),
        teacher=teacher,
    )
    return job.make(recipe, phase, shorten=phase == "student_training")


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
