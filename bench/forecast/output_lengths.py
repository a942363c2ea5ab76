"""How long what a model says will be: about as long as the labels that one owns, and no longer than allowed.

That decides how long it takes to have it said, and to learn from it; what is paid is reckoned by what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from bench.contracts import Example, Recipe, Workbench
from bench.forecast.arm import Forecast
from bench.training.batches import Encoded, encode_targets
from bench.training.generated import Outputs
from bench.training.loop import step_flops
from bench.training.recipes import Finetuned

LABELS = 1000
"""So many are looked at."""


def likely_shares(planned: Iterable[Forecast], bench: Workbench) -> dict[str, float]:
    """Recipe's key -> FLOPs that it takes where models say as much as labels do, over those where it is as long as allowed.

    Only where that is another number. Not of arms whose work money ends: the shorter their outputs, the more of them they have made.
    """
    found: dict[str, float] = {}
    for forecast in planned:
        recipes = [] if forecast.limited else [work.recipe for work in forecast.works if not work.shared]
        lengths = Lengths.of(forecast.labels, recipes)
        for recipe in recipes:
            if recipe.key not in found:
                found[recipe.key] = lengths.likely_share(recipe, bench)
    return {key: share for key, share in found.items() if share != 1}


@dataclass(frozen=True)
class Lengths:
    """labels: that one owns. said: documents that a model is still to label; what a plan learns from them is as long as allowed."""

    labels: tuple[Example, ...]
    said: frozenset[str]
    """Their texts."""

    @classmethod
    def of(cls, labels: Sequence[Example], recipes: Sequence[Recipe]) -> Lengths:
        """recipes: that are not made yet."""
        return cls(
            tuple(labels[:LABELS]), frozenset(e.source for recipe in recipes if _speaks_like_labels(recipe) for e in recipe.examples)
        )

    def likely_share(self, recipe: Recipe, bench: Workbench) -> float:
        """1 where there are no labels, or nothing depends on what a model says that has learnt from some."""
        if self.labels and _speaks_like_labels(recipe):
            return self._writing(recipe, bench)
        if self.labels and isinstance(recipe, Finetuned) and any(example.source in self.said for example in recipe.examples):
            return self._learning(recipe, bench)
        return 1.0

    def _writing(self, recipe: Outputs, bench: Workbench) -> float:
        """A batch takes until its longest output ends, so all of them count as long as that."""
        tokens = self._tokens(recipe.model.tokenizer_folder(bench.cache, 0), recipe.max_target_tokens)
        longest = expected_longest(tokens, min(recipe.decoding.batch_size, len(recipe.examples)))
        flops, sources = recipe.model.flop_model(bench.cache), recipe.sources(bench)
        likely, allowed = (
            math.fsum(flops.generation(len(source), target, recipe.decoding.beams) for source in sources)
            for target in (longest, recipe.max_target_tokens)
        )
        return likely / allowed

    def _learning(self, recipe: Finetuned, bench: Workbench) -> float:
        """The labels at hand are dealt out to the documents in turn."""
        tokens = self._tokens(recipe.tokenizer_folder(bench.cache, 0), recipe.max_target_tokens)
        allowed, _ = recipe.plan(bench)
        likely = [
            Encoded(one.source, one.target[:1] * tokens[i % len(tokens)]) if example.source in self.said else one
            for i, (example, one) in enumerate(zip(recipe.examples, allowed, strict=True))
        ]
        flops, objective = recipe.flop_model(bench.cache), recipe.objective(bench, ready=False)
        return step_flops(likely, flops, recipe.tuning, objective) / step_flops(allowed, flops, recipe.tuning, objective)

    def _tokens(self, tokenizer: Path, at_most: int) -> list[int]:
        return [len(ids) for ids in encode_targets(tokenizer, [str(one.target) for one in self.labels], at_most)]


def _speaks_like_labels(recipe: Recipe) -> TypeGuard[Outputs]:
    """Whether these are outputs of a model that has learnt from labels; others may say anything."""
    return isinstance(recipe, Outputs) and isinstance(recipe.model, Finetuned) and bool(recipe.examples)


def expected_longest(lengths: Sequence[int], draws: int) -> float:
    """Mean of the longest of so many draws, with replacement: the k-th shortest of n is it with probability (k / n)^draws less the same of
    k - 1."""
    n = len(lengths)
    return math.fsum(length * ((k / n) ** draws - ((k - 1) / n) ** draws) for k, length in enumerate(sorted(lengths), 1))
