"""The report as values: sections that hold blocks. `render` and `html` show them.

Text is plain and untrusted: every renderer escapes it. Only a `Mark` adds emphasis.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal


@dataclass(frozen=True)
class Mark:
    """Text that stands out."""

    text: str
    kind: Literal["strong", "emphasis", "code"]


Text = str | Mark | tuple[str | Mark, ...]
"""Text of one line, with or without marks."""


@dataclass(frozen=True)
class Paragraph:
    text: Text


@dataclass(frozen=True)
class Heading:
    text: Text


@dataclass(frozen=True)
class Points:
    items: tuple[Text, ...]


@dataclass(frozen=True)
class Column:
    head: str
    number: bool = False
    """Whether its cells are aligned to the right and not folded."""
    spare: int = 0
    """Where the terminal is too narrow, the columns with the largest value are left out first. 0: never left out."""


@dataclass(frozen=True)
class Table:
    """A table. Each row has one cell for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A PNG file in the folder of the report."""

    file: str
    """Its name, without a folder."""
    title: str


@dataclass(frozen=True)
class Code:
    """Lines of a file, shown unchanged."""

    text: str
    language: str


Block = Paragraph | Heading | Points | Table | Picture | Code


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report."""

    id: str
    """Lower-case letters, digits and hyphens; unique in a report. report.html has its places by it."""
    title: str
    blocks: tuple[Block, ...]


strong, emphasis, code = partial(Mark, kind="strong"), partial(Mark, kind="emphasis"), partial(Mark, kind="code")
"""Text -> mark."""


def runs(text: Text) -> tuple[str | Mark, ...]:
    """Return the runs of a text, each of one kind."""
    return text if isinstance(text, tuple) else (text,)


def sentences(texts: Iterable[Text]) -> Text:
    """Join texts by spaces. Empty ones are left out."""
    joined: list[str | Mark] = []
    for text in texts:
        if text:
            joined += [*([" "] if joined else []), *runs(text)]
    return tuple(joined)


def unmarked(text: Text) -> str:
    """Return a text without its marks."""
    return "".join(run if isinstance(run, str) else run.text for run in runs(text))
