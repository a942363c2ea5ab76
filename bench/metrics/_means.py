"""Scores that are means over examples, some of which may lack a value."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from bench.contracts import Direction, Score


def mean(name: str, points: Sequence[float | None], reason: str = "", direction: Direction = "higher") -> Score:
    """Return the mean in points over the examples that have a value. `reason` says why others have none."""
    there = [value for value in points if value is not None]
    lacking = len(there) < len(points)
    return Score(name, fmean(there) if there else None, "points", direction, tuple(points), reason if lacking else "")
