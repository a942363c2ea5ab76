"""Plain text -> something to learn from it: what a family's pretraining made of text.

Each function takes one piece of text and a generator of random numbers, and gives an Encoded: what the model reads, and what it
has to write.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

from bench.contracts import Example
from bench.errors import CheckpointError
from bench.training.batches import Encoded
from bench.training.checkpoints import load_tokenizer, read_config

NOISE_DENSITY, MEAN_SPAN = 0.15, 3.0
"""Share of the tokens that are taken out, and the mean length of a gap: T5's (Raffel et al. 2020, section 3.3.4)."""

GAP_SHARE = 0.3
"""Share of the sentences that are taken out, at least one: Pegasus-base's (Zhang et al. 2020, section 6.1)."""

Corrupt = Callable[[int, random.Random], Encoded]
"""(number of the piece, generator) -> example."""


def pieces(folder: Path, documents: Sequence[Example], tokens: int) -> tuple[int, Corrupt]:
    """How many pieces of at most `tokens` tokens the documents make, and how each becomes an example.

    T5 and mT5 fill gaps in running text, Pegasus writes the sentences that were taken out of a document, a decoder-only model
    writes on. Raises CheckpointError for other families, or where the tokenizer lacks what marks a gap.
    """
    family, tokenizer = read_config(folder).model_type, load_tokenizer(folder)
    if family == "pegasus":
        return _gap_sentences(tokenizer, documents, tokens)
    if family in ("t5", "mt5"):
        sentinels = _sentinels(tokenizer, folder)
        running = _running_text(tokenizer, documents, tokens)
        return len(running), lambda i, rng: span_corruption(running[i], rng, sentinels, tokenizer.eos_token_id)
    if family == "bart":
        raise CheckpointError(f"{folder}: going on with BART's pretraining (text infilling) is not built; use T5, Pegasus or a decoder")
    running = _running_text(tokenizer, documents, tokens)
    return len(running), lambda i, _: Encoded((), tuple(running[i]))


def _sentinels(tokenizer: Any, folder: Path) -> tuple[int, ...]:
    vocabulary = tokenizer.get_vocab()
    spellings = ([f"<extra_id_{i}>", f"▁<extra_id_{i}>"] for i in range(100))  # mT5's are words, which begin with ▁
    found = tuple(vocabulary[name] for both in spellings for name in both if name in vocabulary)
    if len(found) < 100:
        raise CheckpointError(f"{folder}: the tokenizer has {len(found)} of T5's 100 sentinels <extra_id_0>, ..., <extra_id_99>")
    return found


def _running_text(tokenizer: Any, documents: Sequence[Example], tokens: int) -> list[list[int]]:
    """All documents in a row, an end token after each, cut into pieces; a last, shorter one is dropped where it is not the only."""
    encoded = tokenizer([e.source for e in documents], add_special_tokens=False)["input_ids"]
    stream = list(chain.from_iterable([*ids, tokenizer.eos_token_id] for ids in encoded))
    whole = len(stream) // tokens * tokens or len(stream)
    return [stream[at : at + tokens] for at in range(0, whole, tokens)]


def span_corruption(tokens: Sequence[int], rng: random.Random, sentinels: Sequence[int], end: int) -> Encoded:
    """Gaps of random lengths at random places, each marked by a sentinel; the target holds what stood there, after its sentinel.

    As in T5's preprocessors.random_spans_noise_mask: the number of noise tokens and of gaps is fixed by the length; both the
    noise and the rest are cut at random into as many parts; the text begins with a part that stays.
    """
    noise = min(max(round(len(tokens) * NOISE_DENSITY), 1), len(tokens) - 1)
    gaps = min(max(round(noise / MEAN_SPAN), 1), len(sentinels) - 1, len(tokens) - noise)
    stays, gone = _parts(len(tokens) - noise, gaps, rng), _parts(noise, gaps, rng)
    source: list[int] = []
    target: list[int] = []
    at = 0
    for sentinel, kept, lost in zip(sentinels, stays, gone, strict=False):
        source += [*tokens[at : at + kept], sentinel]
        target += [sentinel, *tokens[at + kept : at + kept + lost]]
        at += kept + lost
    return Encoded((*source, end), (*target, sentinels[gaps], end))


def _parts(total: int, count: int, rng: random.Random) -> list[int]:
    """`total` cut at random into `count` parts of at least 1."""
    cuts = sorted(rng.sample(range(1, total), count - 1))
    return [b - a for a, b in pairwise([0, *cuts, total])]


def _gap_sentences(tokenizer: Any, documents: Sequence[Example], tokens: int) -> tuple[int, Corrupt]:
    if (mask := tokenizer.get_vocab().get("<mask_1>")) is None:
        raise CheckpointError("the tokenizer has no <mask_1>, which stands for a sentence in Pegasus' pretraining")
    split = [sentences for e in documents if len(sentences := re.split(r"(?<=[.!?])\s+", e.source.strip())) > 1]
    gaps = [principal_sentences(sentences) for sentences in split]
    encoded = [tokenizer(sentences, add_special_tokens=False)["input_ids"] for sentences in split]
    end = tokenizer.eos_token_id

    def example(i: int, rng: random.Random) -> Encoded:  # noqa: ARG001 - which sentences go is no matter of chance
        source = chain.from_iterable([mask] if at in gaps[i] else ids for at, ids in enumerate(encoded[i]))
        target = chain.from_iterable(encoded[i][at] for at in sorted(gaps[i]))
        return Encoded((*list(source)[: tokens - 1], end), (*list(target)[: tokens - 1], end))

    return len(split), example


def principal_sentences(sentences: Sequence[str]) -> frozenset[int]:
    """The sentences that say most of what the others say: by ROUGE-1 F1 against the rest, each by itself.

    'Ind-Orig' of Zhang et al. 2020 (PEGASUS, section 3.1.1). Of equal ones the first.
    """
    words = [Counter(re.findall(r"\w+", sentence.lower())) for sentence in sentences]
    everything = sum(words, Counter())

    def f1(i: int) -> float:
        rest = everything - words[i]
        return 2 * (words[i] & rest).total() / max(everything.total(), 1)

    ranked = sorted(range(len(sentences)), key=lambda i: (-f1(i), i))
    return frozenset(ranked[: max(1, math.floor(GAP_SHARE * len(sentences)))])


class Corrupted:
    """Examples that are made when they are looked at: number i is piece i modulo `count` of all pieces, corrupted in its own way."""

    def __init__(self, parts: Sequence[tuple[int, Corrupt]], seed: int) -> None:
        self._parts, self._seed = parts, seed
        self._starts = [0, *accumulate(count for count, _ in parts)]

    @property
    def count(self) -> int:
        """Pieces in all parts."""
        return self._starts[-1]

    def piece(self, part: int, place: int) -> int:
        """Number of a part's piece."""
        return self._starts[part] + place

    def __getitem__(self, i: int) -> Encoded:
        number = i % self.count
        part = next(p for p, start in enumerate(self._starts[1:]) if number < start)
        return self._parts[part][1](number - self._starts[part], random.Random(f"{self._seed}:{i}"))  # noqa: S311 - no secret
