"""Figures that others published, for tests, prices and reports to be held against. README.md says whence each comes."""

from __future__ import annotations

import csv
from importlib.resources import files


def rows(name: str) -> list[dict[str, str]]:
    """The rows of one file, column -> cell as printed there; name: without '.csv', such as 'kang2023_cells'."""
    text = (files(__name__) / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
