"""Turns untrusted text into one line of YAML or of a comment that has no other effect."""

from __future__ import annotations

import re

import yaml

ONE_LINE = 2**20
"""Width at which the emitter folds lines; so large that it never does."""


def scalar(text: str) -> str:
    """Return a YAML scalar on one line that YAML 1.1 and 1.2 both read as this text. It is plain where that is safe. Otherwise it is
    quoted. Then ': ', ' #', '{{', line ends and characters that YAML forbids are only text."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text)  # 5e-4 is a number in YAML 1.2 and text in 1.1: leading digits are quoted
    dumped = yaml.safe_dump(text, default_style=None if plain else '"', allow_unicode=True, width=ONE_LINE)
    return dumped.removesuffix("...\n").removesuffix("\n")


def label(name: str) -> str:
    """Return a valid name of a suite or task: letters, digits, '-' and '_', at most 40 characters."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    return "-".join(filter(None, kept.split("-")))[:40].strip("-") or "mine"
