"""Forecasts the peak memory of a recipe of a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.contracts import BuildContext, Recipe
from bench.forecast.memory.architectures import of_folder
from bench.forecast.memory.model import parameters
from bench.forecast.memory.predict import peak
from bench.forecast.memory.workload import Architecture, Generation, Kernels, SequenceLengths, TrainingStep
from bench.training.generated import Outputs
from bench.training.recipes import ModelRecipe, Trained
from bench.training.soft_labels import Distilled
from bench.training.speed import InferenceSpeed

STEPS_LOOKED_AT = 64
"""Training steps that are searched for the longest sequences; steps are in random order."""

BYTES_A_PARAMETER = 4
"""Weights are kept in fp32, whatever the precision of the computation."""


def recipe_lengths(recipe: Recipe, context: BuildContext) -> SequenceLengths | None:
    """Return the longest sequences of the recipe; None where its peak is not forecast."""
    if isinstance(recipe, Trained):
        data, order = recipe.plan(context)
        seen = [data[i] for step in range(min(order.steps, STEPS_LOOKED_AT)) for i in order.batch(step, step / order.steps)]
        return SequenceLengths(max(len(one.source) for one in seen), max(len(one.target) for one in seen))
    if isinstance(recipe, Outputs):
        longest = max(map(len, recipe.sources(context)), default=0)
        return SequenceLengths(longest, recipe.max_target_tokens) if longest else None
    return SequenceLengths(recipe.source_tokens, recipe.target_tokens) if isinstance(recipe, InferenceSpeed) else None


def recipe_peak_bytes(recipe: Recipe, lengths: SequenceLengths, cache: Path, kernels: Kernels) -> int:
    """Return the peak memory of tensors in bytes.

    `lengths` come from `recipe_lengths`. `cache` is the folder of the cache, which holds the checkpoints.
    Raises BenchError where the family of the model is not known.
    """
    if isinstance(recipe, Trained):
        architecture = _architecture(recipe, cache)
        step = TrainingStep(architecture=architecture, settings=recipe.tuning, precision=recipe.precision, lengths=lengths, kernels=kernels)
        return peak(step).total(examples_at_once(recipe)) + _teacher_bytes(recipe, cache)
    if isinstance(recipe, Outputs):
        return _generation_bytes(recipe.model, recipe, lengths, cache, kernels)
    assert isinstance(recipe, InferenceSpeed)
    large, student = (BYTES_A_PARAMETER * parameters(_architecture(model, cache)) for model in (recipe.large, recipe.student))
    return max(  # both models are loaded while one of them generates
        _generation_bytes(recipe.large, recipe, lengths, cache, kernels) + student,
        _generation_bytes(recipe.student, recipe, lengths, cache, kernels) + large,
    )


def examples_at_once(recipe: Recipe) -> int:
    """Return the most examples in memory at a time: a batch, or all where they are fewer.

    0 where no peak is forecast.
    """
    if isinstance(recipe, InferenceSpeed):
        return min(recipe.documents, recipe.decoding.batch_size)
    if not isinstance(recipe, Trained | Outputs):
        return 0
    size = recipe.tuning.at_once if isinstance(recipe, Trained) else recipe.decoding.batch_size
    return min(size, len(getattr(recipe, "examples", ())) or size)


def _generation_bytes(model: ModelRecipe, recipe: Outputs | InferenceSpeed, lengths: SequenceLengths, cache: Path, kernels: Kernels) -> int:
    generation = Generation(
        architecture=_architecture(model, cache),
        decoding=recipe.decoding,
        precision=recipe.precision,
        lengths=lengths,
        kernels=kernels,
    )
    return peak(generation).total(examples_at_once(recipe))


def _teacher_bytes(recipe: Trained, cache: Path) -> int:
    """Return the bytes of a teacher's weights, where one runs in every step.

    Its activations are freed before the student's peak.
    """
    runs = isinstance(recipe, Distilled) and isinstance(recipe.taught_by, ModelRecipe)
    return BYTES_A_PARAMETER * parameters(_architecture(recipe.taught_by, cache)) if runs else 0  # type: ignore[attr-defined]


def _architecture(model: ModelRecipe, cache: Path) -> Architecture:
    config: Any = model.config(cache)
    return Architecture(config, of_folder(model.origin.checkpoint.folder(cache)).tied)
