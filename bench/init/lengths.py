"""How long texts are: words, and tokens, counted where a tokenizer is at hand and else estimated; and what a limit cuts off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.data.segmentation import word_count
from bench.data.splitting import some_texts

TOKENS_A_WORD = 1.5
"""Estimate where no tokenizer is at hand. flan-t5-small's makes 1.37 of licences, 1.44 of scientific abstracts (SciTLDR), 1.60 of Debian's
package descriptions."""

CHARACTERS_A_TOKEN = 5
"""The same where words are long, or not set apart by spaces; above the 4.0 to 4.8 of those texts, so that words decide there."""

COUNTED_AT_MOST = 2000
"""Different texts that are shown to a tokenizer, those with the lowest hashes: some seconds of one core where each has 500 words."""

SHARES = (0.5, 0.9, 0.95, 0.99, 1.0)
"""Percentiles that are told."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Lengths of texts."""

    sorted: tuple[int, ...]
    """Lengths of all texts or of some, the shortest first."""
    of: int
    """Texts that there are."""
    estimated: bool = False
    """Whether they are estimated by ratio, not counted."""
    unknown: bool = False
    """Whether most of the text is unknown tokens of the model, so that no limit may rest on these lengths."""

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
        if self.unknown:
            return "estimated, as most of the text is unknown tokens of this model"
        if self.estimated:
            return f"estimated at {TOKENS_A_WORD} tokens a word, or one for {CHARACTERS_A_TOKEN} characters"
        return f"counted in {len(self.sorted):,} of {self.of:,}" if len(self.sorted) < self.of else ""


def words(texts: Sequence[str]) -> Lengths:
    """Return lengths in words, split at white space; in a script without spaces each character is one."""
    return Lengths(sorted=tuple(sorted(map(word_count, texts))), of=len(texts))


def tokens(texts: Sequence[str], count: Callable[[list[str]], list[int]] | None, unknown: bool = False) -> Lengths:
    """Return lengths in tokens, by a function that counts the tokens of each text; estimated where there is none, or most are unknown."""
    if count is None or unknown:
        guesses = (max(TOKENS_A_WORD * len(text.split()), len(text) / CHARACTERS_A_TOKEN) for text in texts)
        return Lengths(sorted=tuple(sorted(math.ceil(guess) + 1 for guess in guesses)), of=len(texts), estimated=True, unknown=unknown)
    some = some_texts([*dict.fromkeys(texts)], COUNTED_AT_MOST)
    counted = dict(zip(some, count(some), strict=True))
    return Lengths(sorted=tuple(sorted(counted[text] for text in texts if text in counted)), of=len(texts))
