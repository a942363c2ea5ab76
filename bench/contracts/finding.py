"""What a check before a run finds."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One line for the user: what is wrong, where, and what to do next."""

    text: str
    refuses: bool = True
    """Whether the suite must not run; otherwise the line is a warning."""
