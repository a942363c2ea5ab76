"""Figures that others published, to compare tests, prices and reports with. README.md names the source of
each."""

from __future__ import annotations

import csv
from importlib.resources import files


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of one file, each column -> cell as printed there.

    `name` is the file name without '.csv', such as 'kang2023_cells'.
    """
    text = (files(__name__) / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
