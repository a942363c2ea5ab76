"""Lengths of texts in words and tokens, counted or estimated, and how many texts a limit cuts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.data.segmentation import word_count
from bench.data.splitting import some_texts

TOKENS_A_WORD = 1.5
"""Estimate where no tokenizer is at hand. The tokenizer of flan-t5-small makes 1.37 tokens per word of
licences, 1.44 of scientific abstracts (SciTLDR) and 1.60 of Debian's package descriptions."""

CHARACTERS_A_TOKEN = 5
"""The same for long words, or words without spaces between them. It exceeds the 4.0 to 4.8 of the texts
above, so that words decide there."""

COUNTED_AT_MOST = 2000
"""Most distinct texts that the tokenizer counts, those with the lowest hashes. With 500 words each they take some seconds on one core."""

SHARES = (0.5, 0.9, 0.95, 0.99, 1.0)
"""Percentiles that are shown."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Lengths of texts."""

    sorted: tuple[int, ...]
    """Lengths of all texts or of some, in ascending order."""
    of: int
    """Number of texts."""
    estimated: bool = False
    """Whether the lengths are estimated by ratio, and not counted."""
    unknown: bool = False
    """Whether most of the text is unknown tokens of the model. Then no limit may rest on these lengths."""

    def percentile(self, share: float) -> int:
        """Return the smallest length that this share of the texts does not exceed."""
        return self.sorted[max(0, math.ceil(share * len(self.sorted)) - 1)] if self.sorted else 0

    def within(self, limit: int) -> float:
        """Return the share of the texts that are at most this long."""
        return sum(length <= limit for length in self.sorted) / max(len(self.sorted), 1)

    def longer(self, limit: int) -> int:
        """Return the number of longer texts among all. It is exact where all were counted."""
        return round((1 - self.within(limit)) * self.of)

    def mean(self, cut: int) -> float:
        """Return the mean length after cutting at `cut`."""
        return math.fsum(min(length, cut) for length in self.sorted) / max(len(self.sorted), 1)

    @property
    def how(self) -> str:
        """How the figures were obtained, or '' where every text was counted."""
        if self.unknown:
            return "estimated, as most of the text is unknown tokens of this model"
        if self.estimated:
            return f"estimated at {TOKENS_A_WORD} tokens a word, or one for {CHARACTERS_A_TOKEN} characters"
        return f"counted in {len(self.sorted):,} of {self.of:,}" if len(self.sorted) < self.of else ""


def words(texts: Sequence[str]) -> Lengths:
    """Return the lengths in words, split at white space. In a script without spaces each character is a word."""
    return Lengths(sorted=tuple(sorted(map(word_count, texts))), of=len(texts))


def tokens(texts: Sequence[str], count: Callable[[list[str]], list[int]] | None, unknown: bool = False, distinct: bool = False) -> Lengths:
    """Return the lengths in tokens. `count` returns the number of tokens of each text. Without it, or where most tokens are unknown,
    lengths are estimated. `distinct` says that no text occurs twice."""
    if count is None or unknown:
        guesses = (max(TOKENS_A_WORD * len(text.split()), len(text) / CHARACTERS_A_TOKEN) for text in texts)
        return Lengths(sorted=tuple(sorted(math.ceil(guess) + 1 for guess in guesses)), of=len(texts), estimated=True, unknown=unknown)
    some = some_texts(texts if distinct else [*dict.fromkeys(texts)], COUNTED_AT_MOST)
    counted = dict(zip(some, count(some), strict=True))
    return Lengths(sorted=tuple(sorted(counted[text] for text in texts if text in counted)), of=len(texts))
