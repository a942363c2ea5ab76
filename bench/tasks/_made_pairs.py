"""The common steps of tasks whose pairs are made from other data: clean, split and cache."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from bench.contracts import Example, Splits, Task, content_hash, fingerprint
from bench.data.splitting import divide
from bench.errors import DataError
from bench.tasks._near_duplicates import first_of_their_kind


class MadePairs(Task):
    """Pairs of texts made from other data.

    Pairs with the lowest hashes go to test, the next to dev, then to the pool; the rest is train. They are processed in the order of their
    hash, and a near duplicate of an earlier pair is left out. A test pair therefore removes its near duplicates from dev, pool and train.
    More data can remove a pair, but never move it to another split.
    """

    test_examples: int = Field(default=400, ge=1)
    """Test pairs used: those with the lowest hashes in their share. The others are not used at all."""
    dev_examples: int = Field(default=200, ge=1)
    """Dev pairs used: those with the lowest hashes in their share."""
    pool_examples: int | None = Field(default=None, ge=0)
    """Unlabelled documents used: those with the lowest hashes in their share. Missing: all."""

    shares: ClassVar[tuple[float, float, float]]
    """Shares of test, dev and pool."""
    cleaning: ClassVar[int]
    """Version of the cleaning. Raise it whenever the same data give other pairs."""

    def distinct(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the pairs that are not near duplicates of an earlier one."""
        return [pairs[i] for i in first_of_their_kind([source for source, _ in pairs])]

    def write(self, path: Path, made: Iterable[tuple[str, str] | str], origin: str, *more_notes: str) -> None:
        """Write notes and pairs as JSON lines. `made` holds (source, target), or a short reason why something gives no pair. `origin` says
        what the pairs are made of, such as 'articles'."""
        left_out: Counter[str] = Counter()
        pairs: list[tuple[str, str]] = []
        for pair in made:
            if isinstance(pair, str):
                left_out[pair] += 1
            else:
                pairs.append(pair)
        pairs.sort(key=lambda pair: (content_hash(pair[0]), pair))
        kept = self.distinct(pairs)
        left_out["near duplicates"] = len(pairs) - len(kept)
        notes = [
            f"{len(kept):,} pairs from {len(kept) + left_out.total():,} {origin}.",
            f"Left out: {', '.join(f'{count:,} {reason}' for reason, count in left_out.most_common())}.",
            *more_notes,
        ]
        with path.open("w", encoding="utf-8") as lines:
            lines.write(json.dumps(notes) + "\n")
            lines.writelines(json.dumps([content_hash(source)[:16], source, target]) + "\n" for source, target in kept)

    def divided(self, written: Path) -> Splits:
        """Return the splits of what `write` wrote. Raises DataError where test or dev has too few pairs."""
        with written.open(encoding="utf-8") as lines:
            notes = tuple(json.loads(next(lines)))
            examples = [Example(*json.loads(line)) for line in lines]
        test, dev, pool, train = divide(examples, self.shares, hash_of=lambda e: e.id)
        if len(test) < self.test_examples or len(dev) < self.dev_examples:
            raise DataError(
                f"{type(self).__name__.lower()}: {self.test_examples} test and {self.dev_examples} dev pairs are asked for, "
                f"but the data give only {len(test)} and {len(dev)}"
            )
        test, dev = test[: self.test_examples], dev[: self.dev_examples]
        pool = [Example(e.id, e.source) for e in pool[: self.pool_examples]]
        groups = tuple(train), tuple(pool), tuple(dev), tuple(test)
        return Splits(*groups, fingerprint=fingerprint(*groups), notes=notes)
