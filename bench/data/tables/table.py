"""A file that was read: its columns, as raw values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a file. Values become text when a column is asked for, so that a column of lists harms nobody who does not name it."""

    file: str
    kind: str
    """The format, for a reader."""
    names: Sequence[str]
    """Names of the columns as they stand there, also where a name comes twice."""
    numbers: Sequence[int]
    """Where each row stands: the number of its line, row or object."""
    unit: str
    """What `numbers` counts: 'line', 'row' or 'object'."""
    values: Callable[[str], Sequence[Any]]
    """Name of a column -> one value a row. Raises DataError where they cannot be read."""
    notes: tuple[str, ...] = ()
    """What a reader should know, a sentence each."""
    hint: Callable[[], str] = str
    """What may be wrong with the file where a column is not found; '' where nothing looks wrong."""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.numbers)

    def where(self, row: int) -> str:
        """File and number of a row, for an error."""
        return f"{self.file}, {self.unit} {self.numbers[row]:,}"

    def with_notes(self, notes: tuple[str, ...]) -> Table:
        """Return the table with further notes before its own."""
        return replace(self, notes=(*notes, *self.notes)) if notes else self
