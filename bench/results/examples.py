"""Scores of one arm by example, as predictions.jsonl holds them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Scores of one arm by example."""

    ids: tuple[str, ...]
    """Ids of the test examples."""
    scores: Mapping[tuple[str, str], NDArray[np.float64]]
    """(subject, metric) -> a score for each id, in the unit of the score, shape (examples,); NaN where an example has none. Subjects are
    those of the table: student, teacher or 'floor: NAME'."""


_SEEN: dict[tuple[str, ...], tuple[str, ...]] = {}
"""Tuples of test example ids. Each is kept once, because all arms of a task have the same ids."""


def once(ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stored tuple that equals `ids`."""
    return _SEEN.setdefault(ids, ids)


def read(path: Path) -> Examples:
    """Read a predictions.jsonl. Raises OSError, KeyError, TypeError, ValueError or AttributeError where the file is not as expected."""
    now = path.stat()
    return _read(path, (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino))


@cache  # unbounded: arms are read in order, so a smaller cache would drop each arm before it is read again
def _read(path: Path, now: tuple[int, ...]) -> Examples:  # noqa: ARG001 - the state of the file is part of the cache key
    """Read a predictions.jsonl. The result is cached, because the leaderboard is drawn again after every arm."""
    lines = json.loads(b"[%s]" % b",".join(line for line in path.read_bytes().split(b"\n") if line))  # one call is twice as fast
    ids = tuple(sys.intern(str(line["id"])) for line in lines)
    if len(set(ids)) < len(ids):
        raise ValueError(f"{path.name} holds an example twice")
    scores = [line["scores"] for line in lines]
    keys = sorted((sys.intern(who), sys.intern(metric)) for who, of in (scores[0] if scores else {}).items() for metric in of)
    if any(sum(map(len, one.values())) != len(keys) for one in scores):
        raise ValueError(f"{path.name} holds examples with unlike scores")
    return Examples(ids=once(ids), scores={(who, m): np.array([one[who][m] for one in scores], dtype=np.float64) for who, m in keys})
