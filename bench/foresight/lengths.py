"""How long a model's outputs will be: about as long as the labels that one owns, and no longer than allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.contracts import Example, Workbench
from bench.training.batches import encode_targets
from bench.training.outputs import Outputs

LABELS = 1000
"""So many are looked at."""


def likely_share(recipe: Outputs, labels: tuple[Example, ...], bench: Workbench) -> float:
    """FLOPs of outputs like those labels, over FLOPs of outputs as long as allowed; 1 where there are no labels.

    A batch takes until its longest output ends, so all of them count as long as that.
    """
    if not (labels and recipe.examples):
        return 1.0
    folder = recipe.model.tokenizer_folder(bench.cache, 0)
    tokens = [len(ids) for ids in encode_targets(folder, [str(one.target) for one in labels[:LABELS]], recipe.max_target_tokens)]
    longest = expected_longest(tokens, min(recipe.decoding.batch_size, len(recipe.examples)))
    flops, sources = recipe.model.flop_model(bench.cache), recipe.sources(bench)
    likely, allowed = (
        math.fsum(flops.generation(len(source), target, recipe.decoding.beams) for source in sources)
        for target in (longest, recipe.max_target_tokens)
    )
    return likely / allowed


def expected_longest(lengths: Sequence[int], draws: int) -> float:
    """Mean of the longest of so many draws, with replacement: the k-th shortest of n is it with probability (k / n)^draws less the same of
    k - 1."""
    n = len(lengths)
    return math.fsum(length * ((k / n) ** draws - ((k - 1) / n) ** draws) for k, length in enumerate(sorted(lengths), 1))
