"""Reads files of rows into columns of text, strictly. `bench init`, the task `files` and the text `files` all use `read`.

settings    settings for reading a file
content     bytes; files whose content differs from their suffix
decoding    bytes -> text
delimited   CSV and TSV
header      whether a first row is data
json_rows   JSON lines, and JSON values that hold rows
arrow       Parquet and Arrow
table       the result of a reader
columns     names of columns, parts of columns, and joined columns
exports     exports of Label Studio, Argilla and Prodigy
remarks     warnings about labels
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import repeat
from typing import NamedTuple

from bench.data.rows import Row
from bench.data.tables.arrow import read_arrow, read_parquet
from bench.data.tables.columns import ColumnName, parts, raw_values, roots, texts
from bench.data.tables.content import format_of, load
from bench.data.tables.decoding import decode
from bench.data.tables.delimited import read_delimited
from bench.data.tables.exports import read_export
from bench.data.tables.json_rows import JSON, JSON_LINES, read_json, read_json_lines
from bench.data.tables.remarks import remarks
from bench.data.tables.settings import Format, TableSettings
from bench.data.tables.table import Table
from bench.errors import DataError
from bench.system.sequences import collect

__all__ = ["ColumnName", "Columns", "Format", "Table", "TableSettings", "label_remarks", "read", "read_rows", "texts"]


class Columns(NamedTuple):
    """Names of the columns to read."""

    source: ColumnName
    target: ColumnName
    id: str | None = None


def read(file: str, settings: TableSettings, field: str | None = None, wanted: Collection[str] | None = None) -> Table:
    """Read a file. `~` is the home folder, and `.gz` is unpacked. `field` is the path of the rows in a JSON value. `wanted` holds the
    columns that will be requested; None means any. Raises DataError, which names the file and where possible the line."""
    raw = load(file)
    kind = format_of(file, raw, settings.format)
    if field is not None and kind != "json":
        raise DataError(f"{file}: `field` names a list in a JSON value, but the format is {kind}; set `format: json` or leave it out")
    if kind in ("parquet", "arrow"):
        table = read_parquet(file, raw) if kind == "parquet" else read_arrow(file, raw)
    else:
        text, notes = decode(file, raw, settings)
        if kind == "jsonl":
            table = read_json_lines(file, text)
        elif kind == "json":
            table = read_json(file, text, field)
        else:
            kept = wanted if settings.exported_by is None else None
            table = read_delimited(file, text, "," if kind == "csv" else "\t", settings, kept)
        table = replace(table, notes=(*notes, *table.notes))
    if not table.rows:
        raise DataError(f"{file}: the file holds no rows; add one below the header")
    return table if settings.exported_by is None else read_export(table, settings.exported_by)


def read_rows(file: str, settings: TableSettings, columns: Columns, field: str | None = None) -> tuple[Sequence[Row], tuple[str, ...]]:
    """Return the rows of a file, and notes about them. Cells are literal text: 'NA' and 'null' are words. Raises DataError with a line for
    each column that cannot be read."""
    names = [name for name in dict.fromkeys(columns) if name is not None]
    table = read(file, settings, field, wanted=set().union(*map(roots, names)))
    cells, faults = {}, []
    for name in names:
        try:
            cells[name] = texts(table, name, settings.joined_by)
        except DataError as e:
            faults.append(str(e))
    if faults:
        raise DataError("\n".join(dict.fromkeys(faults)))
    ids = cells[columns.id] if columns.id else repeat(None, table.rows)
    place = f"{file}, {table.unit} "
    rows = collect(
        Row(where=f"{place}{number}", source=source or "", target=target, id=None if columns.id is None else mark or "")
        for number, source, target, mark in zip(table.numbers, cells[columns.source], cells[columns.target], ids, strict=True)
    )
    return rows, (*table.notes, *label_remarks(table, columns.target, cells[columns.target]))


def label_remarks(table: Table, name: ColumnName, labels: Sequence[str | None]) -> tuple[str, ...]:
    """Return warnings about a column of labels, a sentence each. For the export of a tool, also return what was read and left out."""
    if len(parts(name)) > 1:
        return ()
    (only,) = parts(name)
    values = raw_values(table, only) if table.kind in (JSON, JSON_LINES) else labels  # other formats have one type per column
    return (*table.questions.get(only, ()), *remarks(table, only, values, labels))
