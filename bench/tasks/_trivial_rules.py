"""Baselines for tasks: predictions without a model."""

from __future__ import annotations

import re

from bench.contracts import Rule
from bench.data import segmentation

STOP_WORDS = frozenset(
    (
        *("a", "an", "the", "this", "that", "these", "those", "it", "its", "given", "return", "returns", "which", "not"),
        *("of", "to", "for", "in", "on", "at", "by", "with", "from", "as", "into", "and", "or", "if", "when", "whether"),
        *("is", "are", "be", "was", "were", "will", "can", "may", "should"),
    )
)
"""Words that carry little meaning in a docstring."""


def constant(text: str) -> Rule:
    """Return a rule that predicts the same text for every source."""
    return lambda source: text  # noqa: ARG005


def first_words(count: int) -> Rule:
    """Return the lead baseline: the first words of the source. In a script without spaces each character is a word."""
    return lambda source: segmentation.first_words(source, count)


def first_content_words(count: int) -> Rule:
    """Return a rule that predicts the first words that are not in STOP_WORDS, without punctuation."""

    def rule(source: str) -> str:
        words = re.findall(r"[^\W_]+", source)
        return " ".join([w for w in words if w.lower() not in STOP_WORDS][:count])

    return rule


def first_sentence(source: str) -> str:
    """Return the first sentence, or the first line if it is shorter. See `bench.data.segmentation.sentences`."""
    return next(iter(segmentation.sentences(source)), "")
