"""A file of your own, all of its columns, and the settings with which the task `files` reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.data import tables
from bench.data.tables import ColumnName
from bench.data.tables.columns import parts
from bench.errors import DataError
from bench.init.column_names import INSTRUCTIONS
from bench.init.guess import IsHeader, guess

QUESTION, ANSWER = ("user", "human"), ("assistant", "gpt", "model")
"""Roles in chats."""


class Known(NamedTuple):
    """Columns of documents and labels that the shape of a file says."""

    source: ColumnName
    target: ColumnName
    why: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file's columns as text."""

    file: Path
    kind: str
    """What the file is, for a reader."""
    cells: Mapping[str, Sequence[str | None]]
    """Column -> one cell a row, None where there is none; all equally long."""
    opened: tables.Table
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the task `files` needs."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Setting -> what it rests on."""
    not_text: Mapping[str, str] = field(default_factory=dict)
    """Column -> why it is not among the cells."""
    troubles: tuple[str, ...] = ()
    """What a reader should know, a sentence each."""
    known: Known | None = None
    """Columns that the shape of the file says."""

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.opened.rows

    def texts(self, name: ColumnName) -> Sequence[str | None]:
        """Return the cells of a column, or of several that are joined."""
        return self.cells[name] if isinstance(name, str) else tables.texts(self.opened, name)

    def remarks(self, name: ColumnName) -> tuple[str, ...]:
        """Return what a reader should know about a column of labels."""
        return tables.label_remarks(self.opened, name, [*self.texts(name)])


def read(file: Path, named: Sequence[str] = (), rows_field: str | None = None, is_header: IsHeader | None = None) -> Table:
    """Read all rows of a file. Raises DataError where it is missing, empty, damaged, or has fewer than two columns of text.

    named: columns that somebody named, which may be parts of columns. rows_field: where in a JSON value the rows are.
    is_header: asks somebody whether the first row holds names.
    """
    guessed, table = guess(file, rows_field, is_header)
    cells, not_text = _text_columns(table, named)
    chat = _chat(table, cells, not_text)
    known = chat or next((Known(s, t, "joined, as instructions are") for s, t in INSTRUCTIONS if {*s, t} <= cells.keys()), None)
    if len(cells) < 2:
        also = "".join(f"; {name!r} {why}" for name, why in not_text.items())
        parted = ". Name parts with --source-column and --target-column" if any("name a part" in why for why in not_text.values()) else ""
        has = f"only one column of text ({next(iter(cells))})" if cells else "no column of text"
        raise DataError(f"{file}: has {has}{also}; documents and labels take two{parted}")
    return Table(
        file=file,
        kind=f"{table.kind}, {guessed.encoding}" if guessed.encoding else table.kind,
        cells=cells,
        opened=table,
        settings=guessed.settings,
        why=guessed.why,
        not_text=not_text,
        troubles=(*guessed.troubles, *(note.removesuffix(".") for note in table.notes)),
        known=known,
    )


def _text_columns(table: tables.Table, named: Sequence[str]) -> tuple[dict[str, Sequence[str | None]], dict[str, str]]:
    """Column -> its cells, and column -> why it has none."""
    counts = Counter(table.names)
    cells: dict[str, Sequence[str | None]] = {}
    not_text = {name: f"is the name of {count} columns" for name, count in counts.items() if count > 1}
    for name in dict.fromkeys((*table.names, *named)):
        if name in not_text:
            continue
        try:
            cells[name] = tables.texts(table, name)
        except DataError as error:
            if name in named:
                raise
            not_text[name] = str(error).partition(f"column '{name}' ")[2] or str(error)
    return cells, not_text


def _chat(table: tables.Table, cells: dict[str, Sequence[str | None]], not_text: dict[str, str]) -> Known | None:
    """The question and the answer of chats, where each row has the same turns; else it is said what the column holds."""
    for name in [*not_text]:
        values = [value for value in table.values(name) if value] if list(table.names).count(name) == 1 else []
        turns = [_roles(value) for value in values]
        if not turns or None in turns:
            continue
        role, text = ("role", "content") if "role" in values[0][0] else ("from", "value")
        shapes = Counter(turns)
        asked = [i for i, said in enumerate(turns[0] or ()) if said in QUESTION]
        answered = [i for i, said in enumerate(turns[0] or ()) if said in ANSWER]
        if len(shapes) > 1 or len(asked) != 1 or len(answered) != 1:
            one = f"'{name}[0].{text}' and '{name}[1].{text}'"
            not_text[name] = f"holds chats of {len(shapes)} shapes; name the turns that you mean as columns, such as {one}"
            continue
        known = Known(f"{name}[{asked[0]}].{text}", f"{name}[{answered[0]}].{text}", f"the {role} of its turn in chats of one question")
        not_text[name] = f"holds chats of one question and one answer, which are read as {known.source!r} and {known.target!r}"
        cells.update({part: tables.texts(table, part) for part in (*parts(known.source), *parts(known.target))})
        return known
    return None


def _roles(value: Any) -> tuple[str, ...] | None:
    """Who speaks in each turn of a chat; None where the value is no chat."""
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        return None
    if all("role" in turn and "content" in turn for turn in value):
        return tuple(str(turn["role"]) for turn in value)
    return tuple(str(turn["from"]) for turn in value) if all("from" in turn and "value" in turn for turn in value) else None
