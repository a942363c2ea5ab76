"""Splits examples by content: the group of an example depends on its own source alone."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

from bench.contracts import Example, content_hash
from bench.system.sequences import collect


def by_source(example: Example) -> str:
    """Return the hash of the source. `divide` uses it where ids are not hashes themselves."""
    return content_hash(example.source)


def divide(examples: Iterable[Example], shares: Sequence[float], hash_of: Callable[[Example], str] = by_source) -> list[list[Example]]:
    """Return one group for each share and one for the rest. Each keeps the order given. The first 8 hex digits of the hash, as a fraction
    of 1, select the group. No example moves because of others."""
    edges = list(accumulate(shares))
    groups: list[list[Example]] = [[] for _ in range(len(shares) + 1)]
    for example in examples:
        groups[bisect_right(edges, int(hash_of(example)[:8], 16) / 2**32)].append(example)
    return groups


def some_texts(texts: Sequence[str], at_most: int) -> list[str]:
    """Return the texts with the lowest hashes, the same ones whatever order they come in. All, as they come, where they are no more."""
    return list(texts) if len(texts) <= at_most else heapq.nsmallest(at_most, texts, key=content_hash)


def lowest_hashes(examples: Sequence[Example], cap: int | None) -> Sequence[Example]:
    """Return the `cap` examples with the lowest hashes, in the order of their hashes. The order of the input does not matter. Where `cap`
    is None, or there are no more than `cap` examples, all are returned in their order."""
    if cap is None or len(examples) <= cap:
        return tuple(examples) if isinstance(examples, list) else examples
    hashes = [bytes.fromhex(by_source(example)) for example in examples]
    return collect(examples[place] for place in sorted(range(len(hashes)), key=hashes.__getitem__)[:cap])
