"""The common steps of tasks made from source code: read, clean, split and cache."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections import Counter
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from bench.contracts import Example, Progress, Splits, Task, content_hash, fingerprint
from bench.data.source_code import EXTRACTOR, PACKAGES, DocumentedObject, documented_objects, installed
from bench.data.splitting import divide
from bench.errors import DataError
from bench.system.files import build_once
from bench.tasks._near_duplicates import first_of_their_kind

TEST, DEV, POOL = 0.08, 0.04, 0.40
"""Shares of the pairs, in the order of their hash. The rest is train."""


class MadeFromSource(Task):
    """Pairs of texts made from documented objects.

    Pairs with the lowest hashes go to test (share TEST), the next to dev, then to the pool. They are processed in the order of their hash,
    and a near duplicate of an earlier pair is left out. A test pair therefore removes its near duplicates from dev, pool and train. More
    packages can remove a pair, but never move it to another split.
    """

    test_examples: int = Field(default=400, ge=1)
    """Test pairs used: those with the lowest hashes in their share. The others are not used at all."""
    dev_examples: int = Field(default=200, ge=1)
    """Dev pairs used: those with the lowest hashes in their share."""
    pool_examples: int | None = Field(default=None, ge=0)
    """Unlabelled documents used: those with the lowest hashes in their share. Missing: all."""

    packages: ClassVar[tuple[str, ...]] = PACKAGES
    cleaning: ClassVar[int]
    """Version of the cleaning. Raise it whenever the same objects give other pairs."""

    @abstractmethod
    def pair(self, found: DocumentedObject) -> tuple[str, str] | str:
        """Return (source, target), or a short reason why the object gives none."""

    def distinct(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the pairs that are not near duplicates of an earlier one."""
        return [pairs[i] for i in first_of_their_kind([source for source, _ in pairs])]

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits. The first call takes half a minute on one core, later ones under a second."""
        packages = installed(self.packages)
        made_by = json.dumps([type(self).__qualname__, EXTRACTOR, self.cleaning, self.packages, packages])
        name = f"{type(self).__name__.lower()}-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.jsonl"
        kept = build_once(cache / "source_code" / name, lambda path: self._write(path, packages, cache, progress))
        with kept.open(encoding="utf-8") as lines:
            notes = tuple(json.loads(next(lines)))
            examples = [Example(*json.loads(line)) for line in lines]
        test, dev, pool, train = divide(examples, (TEST, DEV, POOL), hash_of=lambda e: e.id)
        if len(test) < self.test_examples or len(dev) < self.dev_examples:
            raise DataError(
                f"{type(self).__name__.lower()}: {self.test_examples} test and {self.dev_examples} dev pairs are asked for, "
                f"but the installed packages give only {len(test)} and {len(dev)}"
            )
        test, dev = test[: self.test_examples], dev[: self.dev_examples]
        pool = [Example(e.id, e.source) for e in pool[: self.pool_examples]]
        groups = tuple(train), tuple(pool), tuple(dev), tuple(test)
        return Splits(*groups, fingerprint=fingerprint(*groups), notes=notes)

    def _write(self, path: Path, packages: dict[str, str], cache: Path, progress: Progress) -> None:
        left_out: Counter[str] = Counter()
        pairs: list[tuple[str, str]] = []
        for found in documented_objects(packages, cache, progress):
            pair = self.pair(found)
            if isinstance(pair, str):
                left_out[pair] += 1
            else:
                pairs.append(pair)
        pairs.sort(key=lambda pair: (content_hash(pair[0]), pair))
        kept = self.distinct(pairs)
        left_out["near duplicates"] = len(pairs) - len(kept)
        read = ", ".join(f"{package} {package_version}" for package, package_version in packages.items())
        notes = [
            f"{len(kept):,} pairs from {len(kept) + left_out.total():,} documented objects of {read}.",
            f"Left out: {', '.join(f'{count:,} {reason}' for reason, count in left_out.most_common())}.",
        ]
        if missing := [package for package in self.packages if package not in packages]:
            notes.append(f"Not installed here: {', '.join(missing)}.")
        with path.open("w", encoding="utf-8") as lines:
            lines.write(json.dumps(notes) + "\n")
            lines.writelines(json.dumps([content_hash(source)[:16], source, target]) + "\n" for source, target in kept)
