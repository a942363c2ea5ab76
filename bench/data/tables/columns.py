"""Names of columns, of parts such as `references[0]` or `answer.text`, and of columns that are joined.

a.b     the part `b` of an object
a[0]    an element of a list; a[-1] is the last one
a[*]    all elements of a list, joined
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bench.contracts import is_blank
from bench.data.rows import need_columns, text_of
from bench.data.tables.settings import JOINED_BY
from bench.data.tables.table import Table
from bench.errors import DataError
from bench.system.sequences import Collector, collect

ColumnName = str | tuple[str, ...]
"""A name, or several names whose texts are joined."""

_STEP = re.compile(r"\.([^.\[\]]+)|\[(-?\d{1,9}|\*)\]")
_ALL = "*"

Step = str | int


def parts(name: ColumnName) -> tuple[str, ...]:
    """Return the names of the columns that are joined."""
    return (name,) if isinstance(name, str) else name


def roots(name: ColumnName) -> set[str]:
    """Return every name that the column may have in the file: `a.b[0]` is a part of `a.b` or of `a`."""
    return {part[:end] for part in parts(name) for end in (*(step.start() for step in _STEP.finditer(part)), len(part))}


def raw_values(table: Table, name: str) -> Sequence[Any]:
    """Return one raw value per row. Raises DataError where the column is absent or its name occurs twice."""
    root, steps = _resolve(table, name)
    if (count := list(table.names).count(root)) > 1:
        raise DataError(f"{table.file}: {count} columns are named '{root}'; rename one")
    values = table.values(root)
    if not steps:
        return values
    found = Collector[Any]()
    for row, value in enumerate(values):
        try:
            found.add(_walk(value, steps))
        except TypeError as e:
            raise DataError(f"{table.where(row)}: there is no '{name}': {e}") from e
    return found.finish()


def texts(table: Table, name: ColumnName, joined_by: str | None = None) -> Sequence[str | None]:
    """Return one text per row, or None where a row has none. Raises DataError where values are not text."""
    joined_by = JOINED_BY if joined_by is None else joined_by
    columns = [_cells(table, part, joined_by) for part in parts(name)]
    if len(columns) == 1:
        return columns[0]
    return collect(_joined(cells, joined_by) for cells in zip(*columns, strict=True))


def _cells(table: Table, part: str, joined_by: str) -> Sequence[str | None]:
    values, found = raw_values(table, part), Collector[str | None]()
    for row, value in enumerate(values):
        try:
            if type(value) is str and value.isascii():
                found.add(value)
            elif isinstance(value, _Elements):
                found.add(_joined([text_of(inner) for inner in value], joined_by))
            else:
                found.add(text_of(value))
        except TypeError as e:
            remedy = f"; name a part of it, such as {_parts_of(part, value)}" if isinstance(value, list | dict) and value else ""
            raise DataError(f"{table.where(row)}: column '{part}' {e}{remedy}") from e
    return found.finish()


class _Elements(list[Any]):
    """Marks the elements of a list that are to be joined."""


def _joined(cells: Sequence[str | None], joined_by: str) -> str | None:
    filled = [cell for cell in cells if cell and not is_blank(cell)]
    return joined_by.join(filled) if filled else None


def _resolve(table: Table, name: str) -> tuple[str, tuple[Step, ...]]:
    """Return the column in the file, and the steps into its values. The longest matching column name wins."""
    for step in (None, *reversed([*_STEP.finditer(name)])):
        root, rest = (name, "") if step is None else (name[: step.start()], name[step.start() :])
        if root in table.names and "".join(found[0] for found in _STEP.finditer(rest)) == rest:
            found_steps = (found[1] or (found[2] if found[2] == _ALL else int(found[2])) for found in _STEP.finditer(rest))
            return root, tuple(found_steps)
    if table.names and name not in table.names and (hint := table.hint()):
        try:
            need_columns(table.file, [name], table.names)
        except DataError as e:
            raise DataError(f"{e}; {hint}") from None
    need_columns(table.file, [name], table.names)
    raise AssertionError(name)


def _walk(value: Any, steps: Sequence[Step]) -> Any:
    """Return a part of a value. It is None where a list is too short or an object lacks the key. Raises TypeError."""
    for at, step in enumerate(steps):
        if value is None:
            return None
        if step == _ALL or isinstance(step, int):
            if not isinstance(value, list):
                raise TypeError(f"found {type(value).__name__}, not a list")
            if step == _ALL:
                inner = (_walk(element, steps[at + 1 :]) for element in value)
                return _Elements(leaf for found in inner for leaf in (found if isinstance(found, _Elements) else [found]))
            value = value[int(step)] if -len(value) <= int(step) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            raise TypeError(f"found {type(value).__name__}, not an object")
    return value


def _parts_of(name: str, value: Any) -> str:
    """Return example names of parts that are text: the first one, and all of them joined."""
    one, every = name, name
    while isinstance(value, list | dict) and value:
        if isinstance(value, list):
            value, one, every = value[0], f"{one}[0]", f"{every}[*]"
        else:
            key = next((key for key in ("content", "text", "value") if key in value), next(iter(value)))
            value, one, every = value[key], f"{one}.{key}", f"{every}.{key}"
    return f"`{one}`" + (f", or all joined, `{every}`" if every != one else "")
