"""One's own file, all of its columns: what the task `files` will read, and what stands in its way.

`bench.data.tables` reads two columns that a suite names. Here nobody has named any, and what it refuses is looked at as well: other
encodings, a list of JSON objects, other delimiters. Of such a file a copy is written that `files` reads.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.rows import text_of
from bench.data.tables import Format
from bench.errors import DataError
from bench.init.encodings import decode

KINDS: dict[str, Format | None] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": None,
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Suffix -> what `files` takes it for; None: it has to be told."""

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}

NAME_CHARACTERS = 100
"""A longer name of a column is rather a row."""

Cells = dict[str, list[str | None]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file's columns as text.

    kind: what it is, for a reader. cells: column -> one cell a row, None where there is none; all equally long.
    told: the format that the suite has to name; None: the suffix says it. not_text: column -> why it is not among the cells.
    troubles: what a reader should know, a sentence each. why_copy: why `files` cannot read it as it stands; '' where it can.
    """

    file: Path
    kind: str
    cells: Mapping[str, Sequence[str | None]]
    told: Format | None = None
    not_text: Mapping[str, str] | None = None
    troubles: tuple[str, ...] = ()
    why_copy: str = ""

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(next(iter(self.cells.values()), ()))


def read(file: Path) -> Table:
    """All rows of a file. Raises DataError, one line, where it is missing, empty, damaged, or has fewer than two columns of text."""
    suffix = Path(file.name.removesuffix(".gz")).suffix.lower()
    if suffix not in KINDS and not file.is_dir() and file.exists():
        raise DataError(f"{file}: the suffix '{suffix}' is not one of {', '.join(KINDS)}, or one of these and .gz")
    data = _bytes(file)
    if not data.strip():
        raise DataError(f"{file}: the file is empty")
    table = _parquet(file, data) if KINDS[suffix] == "parquet" else _text_table(file, data, suffix)
    if not table.rows:
        raise DataError(f"{file}: the file holds no rows")
    if len(table.cells) < 2:
        also = "".join(f"; '{name}' {why}" for name, why in (table.not_text or {}).items())
        raise DataError(f"{file}: has only one column of text ({', '.join(table.cells) or 'none'}){also}; documents and labels take two")
    return table


def copy(table: Table, to: Path) -> None:
    """Write the rows as UTF-8 JSON lines, which `files` reads."""
    with to.open("w", encoding="utf-8") as out:
        for row in zip(*table.cells.values(), strict=True):
            out.write(json.dumps(dict(zip(table.cells, row, strict=True)), ensure_ascii=False) + "\n")


def _bytes(file: Path) -> bytes:
    if file.is_dir():
        raise DataError(f"{file}: is a folder, not a file")
    try:
        data = file.read_bytes()
        return gzip.decompress(data) if file.suffix == ".gz" else data
    except FileNotFoundError:
        raise DataError(f"{file}: no such file (relative paths start at {Path.cwd()})") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _text_table(file: Path, data: bytes, suffix: str) -> Table:
    text, encoding, trouble = decode(data)
    why_copy = trouble and "it is not UTF-8"
    usual = {".csv": ",", ".tsv": "\t"}.get(suffix)
    table = _separated(file, text, usual) if usual else _json(file, text, suffix)
    named = f"{table.kind}, {'UTF-8' if encoding == 'utf-8' else encoding}"
    troubles = (trouble,) if trouble else ()
    return Table(
        file=file,
        kind=named,
        cells=table.cells,
        told=table.told,
        not_text=table.not_text,
        troubles=troubles + table.troubles,
        why_copy=table.why_copy or why_copy,
    )


def _separated(file: Path, text: str, usual: str) -> Table:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    delimiter = next((d for d in (usual, *DELIMITERS) if len(_header(text, d)) > 1), usual)
    header, *records = list(_records(file, text, delimiter)) or [[]]
    for_files: dict[str, Format] = {",": "csv", "\t": "tsv"}
    counts = Counter(header)
    columns = dict(zip(header, map(list, zip(*records, strict=True)), strict=True)) if records else {}
    cells: Cells = {name: list(column) for name, column in columns.items() if counts[name] == 1}
    not_text = {name: f"is the name of {count} columns" for name, count in counts.items() if count > 1}
    troubles = []
    if max(map(len, header), default=0) > NAME_CHARACTERS:
        troubles.append("the first row looks like a row of data, not like names of columns")
    if delimiter != usual:
        troubles.append(f"its fields are separated by {DELIMITERS[delimiter]}")
    why_copy = "" if delimiter in for_files else f"its fields are separated by {DELIMITERS[delimiter]}"
    told = for_files.get(delimiter) if delimiter != usual else None
    return Table(
        file=file,
        kind=for_files.get(delimiter, "csv").upper(),
        cells=cells,
        told=told,
        not_text=not_text,
        troubles=tuple(troubles),
        why_copy=why_copy,
    )


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return next((record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if record), [])
    except csv.Error:
        return []


def _records(file: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    """As strictly as `files`: every row as long as the header."""
    reader, width = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), None
    try:
        for record in filter(None, reader):
            width = width or len(record)
            if len(record) != width:
                raise DataError(f"{file}, line {reader.line_num}: {len(record)} fields, the header has {width}")
            yield record
    except csv.Error as error:
        raise DataError(f"{file}, line {reader.line_num}: {error}") from error


def _json(file: Path, text: str, suffix: str) -> Table:
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    records = _records_of(whole) if whole is not None else None
    if records is not None:
        cells, not_text = _columns([(f"{file}, object {i}", record) for i, record in enumerate(records, 1)])
        return Table(
            file=file, kind="JSON", cells=cells, told=None, not_text=not_text, why_copy="it is one JSON value, not a JSON object a line"
        )
    lines = [(f"{file}, line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    cells, not_text = _columns([(where, _parsed(where, line)) for where, line in lines])
    return Table(file=file, kind="JSON lines", cells=cells, told=None if KINDS[suffix] else "jsonl", not_text=not_text)


def _records_of(whole: Any) -> list[Any] | None:
    """The rows of a JSON value: a list; the one list of objects in an object; columns, as pandas writes them. None: it has none."""
    if not isinstance(whole, dict):
        return whole if isinstance(whole, list) else None
    lists = [value for value in whole.values() if isinstance(value, list) and value and all(isinstance(row, dict) for row in value)]
    if len(lists) == 1:
        return lists[0]
    columns = {name: list(value.values()) if isinstance(value, dict) else value for name, value in whole.items()}
    if all(isinstance(value, list) for value in columns.values()) and len({len(value) for value in columns.values()}) == 1:
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return None


def _parsed(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: JSON that cannot be read: {error}") from error


def _columns(records: Sequence[tuple[str, Any]]) -> tuple[Cells, dict[str, str]]:
    not_text: dict[str, str] = {}
    for where, record in records:
        if not isinstance(record, dict):
            raise DataError(f"{where}: expected an object {{...}}, found {type(record).__name__}")
    names = list(dict.fromkeys(name for _, record in records for name in record))
    cells: Cells = {}
    for name in names:
        try:
            cells[name] = [text_of(record.get(name)) for _, record in records]
        except TypeError as error:
            not_text[name] = str(error)
    return cells, not_text


def _parquet(file: Path, data: bytes) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(pa.BufferReader(data))
        schema = opened.schema_arrow
        counts = Counter(schema.names)
        not_text = {name: f"is the name of {count} columns" for name, count in counts.items() if count > 1}
        not_text |= {field.name: f"holds {field.type}, not text" for field in schema if pa.types.is_nested(field.type)}
        table = opened.read(columns=[name for name in counts if name not in not_text])
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not readable as Parquet: {str(error).strip().splitlines()[0]}") from error
    cells: Cells = {}
    for name in table.column_names:
        try:
            cells[name] = table[name].cast(pa.string()).to_pylist()
        except pa.ArrowException:
            not_text[name] = f"holds {table[name].type}, not text"
        except UnicodeDecodeError as error:
            not_text[name] = f"holds text that is not UTF-8 (byte 0x{error.object[error.start]:02x})"
    return Table(file=file, kind="Parquet", cells=cells, told=None, not_text=not_text)
