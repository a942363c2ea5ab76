"""Rows read from files or the Hub, and the checks that turn them into examples."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.contracts import Example, content_hash, is_blank, normal_form
from bench.errors import DataError
from bench.system.names import nearest
from bench.system.sequences import Collector

_SURROGATE = re.compile("[\ud800-\udfff]")

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?")

_EXACT = 2**53
"""Whole numbers below this are exact as floats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A row as it was read."""

    where: str
    """File or split, and the number of the row in it, for messages."""
    source: str
    target: str | None
    """None where the row has no target."""
    id: str | None = None
    """None where the file has no column of ids."""


@dataclass(frozen=True)
class Sifted:
    """The examples of all groups."""

    labelled: Mapping[str, list[Example]]
    """Group -> its examples that have a target."""
    unlabelled: Sequence[Example]
    """Examples without a target: the pool. It is on the disk where it is large."""
    notes: tuple[str, ...]
    """One sentence for each reason to leave rows out."""


def text_of(value: object) -> str | None:
    """Return a cell as text. Numbers and booleans are written as in JSON, but 1.0 becomes '1': equal numbers give the same text. Returns
    None for None and for NaN, which pandas writes where a value is missing. Raises TypeError for a list, an object, or a lone surrogate."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise TypeError("holds half a character (a lone surrogate); write it as UTF-8")
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"holds {type(value).__name__}, not text")


def is_number(text: str) -> bool:
    """Return whether a text is a decimal number. White space at its ends does not count."""
    return _NUMBER.fullmatch(text.strip()) is not None


def need_columns(where: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Raise DataError, with the nearest name, for the first wanted column that is absent."""
    for column in wanted:
        if column not in present:
            near = nearest(column, present)
            hint = f"did you mean '{near}'? " if near else ""
            raise DataError(f"{where}: no column '{column}'; {hint}it has {', '.join(present)}")


def sift(groups: Mapping[str, Sequence[Row]], pool_from: str) -> Sifted:
    """Turn rows into examples, without blank sources and without sources that `content_hash` finds in another row.

    Groups are processed in the order given, labelled rows first. The first row of a repeated source is kept. With the order test, dev,
    train, no source of test stays in train. Rows without a target join the pool if they come from the group `pool_from`; otherwise they are
    left out. Targets are put in normal form. Sources stay unchanged. Raises DataError where ids are blank or repeated.
    """
    first: dict[bytes, str | None] = {}
    ids: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    conflicts = invisible = 0
    labelled: dict[str, list[Example]] = {name: [] for name in groups}
    unlabelled = Collector[Example]()
    ordered = ((name, row, has) for has in (True, False) for name, rows in groups.items() for row in rows if _has_target(row) is has)
    for name, row, has_target in ordered:
        invisible += not has_target and bool((row.target or "").strip())
        digest = content_hash(row.source)
        key = bytes.fromhex(digest)  # half as long: there may be millions
        if is_blank(row.source):
            left_out["a blank source"] += 1
        elif not has_target and name != pool_from:
            left_out[f"no target, in {name}"] += 1
        elif key in first:
            left_out["a repeated source"] += 1
            conflicts += has_target and _target(row) != first[key]
        else:
            first[key] = _target(row)
            if row.id is not None:
                if not row.id.strip():
                    raise DataError(f"{row.where}: the id is blank; fill it, or remove the column `id`")
                if row.id in ids:
                    raise DataError(f"{row.where}: id '{row.id}' is also in {ids[row.id]}; make ids unique, or remove the column `id`")
                ids[row.id] = row.where
            example = Example(digest[:16] if row.id is None else row.id, row.source, first[key])
            if has_target:
                labelled[name].append(example)
            else:
                unlabelled.add(example)
    notes = [f"Rows left out for {reason}: {count:,}." for reason, count in left_out.items()]
    notes += [f"Repeated sources with another target than the row that is kept: {conflicts:,}."] if conflicts else []
    notes += [f"Targets with only invisible characters, treated as missing: {invisible:,}."] if invisible else []
    return Sifted(labelled, unlabelled.finish(), tuple(notes))


def _has_target(row: Row) -> bool:
    return not is_blank(row.target or "")


def _target(row: Row) -> str | None:
    """Return the target in normal form, or None where it is blank."""
    return normal_form(row.target or "") if _has_target(row) else None
