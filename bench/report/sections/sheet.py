"""A table and its words as values, for `render.tables` to show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """figure: its cells are numbers made by the report, and are set to the right; all other cells are anybody's text.

    spare: in a terminal that is too narrow those with the greatest go first; 0: it stays. Markdown has all of them.
    """

    head: str
    figure: bool = False
    spare: int = 0


@dataclass(frozen=True)
class Sheet:
    """A table under a title. Cells and title are text as it was found, neither escaped nor cut; figures stand behind texts."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Sheet | str
"""A table, or a paragraph of text as it was found."""
