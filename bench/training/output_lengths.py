"""Expected lengths of outputs: about those of the labels at hand, and no longer than allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from bench.contracts import Example, OutputLengths
from bench.system.sequences import changed
from bench.training.batches import Encoded, encode_targets


def label_lengths(tokenizer: Path, labels: Sequence[Example], max_tokens: int) -> list[int]:
    """Return the tokens of each label by the tokenizer in the folder, end token included, cut at the limit."""
    return [len(ids) for ids in encode_targets(tokenizer, [str(one.target) for one in labels], max_tokens)]


def with_expected_labels(
    longest: Sequence[Encoded], examples: Sequence[Example], lengths: OutputLengths, tokenizer: Path, max_tokens: int
) -> Sequence[Encoded]:
    """Return the data with generated labels of the expected lengths: those of the labels at hand, in turn. `longest` holds the examples
    with generated labels at their maximum length. `lengths` has labels."""
    tokens = label_lengths(tokenizer, lengths.labels, max_tokens)

    def expected(i: int) -> Encoded:
        one = longest[i]
        return Encoded(one.source, one.target[:1] * tokens[i % len(tokens)]) if examples[i].id in lengths.generated_ids else one

    return changed(range(len(longest)), expected)


def expected_longest(lengths: Sequence[int], draws: int) -> float:
    """Return the expected maximum of this many draws, with replacement. The k-th smallest of n lengths is the maximum with probability
    (k / n)^draws - ((k - 1) / n)^draws."""
    n = len(lengths)
    return math.fsum(length * ((k / n) ** draws - ((k - 1) / n) ** draws) for k, length in enumerate(sorted(lengths), 1))
