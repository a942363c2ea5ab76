"""Keeping documents that a model is scored on out of what it is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.contracts import Example

SHINGLE = 6
"""Words by which a document is looked for before it is compared as a whole."""


def without(documents: Iterable[Example], held_out: Sequence[Example]) -> tuple[Example, ...]:
    """Documents in which no source of `held_out` stands word for word, case and white space aside."""
    index: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for example in held_out:
        words = _words(example.source)
        index.setdefault(words[:SHINGLE], []).append(words)
    shortest = min((len(words) for words in index), default=0)
    return tuple(e for e in documents if not (shortest and _holds_one(_words(e.source), index, shortest)))


def _holds_one(words: tuple[str, ...], index: Mapping[tuple[str, ...], list[tuple[str, ...]]], shortest: int) -> bool:
    lengths = range(shortest, SHINGLE + 1)
    for at in range(len(words) - shortest + 1):
        for length in lengths:
            for found in index.get(words[at : at + length], ()):
                if words[at : at + len(found)] == found:
                    return True
    return False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.casefold().split())
