"""JSON lines, CSV, TSV and Parquet files -> rows of text, strictly."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from bench.data.rows import Row, need_columns, text_of
from bench.errors import DataError

Format = Literal["jsonl", "csv", "tsv", "parquet"]

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}


class Columns(NamedTuple):
    """Names of the columns to read."""

    source: str
    target: str
    id: str | None

    @property
    def wanted(self) -> list[str]:
        return list(dict.fromkeys(name for name in self if name is not None))


def read_table(file: str, table_format: Format | None, columns: Columns) -> list[Row]:
    """All rows, cells as text just as they stand there: 'NA' and 'null' are words.

    `.gz` is unpacked, except Parquet. Raises DataError, one line, naming the file and where possible the row.
    """
    data = _bytes(file)
    table_format = table_format or _format(file)
    if not data.strip():
        raise DataError(f"{file}: the file is empty")
    if table_format == "parquet":
        rows = list(_parquet_rows(file, data, columns))
    elif table_format == "jsonl":
        rows = list(_json_rows(file, _text(file, data), columns))
    else:
        rows = list(_csv_rows(file, _text(file, data), columns, "," if table_format == "csv" else "\t"))
    if not rows:
        raise DataError(f"{file}: the file holds no rows")
    return rows


def _bytes(file: str) -> bytes:
    path = Path(file)
    try:
        if path.is_dir():
            raise DataError(f"{file}: is a folder, not a file")
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError:
        raise DataError(f"{file}: no such file (relative paths start at {Path.cwd()})") from None
    except (OSError, EOFError, ValueError, zlib.error) as e:
        raise DataError(f"{file}: cannot be read: {e}") from e


def _format(file: str) -> Format:
    suffix = Path(file.removesuffix(".gz")).suffix.lower()
    if suffix not in _FORMATS:
        raise DataError(f"{file}: the suffix '{suffix}' is not one of {', '.join(_FORMATS)}; set `format`")
    return _FORMATS[suffix]


def _text(file: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise DataError(f"{file}: line {line} is not UTF-8 (byte 0x{data[e.start]:02x})") from e


def _json_rows(file: str, text: str, columns: Columns) -> Iterator[Row]:
    records = [(f"{file}, line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    parsed = [(where, _json_object(where, line)) for where, line in records]
    need_columns(file, columns.wanted, list(dict.fromkeys(key for _, record in parsed for key in record)))
    for where, record in parsed:
        cells = {name: _cell(where, name, record.get(name)) for name in columns.wanted}
        yield _row(where, columns, cells)


def _json_object(where: str, line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as e:
        raise DataError(f"{where}: not JSON: {e.msg} at column {e.colno}") from e
    except (ValueError, RecursionError) as e:
        raise DataError(f"{where}: JSON that cannot be read: {_first_line(e)}") from e
    if not isinstance(record, dict):
        raise DataError(f"{where}: expected an object {{...}}, found {type(record).__name__}")
    return record


def _cell(where: str, name: str, value: object) -> str | None:
    try:
        return text_of(value)
    except TypeError as e:
        raise DataError(f"{where}: column '{name}' {e}") from e


def _csv_rows(file: str, text: str, columns: Columns, delimiter: str) -> Iterator[Row]:
    """By the csv module: pandas fills short rows with blanks, and pyarrow takes an unclosed quote for the rest of the file."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records = ((reader.line_num, record) for record in reader if record)
    try:
        _, header = next(records, (0, list[str]()))
        _need_each_once(file, columns, header)
        for line, record in records:
            if len(record) != len(header):
                raise DataError(f"{file}, line {line}: {len(record)} fields, the header has {len(header)}")
            yield _row(f"{file}, line {line}", columns, dict(zip(header, record, strict=True)))
    except csv.Error as e:
        raise DataError(f"{file}, line {reader.line_num}: {e}") from e


def _parquet_rows(file: str, data: bytes, columns: Columns) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(pa.BufferReader(data))
        _need_each_once(file, columns, opened.schema_arrow.names)
        table = opened.read(columns=columns.wanted)
    except (pa.ArrowException, OSError) as e:
        raise DataError(f"{file}: not readable as Parquet: {_first_line(e)}") from e
    for name in columns.wanted:
        try:
            table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
        except pa.ArrowException as e:
            raise DataError(f"{file}: column '{name}' holds {table[name].type}, not text") from e
    try:
        rows = table.to_pylist()
    except UnicodeDecodeError as e:
        raise DataError(f"{file}: holds text that is not UTF-8 (byte 0x{e.object[e.start]:02x})") from e
    for number, cells in enumerate(rows, 1):
        yield _row(f"{file}, row {number}", columns, cells)


def _need_each_once(file: str, columns: Columns, present: Sequence[str]) -> None:
    need_columns(file, columns.wanted, present)
    for name in columns.wanted:
        if present.count(name) > 1:
            raise DataError(f"{file}: {present.count(name)} columns are named '{name}'")


def _row(where: str, columns: Columns, cells: Mapping[str, str | None]) -> Row:
    return Row(
        where=where, source=cells[columns.source] or "", target=cells[columns.target], id=(cells[columns.id] or "") if columns.id else None
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
