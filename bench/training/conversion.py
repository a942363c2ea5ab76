"""Conversions of models for engines that do not read the transformers layout.

A pretrained model is converted into the cache before anything is spent, when its suite is checked. Every other model has an
artifact of its own, so an arm pays once per model for the seconds and the energy of its conversion. It has no FLOPs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from bench.contracts import Activity, BuildContext, Decoding, Engine, Example, LoadedModel, Precision, Recipe
from bench.training.batches import encode_sources
from bench.training.checkpoints import load_tokenizer
from bench.training.recipes import ModelRecipe, Pretrained

CONVERSION = "model"
"""Folder of the conversion in its artifact."""

CHECKED_DOCUMENTS = 20
"""Documents on which a conversion is checked."""


@dataclass(frozen=True, kw_only=True)
class Converted(Recipe):
    """A model as `engine` reads it. It is checked on the first `examples`, or on random documents where there are none.

    The examples do not decide what the artifact holds, so that all work with one model shares one conversion.
    """

    activity: ClassVar[Activity] = "copying"

    model: ModelRecipe
    engine: Engine
    max_source_tokens: int
    examples: Sequence[Example] = ()
    prefix: str = ""

    def identity(self) -> dict[str, Any]:
        checked_on = ("examples", "prefix", "max_source_tokens")
        same = {name: value for name, value in super().identity().items() if name not in checked_on}
        return same | {"versions": self.engine.versions()}

    def forecast_flops(self, context: BuildContext) -> float:  # noqa: ARG002
        return 0.0

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:  # noqa: ARG002
        return replace(self, model=self.model.untrained)

    def make(self, folder: Path, context: BuildContext) -> None:
        self.engine.convert(self.model.folder(context), folder / CONVERSION)

    def verify(self, folder: Path, context: BuildContext) -> None:
        model = self.model.folder(context)
        context.progress("checking a conversion", 0, 0)
        self.engine.verify(model, self._sources(model), device=context.device, cache=context.cache, converted=folder / CONVERSION)

    def _sources(self, folder: Path) -> Sequence[Sequence[int]]:
        if self.examples:
            return encode_sources(folder, self.examples, self.prefix, self.max_source_tokens)
        return random_documents([load_tokenizer(folder)], CHECKED_DOCUMENTS, self.max_source_tokens)


def conversions(
    model: ModelRecipe, engine: Engine, max_source_tokens: int, examples: Sequence[Example] = (), prefix: str = ""
) -> tuple[Converted, ...]:
    """Return the conversion that `engine` needs of a model. () where it needs none, or where the cache holds it."""
    if not engine.converts or isinstance(model, Pretrained):
        return ()
    few = examples[:CHECKED_DOCUMENTS]
    return (Converted(model=model, engine=engine, max_source_tokens=max_source_tokens, examples=few, prefix=prefix),)


def load_into(
    engine: Engine,
    model: ModelRecipe,
    sources: Sequence[Sequence[int]],
    context: BuildContext,
    *,
    decoding: Decoding,
    precision: Precision,
    ends: Sequence[int] = (),
) -> LoadedModel:
    """Load a model into an engine. Its `conversions` have been made before."""
    made = [context.artifact(needed) / CONVERSION for needed in conversions(model, engine, 0)]
    return engine.load(
        model.folder(context),
        sources,
        decoding=decoding,
        precision=precision,
        device=context.device,
        cache=context.cache,
        ends=ends,
        converted=made[0] if made else None,
    )


def random_documents(tokenizers: Sequence[Any], documents: int, tokens: int) -> list[list[int]]:
    """Return documents of ordinary tokens that all tokenizers have. They are always the same."""
    ordinary = set(range(min(map(len, tokenizers)))).difference(*(tokenizer.all_special_ids for tokenizer in tokenizers))
    drawn = torch.randint(len(ordinary), (documents, tokens), generator=torch.Generator().manual_seed(0))
    sources: list[list[int]] = torch.tensor(sorted(ordinary))[drawn].tolist()
    return sources
