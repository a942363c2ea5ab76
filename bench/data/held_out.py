"""Keeps documents that a model is scored on out of its training data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from bench.contracts import Example, Progress, Text, content_hash, is_blank, normal_form

SHINGLE = 6
"""Number of words in the index key of a passage. Longer passages are then compared word by word."""

LEAST_TARGET = 4
"""Fewest words of a target that is searched for. Shorter ones occur in any text."""

Words = tuple[str, ...]


def without(documents: Iterable[Example], held_out: Sequence[Example]) -> tuple[Example, ...]:
    """Return the documents that contain no source of `held_out`, and no target of four words or more. Only letters and digits are compared,
    without case. Reworded text is not found."""
    index: dict[Words, list[Words]] = {}
    for example in held_out:
        source, target = _words(example.source), _words(example.target or "")
        for words in ([source] if source else []) + ([target] if len(target) >= LEAST_TARGET else []):
            index.setdefault(words[:SHINGLE], []).append(words)
    lengths = sorted({len(words) for words in index})
    return tuple(e for e in documents if not _holds_one(_words(e.source), index, lengths))


@lru_cache(maxsize=8)  # a plan reads the same text in every arm
def labelled(text: Text, cache: Path, held_out: tuple[Example, ...], progress: Progress) -> tuple[tuple[Example, ...], int]:
    """Return the labelled documents of a text that are no source of `held_out`, and how many of them are one. Case and white space do not
    count. Raises DataError where the text cannot be read."""
    not_these = {content_hash(example.source) for example in held_out}
    found = [example for example in text.documents(cache, progress) if not is_blank(example.target or "")]
    kept = tuple(example for example in found if content_hash(example.source) not in not_these)
    return kept, len(found) - len(kept)


def _holds_one(words: Words, index: Mapping[Words, list[Words]], lengths: Sequence[int]) -> bool:
    for at in range(len(words)):
        for length in lengths:
            for found in index.get(words[at : at + length], ()):
                if words[at : at + len(found)] == found:
                    return True
    return False


def _words(text: str) -> Words:
    return tuple(re.findall(r"[^\W_]+", normal_form(text).casefold()))
