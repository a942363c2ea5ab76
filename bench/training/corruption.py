"""Pretraining examples made from plain text, in the way of each model family.

Each function takes one piece of text and a random number generator, and returns an Encoded: the model's input and its target.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path
from typing import Any

from bench.contracts import Example
from bench.errors import CheckpointError
from bench.system.sequences import collect
from bench.training.batches import Encoded, in_parts
from bench.training.checkpoints import load_tokenizer, read_config

NOISE_DENSITY, MEAN_SPAN = 0.15, 3.0
"""Share of the tokens that are removed, and mean length of a gap, as in T5 (Raffel et al. 2020, section 3.3.4)."""

GAP_SHARE = 0.3
"""Share of the sentences that are removed, at least one, as in Pegasus-base (Zhang et al. 2020, section 6.1)."""

Corrupt = Callable[[int, random.Random], Encoded]
"""(number of the piece, generator) -> example."""


@lru_cache(maxsize=8)  # a forecast and the training after it ask for the same pieces
def pieces(folder: Path, documents: Sequence[Example], tokens: int) -> tuple[int, Corrupt]:
    """Return the number of pieces of at most `tokens` tokens, and a function that makes an example of each.

    T5 and mT5 fill gaps in running text. Pegasus writes the sentences that were removed from a document. A decoder-only model continues the
    text. Raises CheckpointError for other families, and where the tokenizer lacks the tokens that mark a gap.
    """
    family, tokenizer = read_config(folder).model_type, load_tokenizer(folder)
    if family == "pegasus":
        return _gap_sentences(tokenizer, documents, tokens)
    if family in ("t5", "mt5"):
        vocabulary = tokenizer.get_vocab()
        spellings = ([f"<extra_id_{i}>", f"▁<extra_id_{i}>"] for i in range(100))  # mT5's are words, which begin with ▁
        sentinels = tuple(vocabulary[name] for both in spellings for name in both if name in vocabulary)
        if len(sentinels) < 100:
            raise CheckpointError(f"{folder}: the tokenizer has {len(sentinels)} of T5's 100 sentinels <extra_id_0>, ..., <extra_id_99>")
        running = _running_text(tokenizer, documents, tokens)
        return len(running), lambda i, rng: span_corruption(running[i], rng, sentinels, tokenizer.eos_token_id)
    if family == "bart":
        raise CheckpointError(f"{folder}: going on with BART's pretraining (text infilling) is not built; use T5, Pegasus or a decoder")
    running = _running_text(tokenizer, documents, tokens)
    return len(running), lambda i, _: Encoded((), tuple(running[i]))


def _running_text(tokenizer: Any, documents: Sequence[Example], tokens: int) -> Sequence[list[int]]:
    """Return all documents joined, each with an end token, and cut into pieces. A shorter last piece is
    dropped unless it is the only one."""

    def ids_of(texts: list[str]) -> list[list[int]]:
        return [[*ids, tokenizer.eos_token_id] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]

    stream = chain.from_iterable(in_parts((e.source for e in documents), ids_of))
    pieces = collect(iter(lambda: [*islice(stream, tokens)], []))
    return pieces[:-1] if len(pieces) > 1 and len(pieces[-1]) < tokens else pieces


def span_corruption(tokens: Sequence[int], rng: random.Random, sentinels: Sequence[int], end: int) -> Encoded:
    """Cut gaps of random lengths at random places. A sentinel marks each gap, and the target holds the removed tokens after their sentinel.

    This follows T5's preprocessors.random_spans_noise_mask. The length of the text fixes the number of removed tokens and of gaps. Removed
    and kept tokens are both cut at random into that number of parts. The text begins with a kept part.
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
    cuts = sorted(rng.sample(range(1, total), count - 1))
    return [b - a for a, b in pairwise([0, *cuts, total])]


def _gap_sentences(tokenizer: Any, documents: Sequence[Example], tokens: int) -> tuple[int, Corrupt]:
    if (mask := tokenizer.get_vocab().get("<mask_1>")) is None:
        raise CheckpointError("the tokenizer has no <mask_1>, which stands for a sentence in Pegasus' pretraining")
    split = [sentences for e in documents if len(sentences := re.split(r"(?<=[.!?])\s+", e.source.strip())) > 1]
    gaps = [principal_sentences(sentences) for sentences in split]
    encoded = [tokenizer(sentences, add_special_tokens=False)["input_ids"] for sentences in split]
    end = tokenizer.eos_token_id

    def example(i: int, rng: random.Random) -> Encoded:  # noqa: ARG001 - chance does not decide which sentences are removed
        source = chain.from_iterable([mask] if at in gaps[i] else ids for at, ids in enumerate(encoded[i]))
        target = chain.from_iterable(encoded[i][at] for at in sorted(gaps[i]))
        return Encoded((*list(source)[: tokens - 1], end), (*list(target)[: tokens - 1], end))

    return len(split), example


def principal_sentences(sentences: Sequence[str]) -> frozenset[int]:
    """Return the positions of the principal sentences: those with the highest ROUGE-1 F1 against the rest of the document. Each sentence is
    scored independently: 'Ind-Orig' of Zhang et al. 2020 (PEGASUS, section 3.1.1). Ties go to the first sentence."""
    words = [Counter(re.findall(r"\w+", sentence.lower())) for sentence in sentences]
    everything = sum(words, Counter())

    def f1(i: int) -> float:
        rest = everything - words[i]
        return 2 * (words[i] & rest).total() / max(everything.total(), 1)

    ranked = sorted(range(len(sentences)), key=lambda i: (-f1(i), i))
    return frozenset(ranked[: max(1, math.floor(GAP_SHARE * len(sentences)))])


class Corrupted:
    """Examples that are made on access. Example i is piece i modulo `count`, with a corruption of its own."""

    def __init__(self, parts: Sequence[tuple[int, Corrupt]], seed: int) -> None:
        self._parts, self._seed = parts, seed
        self._starts = [0, *accumulate(count for count, _ in parts)]

    @property
    def count(self) -> int:
        """Number of pieces in all parts."""
        return self._starts[-1]

    def piece(self, part: int, place: int) -> int:
        """Return the overall number of a piece of one part."""
        return self._starts[part] + place

    def __getitem__(self, i: int) -> Encoded:
        number = i % self.count
        part = next(p for p, start in enumerate(self._starts[1:]) if number < start)
        return self._parts[part][1](number - self._starts[part], random.Random(f"{self._seed}:{i}"))  # noqa: S311 - not used for security
