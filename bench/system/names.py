"""Finds the known name that a mistyped name was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.5
"""Similarity by difflib, from 0 to 1, from which on a name is suggested."""


def nearest(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str:
    """Return the known name that `name` was probably meant to be, else ''."""
    return next(iter(near(name, known, 1, cutoff)), "")


def near(name: str, known: Iterable[str], at_most: int, cutoff: float = CUTOFF) -> list[str]:
    """Return the known names that are most like `name`, the most similar first."""
    return difflib.get_close_matches(name, [*known], n=at_most, cutoff=cutoff)
