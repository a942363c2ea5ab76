"""A file that was read: its columns, as raw values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a file. Values become text only when a column is requested, so an unused column of lists does no harm."""

    file: str
    kind: str
    """The format, as messages show it."""
    names: Sequence[str]
    """Names of the columns as in the file, duplicates included."""
    numbers: Sequence[int]
    """Position of each row in the file, as a line, row or object number."""
    unit: str
    """The unit of `numbers`: 'line', 'row' or 'object'."""
    values: Callable[[str], Sequence[Any]]
    """Column name -> one value per row. Raises DataError where values cannot be read."""
    notes: tuple[str, ...] = ()
    """Warnings for the reader, a sentence each."""
    questions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns that hold the answers of annotators -> what was read and left out, a sentence each. Empty for a plain table."""
    hint: Callable[[], str] = str
    """Returns what may be wrong with the file where a column is not found, or '' where nothing looks wrong."""

    @property
    def rows(self) -> int:
        return len(self.numbers)

    def where(self, row: int) -> str:
        """Return the file and the number of a row, for an error."""
        return f"{self.file}, {self.unit} {self.numbers[row]:,}"
