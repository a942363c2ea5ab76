"""Finds near-duplicate texts, exactly.

On the 39,598 documents of `names` this takes 2 s on one core. MinHash LSH (datasketch 2.0, 64 permutations)
took 1.2 s per 6,000 documents, and misses some.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path

from bench.contracts import Splits, normal_form
from bench.data.segmentation import spaceless
from bench.system.files import build_once
from bench.system.sequences import joined

LIKENESS = 0.7
"""Smallest Jaccard similarity of the word pairs of two near duplicates."""

CHARACTERS_AT_MOST = 50_000_000
"""Most characters of text in which near duplicates of test are searched. 18 million characters, in documents of 400 words, take 9 s."""


def word_pairs(text: str) -> frozenset[tuple[str, str]]:
    """Return the pairs of neighbouring words in lower case. Both ends of the text count as words. In a text mostly of a script without
    spaces, such as Chinese, each character is a word."""
    words = re.findall(r"[^\W_]+", normal_form(text).lower())
    if 2 * spaceless(text) > sum(map(len, words)):
        words = [letter for word in words for letter in word]
    return frozenset(pairwise(["", *words, ""]))


def alike(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> bool:
    """Return whether the Jaccard similarity of two sets is at least LIKENESS."""
    if min(len(a), len(b)) < LIKENESS * max(len(a), len(b)):
        return False
    shared = len(a & b)
    return shared >= LIKENESS * (len(a) + len(b) - shared)


def first_of_their_kind(texts: Sequence[str]) -> list[int]:
    """Return the indices of the texts that are not near duplicates of an earlier text, in order.

    The method is prefix filtering (Chaudhuri, Ganti, Kaushik 2006, "A Primitive Operator for Similarity Joins in Data Cleaning"). Sort the
    members of each set by rarity. Two sets of n and m members with similarity t or more then share one of the first n - ceil(t n) + 1 and m
    - ceil(t m) + 1 members. Only such sets are compared.
    """
    sets = [word_pairs(text) for text in texts]
    frequency = Counter(pair for pairs in sets for pair in pairs)
    kept: list[int] = []
    kept_by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, pairs in enumerate(sets):
        prefix = _rarest(pairs, frequency)
        candidates = {j for pair in prefix for j in kept_by_pair[pair]}
        if not any(alike(pairs, sets[j]) for j in candidates):
            kept.append(i)
            for pair in prefix:
                kept_by_pair[pair].append(i)
    return kept


def with_near_duplicate(texts: Sequence[str], among: Iterable[str]) -> set[int]:
    """Return the indices of the texts that have a near duplicate in `among`. A set of n word pairs shares at least t n of them with each
    similar set. Therefore at least one of any n - ceil(t n) + 1 pairs is shared. Only that many are looked up, the rarest ones."""
    sets = [word_pairs(text) for text in texts]
    frequency = Counter(pair for pairs in sets for pair in pairs)
    by_pair: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, pairs in enumerate(sets):
        for pair in _rarest(pairs, frequency):
            by_pair[pair].append(i)
    found: set[int] = set()
    for text in among:
        other = word_pairs(text)
        candidates = {i for pair in by_pair.keys() & other for i in by_pair[pair]}
        found.update(i for i in candidates - found if alike(sets[i], other))
    return found


def _rarest(pairs: frozenset[tuple[str, str]], frequency: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
    """Return the n - ceil(t n) + 1 rarest of n word pairs: any set that is alike holds one of them."""
    return sorted(pairs, key=lambda pair: (frequency[pair], pair))[: len(pairs) - math.ceil(LIKENESS * len(pairs)) + 1]


def near_duplicates_of_test(splits: Splits, cache: Path) -> tuple[str, ...]:
    """Return a note about test documents with a near duplicate in train or the pool, or () where there are none. The count is cached in
    `cache`, so later arms do not compare all texts again."""
    seen = joined((splits.train, splits.unlabelled))
    characters = sum(len(e.source) for e in chain(splits.test, seen))
    if characters > CHARACTERS_AT_MOST:
        return (f"Near duplicates of test documents were not searched: {characters:,} characters exceed {CHARACTERS_AT_MOST:,}.",)

    def count(part: Path) -> None:
        found = with_near_duplicate([e.source for e in splits.test], (e.source for e in seen))
        part.write_text(json.dumps({"near_duplicates": len(found)}), encoding="utf-8")

    kept = build_once(cache / "near_duplicates" / f"{splits.fingerprint[:32]}.json", count)
    number = json.loads(kept.read_text(encoding="utf-8"))["near_duplicates"]
    if not number:
        return ()
    duplicates = f"{number:,} of {len(splits.test):,} test documents have a near duplicate in train or the pool"
    return (f"{duplicates} (similarity of word pairs {LIKENESS:g} or more). They stay in test; scores on them may be too high.",)
