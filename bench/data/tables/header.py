"""Decides whether the first row of a file holds column names or data."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bench.data.rows import is_number

NAME_CHARACTERS = 100
"""Most characters of a column name. Longer text is likely to be a cell."""

TEXT_WORDS = 4
"""A name with at least this many words may be text."""

SENTENCE_ENDS = ".!?…。！？।։።؟۔"
"""Marks at the end of sentences."""

ROWS_LOOKED_AT = 1000


def why_data(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return why the first row looks like data, or '' where it looks like column names. `rows` are the rows below it, each as long as
    `header`."""
    if list(header) == [str(i) for i in range(len(header))]:  # pandas numbers columns that have no name
        return ""
    rows = [row for row in rows[:ROWS_LOOKED_AT] if list(row) != list(header)]
    for at, name in enumerate(header):
        shown, cells = ascii(name), [row[at] for row in rows if row[at].strip()]
        if len(name) > NAME_CHARACTERS:
            return f"its first field with more than {NAME_CHARACTERS} characters would be a name"
        if not name.strip() or not cells:
            continue
        if name in cells:
            return f"{shown} stands in its column again"
        if is_number(name) and all(map(is_number, cells)):
            return f"{shown} is a number, as all cells of its column are"
        words = len(name.split())
        if words >= TEXT_WORDS and 2 * words >= median(len(cell.split()) for cell in cells):
            return f"{shown} is as long as the cells of its column"
        end = name.rstrip()[-1]  # the same mark, as a survey may ask in the header and be answered in sentences below
        if end in SENTENCE_ENDS and 2 * sum(cell.rstrip().endswith(end) for cell in cells) > len(cells):
            return f"{shown} ends as a sentence does, and so do most cells of its column"
    return ""
