"""Chooses the columns of documents and labels: first by name, then by the lengths of their texts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.contracts import is_blank, normal_form
from bench.data.rows import need_columns
from bench.data.segmentation import word_count
from bench.data.tables import ColumnName
from bench.data.tables.columns import parts
from bench.errors import BenchError, DataError
from bench.init.column_names import DOCUMENTS, KEYS, LABELS, words_of
from bench.init.read_file import Chosen, ColumnChoice, Table
from bench.system.one_line import shown


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a column holds."""

    name: str
    filled: int
    """Cells that are not blank."""
    empty: int
    distinct: int
    """Distinct cells that are not blank."""
    words: float
    """Median number of words in cells that are not blank."""

    @property
    def parts(self) -> list[str]:
        """The words of the column's name."""
        return words_of(self.name)

    @property
    def is_key(self) -> bool:
        """Whether the column only identifies rows. It has the name of a key, or it has no name of labels and its cells are distinct and
        mostly one word."""
        return bool(KEYS.intersection(self.parts)) or (self.distinct == self.filled > 1 and self.words <= 1 and not self.rank(LABELS))

    def rank(self, names: Sequence[str]) -> int:
        """Return how well the column's name matches `names`: 0 for no match, and more for a more likely name. A name of one word that
        matches ranks above all others."""
        found = [len(names) - i for i, name in enumerate(names) if name in self.parts or f"{name}s" in self.parts]
        return max(found, default=0) + (100 if found and len(self.parts) == 1 else 0)


def columns(table: Table) -> dict[str, Column]:
    """Return every column of text, by name."""
    return {name: _column(name, cells) for name, cells in table.cells.items()}


def _column(name: str, cells: Sequence[str | None]) -> Column:
    words, different = Counter[int](), set[bytes]()
    for cell in cells:
        if cell and not is_blank(cell):
            text = normal_form(cell)
            words[word_count(text)] += 1
            different.add(hashlib.blake2b(text.encode(), digest_size=16).digest())  # there may be millions of long cells
    filled = words.total()
    half = float(median(words.elements())) if filled else 0.0
    return Column(name=name, filled=filled, empty=len(cells) - filled, distinct=len(different), words=half)


def choose(table: Table, source: ColumnName | None, target: ColumnName | None) -> ColumnChoice:
    """Choose the two columns. Either or both may be given. Raises BenchError."""
    found = columns(table)
    need_columns(str(table.file), [part for name in (source, target) if name is not None for part in parts(name)], [*found])
    if source is not None and source == target:
        raise BenchError("--source-column and --target-column are the same column")
    if table.known and source is None and target is None:
        return table.known
    given = {*parts(source or ()), *parts(target or ())}
    questions = table.opened.questions
    if table.settings.get("exported_by") and not questions:
        raise DataError(f"{table.file}: {table.opened.hint()}. {NO_LABELS}")
    documents = {name: column for name, column in found.items() if name not in given and column.filled}
    chosen = _document(table, _without(documents, questions)) if source is None else Chosen(source)
    labels = {name: column for name, column in found.items() if name not in parts(chosen.name) and (not questions or name in questions)}
    return ColumnChoice(chosen, _label(table, labels) if target is None else Chosen(target))


def _without(columns: Mapping[str, Column], questions: Collection[str]) -> Mapping[str, Column]:
    """Return the columns that hold no answers of annotators, or all where there are no others, as in JSON-MIN of Label Studio."""
    return {name: column for name, column in columns.items() if name not in questions and not column.is_key} or columns


def named(name: ColumnName) -> str:
    """Return the name of a column in quotes, for messages. Names of joined columns have a plus between them."""
    return " + ".join(shown(part) for part in parts(name))


def _document(table: Table, columns: Mapping[str, Column]) -> Chosen:
    """Choose by name, and among several by length. If no name matches, choose the longest, label-like names last."""
    named = [column for column in columns.values() if column.rank(DOCUMENTS) and not column.is_key]
    if named:
        best = max(named, key=lambda c: (c.words, c.rank(DOCUMENTS)))
        others = [shown(c.name) for c in named if c is not best]
        why = f"by its name{', and longer than ' + ', '.join(others) if others else ''}"
        return Chosen(best.name, why, any(c.words > best.words / 2 and not c.rank(LABELS) for c in named if c is not best))
    free = [column for column in columns.values() if not column.rank(LABELS) and not column.is_key] or [*columns.values()]
    if not free:
        raise DataError(f"{table.file}: every column is blank")
    best = max(free, key=lambda c: c.words)
    return Chosen(best.name, "its texts are the longest", sum(c.words > best.words / 2 for c in free) > 1)


def _label(table: Table, columns: Mapping[str, Column]) -> Chosen:
    """Choose the most likely name. If no name matches, choose the only column left, or that with the fewest distinct cells."""
    named = sorted((c for c in columns.values() if c.rank(LABELS)), key=lambda c: -c.rank(LABELS))
    if named:
        others = [shown(c.name) for c in named[1:]]
        return Chosen(named[0].name, f"by its name{', before ' + ', '.join(others) if others else ''}", bool(others))
    free = [column for column in columns.values() if not column.is_key and column.filled]
    if not free:
        left = ", ".join(shown(name) for name in columns)
        raise DataError(f"{table.file}: no column looks like labels ({left} do not); name it with --target-column. {NO_LABELS}")
    best = min(free, key=lambda c: c.distinct)
    return Chosen(best.name, "the only other column" if len(free) == 1 else "it has the fewest different texts", len(free) > 1)


NO_LABELS = "Without labels nothing can be scored: write at least 30; the strategy `llm_label` has an LLM write more for the pool"
"""What to do where no labels are found."""
