"""A table as values, which `render.tables` shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    head: str
    figure: bool = False
    """Whether its cells are numbers made by the report, aligned to the right. Other cells are untrusted text."""
    spare: int = 0
    """Columns with the largest value are dropped first where the terminal is too narrow. 0: never dropped.

    Markdown has all columns.
    """


@dataclass(frozen=True)
class Sheet:
    """A table with a title. Cells and title are raw text, neither escaped nor cut. Columns of numbers follow
    those of text."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Sheet | str
"""A table, or a paragraph of raw text."""
