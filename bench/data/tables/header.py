"""Whether the first row of a file holds names of columns, or is data."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.data.rows import is_number

NAME_CHARACTERS = 100
"""A longer name of a column is rather a cell."""

TEXT_WORDS = 4
"""A name of as many words may be a text."""

ROWS_LOOKED_AT = 1000


def why_data(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return why the first row looks like data and not like names of columns; '' where it looks like names.

    rows: the rows below it, each as long as `header`.
    """
    if list(header) == [str(i) for i in range(len(header))]:  # pandas numbers columns that have no name
        return ""
    rows = [row for row in rows[:ROWS_LOOKED_AT] if list(row) != list(header)]
    for at, name in enumerate(header):
        if why := _why_a_cell(name, [row[at] for row in rows if row[at].strip()]):
            return why
    return ""


def _why_a_cell(name: str, cells: Sequence[str]) -> str:
    shown = ascii(name)
    if len(name) > NAME_CHARACTERS:
        return f"its first field with more than {NAME_CHARACTERS} characters would be a name"
    if not name.strip() or not cells:
        return ""
    if name in cells:
        return f"{shown} stands in its column again"
    if is_number(name) and all(map(is_number, cells)):
        return f"{shown} is a number, as all cells of its column are"
    words = len(name.split())
    if words >= TEXT_WORDS and 2 * words >= median(len(cell.split()) for cell in cells):
        return f"{shown} is as long as the cells of its column"
    return ""
