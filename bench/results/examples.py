"""Scores of one arm, example by example, as predictions.jsonl holds them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Examples:
    """Scores of one arm, example by example.

    ids: of the test examples. scores: (subject, metric) -> a score for each id, in the unit of the score, shape (examples,);
    subjects are those of the table: student, teacher or 'floor: NAME'.
    """

    ids: tuple[str, ...]
    scores: Mapping[tuple[str, str], NDArray[np.float64]]


_SEEN: dict[tuple[str, ...], tuple[str, ...]] = {}
"""Ids of test examples, kept once: all arms of a task have the same."""


def once(ids: tuple[str, ...]) -> tuple[str, ...]:
    """The same ids, kept once."""
    return _SEEN.setdefault(ids, ids)


def read(path: Path) -> Examples:
    """Of a predictions.jsonl. Raises OSError, KeyError, TypeError, ValueError or AttributeError where it is not what it should be."""
    now = path.stat()
    return _read(path, (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino))


@cache  # unbounded: arms are read in order, so that a smaller one would forget each before it is asked for again
def _read(path: Path, now: tuple[int, ...]) -> Examples:  # noqa: ARG001 - the state of the file keys the cache
    """Remembered, as the leaderboard is drawn again after every arm."""
    lines = json.loads(b"[%s]" % b",".join(line for line in path.read_bytes().split(b"\n") if line))  # at once: twice as fast
    ids = tuple(sys.intern(str(line["id"])) for line in lines)
    if len(set(ids)) < len(ids):
        raise ValueError(f"{path.name} holds an example twice")
    scores = [line["scores"] for line in lines]
    keys = sorted((sys.intern(who), sys.intern(metric)) for who, of in (scores[0] if scores else {}).items() for metric in of)
    if any(sum(map(len, one.values())) != len(keys) for one in scores):
        raise ValueError(f"{path.name} holds examples with unlike scores")
    return Examples(once(ids), {(who, m): np.array([one[who][m] for one in scores], dtype=np.float64) for who, m in keys})
