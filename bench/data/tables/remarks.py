"""Warnings about labels: words that mean 'missing', values of mixed types, one number in several spellings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from bench.contracts import is_blank
from bench.data.rows import is_number
from bench.data.tables.table import Table

NULL_WORDS = frozenset(("nan", "none", "null", "n/a", "na", "nil", "#n/a", "<na>", "#na", "-nan", "nat", "n.a.", "missing", "undefined"))
"""Words that programs write for a missing value, in lower case."""

CLASSES_AT_MOST = 1000
"""Most different labels whose spellings are compared as numbers. With more of them, labels are free text."""

_WORD_CHARACTERS = 20
"""Upper limit on the characters of a null word, with the white space around it."""

_TYPES = {bool: "true or false", int: "numbers", float: "numbers"}


def remarks(table: Table, name: str, values: Sequence[Any], labels: Sequence[str | None]) -> Iterator[str]:
    """Yield one sentence per warning about a column of labels. `values` are raw, as the file has them. `labels` are the same cells as
    text."""
    counts = Counter(labels)
    words: Counter[str] = Counter()
    for label, count in counts.items():
        if label and len(label) < _WORD_CHARACTERS and label.strip().lower() in NULL_WORDS:
            words[label.strip()] += count
    if words:
        filled = sum(count for label, count in counts.items() if label and not is_blank(label))
        first = next(row for row, label in enumerate(labels) if label and label.strip() in words)
        shown = ", ".join(f"'{word}' {count:,}" for word, count in words.most_common(6))
        yield (
            f"{table.where(first)}: '{name}' says '{(labels[first] or '').strip()}', and {words.total():,} of {filled:,} labels are such "
            f"words ({shown}). They are read as words; empty these cells if they mean that there is no label."
        )
    types: Counter[str] = Counter()
    for kind, count in Counter(map(type, values)).items():
        if kind is not type(None):
            types[_TYPES.get(kind, "text")] += count
    if len(types) > 1:
        shown = ", ".join(f"{kind} {count:,}" for kind, count in types.most_common())
        yield f"{table.file}: '{name}' mixes types ({shown}). Equal numbers are one label, and so is the same number as text."
    by_value: dict[Decimal, list[str]] = {}
    for label in sorted({label.strip() for label in counts if label}) if len(counts) <= CLASSES_AT_MOST else ():
        if is_number(label):
            by_value.setdefault(Decimal(label), []).append(label)
    if several := [spelt for spelt in by_value.values() if len(spelt) > 1]:
        shown = " and ".join(f"'{label}'" for label in several[0])
        yield f"{table.file}: '{name}' spells {len(several):,} numbers in several ways, such as {shown}. They are different labels."
