"""Reads your own file: all of its columns, and the settings with which the task `files` reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.data import tables
from bench.data.tables import ColumnName
from bench.errors import DataError
from bench.init.column_names import INSTRUCTIONS
from bench.init.guess import IsHeader, guess

QUESTION, ANSWER = ("user", "human"), ("assistant", "gpt", "model")
"""Roles in chats."""


class Chosen(NamedTuple):
    """A column that was chosen, and why."""

    name: ColumnName
    why: str = "as requested"
    unclear: bool = False
    """Whether other columns would suit as well."""


class ColumnChoice(NamedTuple):
    """The two columns that were chosen."""

    source: Chosen
    target: Chosen


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a file as text."""

    file: Path
    kind: str
    """The kind of file, as messages show it."""
    cells: Mapping[str, Sequence[str | None]]
    """Column -> one cell per row, None where it is empty. All columns have the same length."""
    opened: tables.Table
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the task `files` needs."""
    why: Mapping[str, str] = field(default_factory=dict)
    """Setting -> the reason for it."""
    not_text: Mapping[str, str] = field(default_factory=dict)
    """Column -> why it is not in `cells`."""
    troubles: tuple[str, ...] = ()
    """Warnings for the user, a sentence each."""
    known: ColumnChoice | None = None
    """The columns that follow from the shape of the file, if any."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.opened.rows

    def texts(self, name: ColumnName) -> Sequence[str | None]:
        """Return the cells of a column, or of several that are joined."""
        return self.cells[name] if isinstance(name, str) else tables.texts(self.opened, name)

    def remarks(self, name: ColumnName) -> tuple[str, ...]:
        """Return warnings about a column of labels."""
        return tables.label_remarks(self.opened, name, self.texts(name))


def read(file: Path, named: Sequence[str] = (), rows_field: str | None = None, is_header: IsHeader | None = None) -> Table:
    """Read all rows of a file. Raises DataError where it is missing, empty, damaged, or has fewer than two columns of text.

    `named` holds columns that the user named, which may be parts of columns. `rows_field` is the path of the
    rows in a JSON value. `is_header` asks the user whether the first row holds names.
    """
    guessed, table = guess(file, rows_field, is_header)
    cells: dict[str, Sequence[str | None]] = {}
    not_text = {name: f"is the name of {count} columns" for name, count in Counter(table.names).items() if count > 1}
    for name in dict.fromkeys((*table.names, *named)):
        if name in not_text:
            continue
        try:
            cells[name] = tables.texts(table, name)
        except DataError as error:
            if name in named:
                raise
            not_text[name] = str(error).partition(f"column '{name}' ")[2] or str(error)
    known = None if table.questions else _chat(table, cells, not_text)
    for source, target in () if table.questions else INSTRUCTIONS:
        if known is None and {*source, target} <= cells.keys():
            known = ColumnChoice(Chosen(source, "joined, as instructions are"), Chosen(target, "by its name"))
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


def _chat(table: tables.Table, cells: dict[str, Sequence[str | None]], not_text: dict[str, str]) -> ColumnChoice | None:
    """Return the columns of question and answer in a chat whose rows all have the same turns. Otherwise return None, and describe the chats
    in `not_text`."""
    for name in [*not_text]:
        values = table.values(name) if list(table.names).count(name) == 1 else ()
        shapes = Counter(_roles(value) for value in values if value)
        if not shapes or None in shapes:
            continue
        first = next(filter(None, values))
        role, text = ("role", "content") if "role" in first[0] else ("from", "value")
        asked = [i for i, role in enumerate(_roles(first) or ()) if role in QUESTION]
        answered = [i for i, role in enumerate(_roles(first) or ()) if role in ANSWER]
        if len(shapes) > 1 or len(asked) != 1 or len(answered) != 1:
            one = f"'{name}[0].{text}' and '{name}[1].{text}'"
            not_text[name] = f"holds chats of {len(shapes)} shapes; name the turns that you mean as columns, such as {one}"
            continue
        question, answer = f"{name}[{asked[0]}].{text}", f"{name}[{answered[0]}].{text}"
        not_text[name] = f"holds chats of one question and one answer, which are read as {question!r} and {answer!r}"
        cells.update({part: tables.texts(table, part) for part in (question, answer)})
        return ColumnChoice(Chosen(question, f"the {role} of its turn in chats of one question"), Chosen(answer, "by its name"))
    return None


def _roles(value: Any) -> tuple[str, ...] | None:
    """Return the role of each turn in a chat, or None where the value is not a chat."""
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        return None
    if all("role" in turn and "content" in turn for turn in value):
        return tuple(str(turn["role"]) for turn in value)
    return tuple(str(turn["from"]) for turn in value) if all("from" in turn and "value" in turn for turn in value) else None
