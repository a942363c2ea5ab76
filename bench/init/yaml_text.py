"""Text of other people -> one line of YAML, or of a comment: it means the same, or only shows, and does nothing else."""

from __future__ import annotations

import re

import yaml

ONE_LINE = 2**20
"""Width at which the emitter folds lines: never."""


def scalar(text: str) -> str:
    """A YAML scalar on one line that is read back as this text, by YAML 1.1 and 1.2 alike; plain where that is safe.

    Where it is not plain it is quoted, so that ': ', ' #', '{{', line ends and what no file may hold cannot be more than text.
    """
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text)  # 5e-4 is a number in 1.2 and text in 1.1: what begins with a digit is quoted
    dumped = yaml.safe_dump(text, default_style=None if plain else '"', allow_unicode=True, width=ONE_LINE)
    return dumped.removesuffix("...\n").removesuffix("\n")


def label(name: str) -> str:
    """A name that a suite and its tasks may have: letters, digits, '-' and '_', 40 at most."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    return "-".join(filter(None, kept.split("-")))[:40].strip("-") or "mine"
