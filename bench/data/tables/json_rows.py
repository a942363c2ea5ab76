"""Reads JSON lines, and JSON values that hold rows."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.data.tables.decoding import Text
from bench.data.tables.table import Table
from bench.errors import DataError
from bench.system.one_line import first_line
from bench.system.sequences import Collector, collect

JSON, JSON_LINES = "JSON", "JSON lines"
"""Kinds of tables."""

_AT_MOST_SHOWN = 6
_TABLES_AT_MOST = 10
"""Most tables in an object that holds splits. An object with more of them is read as rows."""


class _SameKeyTwice(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _SameKeyTwice(f"{next(name for name in names if names.count(name) > 1)!a} stands twice in an object; rename one of them")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def read_json_lines(file: str, text: Text) -> Table:
    """Read one object from each line. Raises DataError with the first faulty line and the number of faulty lines."""
    records, numbers, names = Collector[dict[str, Any]](), array("q"), dict[str, None]()
    faults = 0
    first = ""
    for number, line in enumerate(_lines(text), 1):
        if not line or line.isspace():
            continue
        try:
            record = _DECODER.decode(line)
            fault = "" if isinstance(record, dict) else _no_object(record)
        except (ValueError, RecursionError) as e:
            fault = _reason(e)
        if fault:
            faults, first = faults + 1, first or f"{file}, line {number}: {fault}"
        elif not faults:
            records.add(record)
            numbers.append(number)
            names.update(dict.fromkeys(record))
    if faults:
        others = f" ({faults - 1:,} more lines are faulty)" if faults > 1 else ""
        is_value = text.start().startswith(("[", "{")) and parsed(text.whole()) is not None
        whole = "; the file is one JSON value: set `format: json`" if is_value else ""
        raise DataError(f"{first}{others}{whole}")
    return _table(file, JSON_LINES, records.finish(), [*names], numbers, "line", ())


def _lines(text: Text) -> Iterator[str]:
    """Yield the lines of a text without their ends. A text without LF has lines that end with CR."""
    lines = text.lines("\n")
    if (first := next(lines, "")).endswith("\n"):
        yield first[:-1]
        yield from (line.removesuffix("\n") for line in lines)
    else:
        yield from first.split("\r")


def read_json(file: str, text: Text, path: str | None) -> Table:
    """Read one JSON value that holds rows, or else a JSON object on each line. `path` is where the rows are in the value, such as 'data' or
    'data.train'. None means that the value itself shows it."""
    try:
        value = _DECODER.decode(whole := text.whole())
    except (ValueError, RecursionError) as e:
        first, _, rest = whole.lstrip().partition("\n")
        if path is None and rest.strip() and isinstance(parsed(first), dict):
            return read_json_lines(file, text)
        line = f", line {e.lineno}" if isinstance(e, json.JSONDecodeError) else ""
        raise DataError(f"{file}{line}: {_reason(e)}") from e
    for name in path.split(".") if path else ():
        if not isinstance(value, dict) or name not in value:
            raise DataError(f"{file}: holds nothing called '{name}' of `{path}`; {_inside(value)}")
        value = value[name]
    records, notes = _records(file, value, path)
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise DataError(f"{file}, object {number}: {_no_object(record)}")
    names = dict.fromkeys(key for record in records for key in record)
    return _table(file, JSON, records, [*names], range(1, len(records) + 1), "object", notes)


def parsed(text: str) -> Any:
    """Return the JSON value of a text, or None where it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _table(
    file: str,
    kind: str,
    records: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    numbers: Sequence[int],
    unit: str,
    notes: tuple[str, ...],
) -> Table:
    return Table(
        file=file,
        kind=kind,
        names=names,
        numbers=numbers,
        unit=unit,
        values=lambda name: collect(record.get(name) for record in records),
        notes=notes,
    )


