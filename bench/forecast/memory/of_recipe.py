"""The most memory that a piece of work will hold, by the real step run without numbers (`bench.forecast.memory.peak`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.contracts import Recipe, Workbench
from bench.forecast.memory.architectures import of_folder
from bench.forecast.memory.peak import Architecture, Texts, generation_peak, parameters, training_peak
from bench.forecast.memory.simulate import Kernels
from bench.training.generated import Outputs
from bench.training.recipes import ModelRecipe, Trained
from bench.training.soft_labels import Distilled
from bench.training.speed import InferenceSpeed

STEPS_LOOKED_AT = 64
"""Of a training, to find its longest texts; the steps are in random order."""

BYTES_A_PARAMETER = 4
"""Weights are kept in fp32, whatever is computed in."""


def texts(recipe: Recipe, bench: Workbench) -> Texts | None:
    """The longest texts that the work reads and writes; None where its peak is not foreseen."""
    if isinstance(recipe, Trained):
        data, order = recipe.plan(bench)
        seen = [data[i] for step in range(min(order.steps, STEPS_LOOKED_AT)) for i in order.batch(step, step / order.steps)]
        return Texts(max(len(one.source) for one in seen), max(len(one.target) for one in seen))
    if isinstance(recipe, Outputs):
        longest = max(map(len, recipe.sources(bench)), default=0)
        return Texts(longest, recipe.max_target_tokens) if longest else None
    return Texts(recipe.source_tokens, recipe.target_tokens) if isinstance(recipe, InferenceSpeed) else None


def peak_bytes(recipe: Recipe, read: Texts, cache: Path, kernels: Kernels) -> int:
    """Bytes of tensors at the most. read: as `texts` gives it. Raises BenchError where the model's family is not known."""
    if isinstance(recipe, Trained):
        step = training_peak(_architecture(recipe, cache), recipe.tuning, recipe.precision, read, kernels=kernels)
        return step.total(at_once(recipe)) + _teacher_bytes(recipe, cache)
    if isinstance(recipe, Outputs):
        return _writing(recipe.model, recipe, read, at_once(recipe), cache, kernels)
    assert isinstance(recipe, InferenceSpeed)
    batch, both = at_once(recipe), (recipe.large, recipe.student)
    kept = [BYTES_A_PARAMETER * parameters(_architecture(model, cache)) for model in both]
    busy = [_writing(model, recipe, read, batch, cache, kernels) for model in both]
    return max(busy[0] + kept[1], busy[1] + kept[0])


def at_once(recipe: Recipe) -> int:
    """The most examples that the work sees at a time: a batch, or all where they are fewer; 0 where its peak is not foreseen."""
    if isinstance(recipe, InferenceSpeed):
        return min(recipe.documents, recipe.decoding.batch_size)
    if not isinstance(recipe, Trained | Outputs):
        return 0
    size = recipe.tuning.at_once if isinstance(recipe, Trained) else recipe.decoding.batch_size
    return min(size, len(getattr(recipe, "examples", ())) or size)


def _writing(model: ModelRecipe, said: Outputs | InferenceSpeed, read: Texts, batch: int, cache: Path, kernels: Kernels) -> int:
    return generation_peak(_architecture(model, cache), said.decoding, said.precision, read, kernels).total(batch)


def _teacher_bytes(recipe: Trained, cache: Path) -> int:
    """Of a teacher that runs in every step, its weights; what it holds besides is gone before the student's own peak."""
    runs = isinstance(recipe, Distilled) and isinstance(recipe.taught_by, ModelRecipe)
    return BYTES_A_PARAMETER * parameters(_architecture(recipe.taught_by, cache)) if runs else 0  # type: ignore[attr-defined]


def _architecture(model: ModelRecipe, cache: Path) -> Architecture:
    config: Any = model.config(cache)
    return Architecture(config, of_folder(model.origin.checkpoint.folder(cache)).tied)
