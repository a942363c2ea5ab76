"""Estimates the lengths of outputs: about those of the labels that one owns, and no longer than allowed.

The lengths decide how long it takes to generate outputs, and to train on them. Dollars are forecast from the
longest allowed outputs instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from bench.contracts import BuildContext, Example, Recipe
from bench.forecast.arm import Forecast
from bench.training.batches import Encoded, encode_targets
from bench.training.generated import Outputs
from bench.training.loop import step_flops
from bench.training.recipes import Finetuned

LABELS = 1000
"""Most labels whose lengths are measured."""


def likely_shares(planned: Iterable[Forecast], context: BuildContext) -> dict[str, float]:
    """Return recipe key -> ratio of its FLOPs at the expected output length to those at the maximum output
    length.

    Ratios of 1 are left out. Arms whose budget ends their work are left out too: with shorter outputs they do
    more work.
    """
    found: dict[str, float] = {}
    for forecast in planned:
        recipes = [] if forecast.limited else [work.recipe for work in forecast.works if not work.shared]
        lengths = Lengths.of(forecast.labels, recipes)
        for recipe in recipes:
            if recipe.key not in found:
                found[recipe.key] = lengths.likely_share(recipe, context)
    return {key: share for key, share in found.items() if share != 1}


@dataclass(frozen=True)
class Lengths:
    """The labels at hand, and the documents that a model has yet to label."""

    labels: tuple[Example, ...]
    """Labels that one owns."""
    said: frozenset[str]
    """Texts of the documents that a model has yet to label. A plan assumes that these labels are as long as
    allowed."""

    @classmethod
    def of(cls, labels: Sequence[Example], recipes: Sequence[Recipe]) -> Lengths:
        """Collect these for recipes that are not made yet."""
        return cls(
            tuple(labels[:LABELS]), frozenset(e.source for recipe in recipes if _speaks_like_labels(recipe) for e in recipe.examples)
        )

    def likely_share(self, recipe: Recipe, context: BuildContext) -> float:
        """Return the ratio of one recipe.

        It is 1 without labels, or where nothing depends on the outputs of a model that was tuned on labels.
        """
        if self.labels and _speaks_like_labels(recipe):
            return self._writing(recipe, context)
        if self.labels and isinstance(recipe, Finetuned) and any(example.source in self.said for example in recipe.examples):
            return self._learning(recipe, context)
        return 1.0

    def _writing(self, recipe: Outputs, context: BuildContext) -> float:
        """Return the ratio for generation. A batch takes until its longest output ends, so all of its outputs
        count as long."""
        tokens = self._tokens(recipe.model.tokenizer_folder(context.cache, 0), recipe.max_target_tokens)
        longest = expected_longest(tokens, min(recipe.decoding.batch_size, len(recipe.examples)))
        flops, sources = recipe.model.flop_model(context.cache), recipe.sources(context)
        likely, allowed = (
            math.fsum(flops.generation(len(source), target, recipe.decoding.beams) for source in sources)
            for target in (longest, recipe.max_target_tokens)
        )
        return likely / allowed

    def _learning(self, recipe: Finetuned, context: BuildContext) -> float:
        """Return the ratio for training on outputs. The lengths of the labels at hand are assigned to the
        documents in turn."""
        tokens = self._tokens(recipe.tokenizer_folder(context.cache, 0), recipe.max_target_tokens)
        allowed, _ = recipe.plan(context)
        likely = [
            Encoded(one.source, one.target[:1] * tokens[i % len(tokens)]) if example.source in self.said else one
            for i, (example, one) in enumerate(zip(recipe.examples, allowed, strict=True))
        ]
        flops, objective = recipe.flop_model(context.cache), recipe.objective(context, ready=False)
        return step_flops(likely, flops, recipe.tuning, objective) / step_flops(allowed, flops, recipe.tuning, objective)

    def _tokens(self, tokenizer: Path, at_most: int) -> list[int]:
        return [len(ids) for ids in encode_targets(tokenizer, [str(one.target) for one in self.labels], at_most)]


def _speaks_like_labels(recipe: Recipe) -> TypeGuard[Outputs]:
    """Return whether these are outputs of a model that was tuned on labels. Other models may generate any
    length."""
    return isinstance(recipe, Outputs) and isinstance(recipe.model, Finetuned) and bool(recipe.examples)


def expected_longest(lengths: Sequence[int], draws: int) -> float:
    """Return the expected maximum of this many draws, with replacement.

    The k-th smallest of n lengths is the maximum with probability (k / n)^draws - ((k - 1) / n)^draws.
    """
    n = len(lengths)
    return math.fsum(length * ((k / n) ** draws - ((k - 1) / n) ** draws) for k, length in enumerate(sorted(lengths), 1))
