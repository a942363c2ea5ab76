"""How long texts are: words, and tokens, counted where a tokenizer is at hand and else estimated; and what a limit cuts off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts.values import content_hash

TOKENS_A_WORD = 1.5
"""Estimate where no tokenizer is at hand. flan-t5-small's makes 1.37 of licences, 1.44 of scientific abstracts (SciTLDR), 1.60 of Debian's
package descriptions."""

CHARACTERS_A_TOKEN = 5
"""The same where words are long, or not set apart by spaces; above the 4.0 to 4.8 of those texts, so that words decide there."""

COUNTED_AT_MOST = 2000
"""Texts that are shown to a tokenizer, those with the lowest hashes: some seconds of one core where each has 500 words."""

SHARES = (0.5, 0.9, 0.95, 0.99, 1.0)
"""Percentiles that are told."""


@dataclass(frozen=True)
class Lengths:
    """Sorted lengths of texts. of: how many texts there are, of which these are some or all. estimated: by ratio, not counted."""

    sorted: tuple[int, ...]
    of: int
    estimated: bool = False

    def percentile(self, share: float) -> int:
        """The smallest length that this share of the texts does not go beyond."""
        return self.sorted[max(0, math.ceil(share * len(self.sorted)) - 1)] if self.sorted else 0

    def within(self, limit: int) -> float:
        """Share of the texts that are no longer."""
        return sum(length <= limit for length in self.sorted) / max(len(self.sorted), 1)

    def longer(self, limit: int) -> int:
        """Texts that are longer, out of all: exact where all were counted."""
        return round((1 - self.within(limit)) * self.of)

    def mean(self, cut: int) -> float:
        """Of the lengths once they are cut."""
        return math.fsum(min(length, cut) for length in self.sorted) / max(len(self.sorted), 1)

    @property
    def how(self) -> str:
        """How the figures were got, where they are not those of every text."""
        if self.estimated:
            return f"estimated at {TOKENS_A_WORD} tokens a word, or one for {CHARACTERS_A_TOKEN} characters"
        return f"counted in {len(self.sorted):,} of {self.of:,}" if len(self.sorted) < self.of else ""


def words(texts: Sequence[str]) -> Lengths:
    """Lengths in words, split at white space."""
    return Lengths(tuple(sorted(len(text.split()) for text in texts)), len(texts))


def tokens(texts: Sequence[str], tokenizer: Path | None) -> Lengths:
    """Lengths in tokens, end token included, by the tokenizer in a folder; without one, estimated. Raises CheckpointError."""
    if tokenizer is None:
        guesses = (max(TOKENS_A_WORD * len(text.split()), len(text) / CHARACTERS_A_TOKEN) for text in texts)
        return Lengths(tuple(sorted(math.ceil(guess) + 1 for guess in guesses)), len(texts), estimated=True)
    from bench.training.checkpoints import load_tokenizer

    some = texts if len(texts) <= COUNTED_AT_MOST else sorted(texts, key=content_hash)[:COUNTED_AT_MOST]
    rows = load_tokenizer(tokenizer)(list(some), verbose=False)["input_ids"] if some else []
    return Lengths(tuple(sorted(map(len, rows))), len(texts))