def _records(file: str, value: Any, path: str | None) -> tuple[Sequence[Any], tuple[str, ...]]:
    """Return the rows of a value in any of the usual shapes, and notes."""
    if isinstance(value, list):
        return value, ()
    if not isinstance(value, dict):
        raise DataError(f"{file}: expected a list of rows, found {type(value).__name__}; write a list of objects")
    if (columns := columns_as_rows(value)) is not None:
        return columns, ()
    scalars = [name for name, inner in value.items() if not isinstance(inner, list | dict)]
    if len(scalars) == len(value):
        return [value] if value else [], ()
    lists = lists_in(value) or ({name: 0 for name in value if name not in scalars} if len(value) - len(scalars) == 1 else {})
    if len(lists) == 1:
        (name,) = lists
        found, notes = _records(file, value[name], path)
        others = [other for other in value if other != name]
        return found, ((f"{file}: the rows are those of '{name}'; not read: {_shown(others)}.",) if others else ()) + notes
    if not lists and not scalars and all(isinstance(inner, dict) for inner in value.values()):
        return [*value.values()], ()
    without = {name: inner for name, inner in value.items() if name not in scalars}
    if scalars and (columns := columns_as_rows(without)) is not None:
        return columns, (f"{file}: the columns are the lists of equal length; not read: {_shown(scalars)}.",)
    option = "`field` (in the task: `train_field`, `dev_field`, `test_field`; of `bench init`: --field)"
    raise DataError(f"{file}: cannot tell which list{f' in {path}' if path else ''} holds rows: {_inside(value)}; name it with {option}")


def lists_in(value: Mapping[str, Any]) -> dict[str, int]:
    """Return the names of values that can be read as rows: lists of objects, and objects that hold columns."""
    lists = {name: len(inner) for name, inner in value.items() if _is_rows(inner)}
    tables = {name: len(rows) for name, inner in value.items() if isinstance(inner, dict) and (rows := columns_as_rows(inner))}
    are_rows = _numbered(value) or len(tables) > _TABLES_AT_MOST  # rows that hold lists look like tables
    return lists if are_rows else lists | tables


def columns_as_rows(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object that holds columns in one of pandas' orientations, or None where it holds none."""
    if value.keys() - {"index"} == {"columns", "data"}:  # orient='split'
        names, data = value["columns"], value["data"]
        if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names) and isinstance(data, list)):
            return None
        fits = len({*names}) == len(names) and all(isinstance(row, list) and len(row) == len(names) for row in data)
        return [dict(zip(names, row, strict=True)) for row in data] if fits else None
    columns = [*value.values()]
    if columns and all(isinstance(column, list) and column and not _is_rows(column) for column in columns):
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)] if len({*map(len, columns)}) == 1 else None
    if columns and all(isinstance(column, dict) and column for column in columns) and not _numbered(value):  # orient='columns'
        by_number = all(map(_numbered, columns))
        same = len(columns[0]) > len(columns) and all(column.keys() == columns[0].keys() for column in columns)
        if by_number or (same and not any(isinstance(cell, list | dict) for column in columns for cell in column.values())):
            rows = dict.fromkeys(key for column in columns for key in column)
            return [{name: column[key] for name, column in value.items() if key in column} for key in rows]
    return None


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _numbered(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(key.isdecimal() for key in value)


def _inside(value: Any) -> str:
    """Describe the content of a value, for an error."""
    if not isinstance(value, dict):
        return f"there is a {type(value).__name__}"
    inside = {name: inner for name, inner in value.items() if isinstance(inner, list | dict)}
    described = [f"'{name}' ({len(inner):,} {'rows' if isinstance(inner, list) else 'entries'})" for name, inner in inside.items()]
    return f"it holds {_shown_as(described)}" if described else f"it holds {_shown([*value])}"


def _shown(names: Sequence[str]) -> str:
    return _shown_as([f"'{name}'" for name in names])


def _shown_as(described: Sequence[str]) -> str:
    more = f" and {len(described) - _AT_MOST_SHOWN:,} more" if len(described) > _AT_MOST_SHOWN else ""
    return ", ".join(described[:_AT_MOST_SHOWN]) + more


def _no_object(record: Any) -> str:
    expected = f"expected an object {{...}}, found {type(record).__name__}"
    return f'{expected}; write each row as {{"column": "cell", ...}}, or the rows as CSV' if isinstance(record, list) else expected


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        remedy = ""
        if "Extra data" in error.msg:
            remedy = "; several JSON values follow one another: write one on each line (jq -c .)"
        elif error.doc[error.pos : error.pos + 1] == "'":
            remedy = "; JSON needs double quotes, so write the rows with json.dumps"
        return f"not JSON: {error.msg} at column {error.colno}{remedy}"
    if isinstance(error, _SameKeyTwice):
        return str(error)
    return f"JSON that cannot be read: {first_line(error)}"
