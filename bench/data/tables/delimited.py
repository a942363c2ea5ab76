"""Reads CSV and TSV, strictly, with the csv module.

pandas fills short rows with blanks. pyarrow reads an unclosed quote to the end of the file.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from bench.data.tables.decoding import Text
from bench.data.tables.header import why_data
from bench.data.tables.settings import DELIMITERS, TableSettings
from bench.data.tables.table import Table
from bench.errors import DataError
from bench.system.sequences import Collector

_EXCEL_SEPARATOR = re.compile(r'"?sep=([^"\r\n])"?', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_NO_QUOTES = "set `quotes: none` where quotation marks are only characters"


class Layout(NamedTuple):
    """Position of the header, and the characters around fields."""

    skipped: int
    """Number of lines before the header."""
    delimiter: str
    quotes: bool
    """Whether '"' quotes fields."""

    def records(self, lines: Iterator[str]) -> Any:
        """Return a csv reader of the lines, positioned at the header. Its `line_num` does not count the skipped lines."""
        lines = islice(lines, self.skipped, None)
        return csv.reader(lines, delimiter=self.delimiter, strict=True, quoting=csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE)


def layout(text: Text, usual: str, settings: TableSettings) -> Layout:
    """Return the layout of a file. The delimiter comes from the settings, else from a first line such as `sep=;`, which Excel obeys, else
    it is `usual`."""
    skipped = settings.skip_lines or 0
    separator = _EXCEL_SEPARATOR.fullmatch(next(islice(text.lines(), skipped, None), "").rstrip("\r\n"))
    delimiter = settings.delimiter or (separator[1] if separator else usual)
    return Layout(skipped + bool(separator), delimiter, settings.quotes != "none")


def read_delimited(file: str, text: Text, usual: str, settings: TableSettings, wanted: Collection[str] | None = None) -> Table:
    """Read all rows. Each row must have as many fields as the header. Blank lines are not rows.

    `usual` is the delimiter where neither the settings nor the file names one. `wanted` holds the columns to keep; None keeps all. Raises
    DataError with the line where rows do not fit, or where a quoted field looks like several rows.
    """
    csv.field_size_limit(2**31 - 1)
    how = layout(text, usual, settings)
    read = _Rows(file=file, how=how)
    read.all(text, settings.names, wanted)
    read.check(text, settings)
    kind = {",": "CSV", "\t": "TSV"}.get(how.delimiter, f"CSV with {DELIMITERS.get(how.delimiter, repr(how.delimiter))}")
    hint = partial(read.hint, text, settings)
    return Table(file=file, kind=kind, names=read.header, numbers=read.lines, unit="line", values=read.values, notes=read.notes, hint=hint)


@dataclass(kw_only=True)
class _Rows:
    """Collects the rows of one file while it is read."""

    file: str
    how: Layout
    header: Sequence[str] = ()
    header_line: int = 0
    columns: dict[int, Collector[str]] = field(default_factory=dict)
    """Position of a kept column -> its cells. One list per row would take twice the time."""
    lines: array[int] = field(default_factory=lambda: array("q"))
    """Line of each row that is kept."""
    misfits: list[tuple[int, Sequence[str]]] = field(default_factory=list)
    """(line, fields) of each row that is longer or shorter than the header."""
    repeats: list[int] = field(default_factory=list)
    """Lines of rows that repeat the header."""
    swallowed: list[tuple[int, int]] = field(default_factory=list)
    """First and last line of each record that may be several rows."""
    notes: tuple[str, ...] = ()

    def values(self, name: str) -> Sequence[str]:
        return self.columns[self.header.index(name)].finish()

    def all(self, text: Text, names: Sequence[str] | None, wanted: Collection[str] | None) -> None:
        reader, skipped, last = self.how.records(text.lines()), self.how.skipped, 0
        try:
            if names:
                self.header = names
            elif record := next(filter(None, reader), None):
                self.header, self.header_line = record, skipped + reader.line_num
            self.columns = {at: Collector() for at, name in enumerate(self.header) if wanted is None or name in wanted}
            keep = [(at, cells.add) for at, cells in self.columns.items()]
            width, lines, repeated = len(self.header), self.lines, [] if names else [*self.header]
            last = skipped + reader.line_num
            for record in reader:  # this loop is hot: files hold millions of rows
                line, last = last + 1, skipped + reader.line_num
                if len(record) != width:
                    if record:
                        self.misfits.append((line, record))
                    continue
                if last > line and _looks_like_rows(record, self.how.delimiter):
                    self.swallowed.append((line, last))
                if record == repeated:
                    self.repeats.append(line)
                    continue
                for at, append in keep:
                    append(record[at])
                lines.append(line)
        except csv.Error as e:
            fault = f"{self.file}, line {skipped + reader.line_num}: {e}"
            if "unexpected end of data" in str(e):
                fault = f"{self.file}, line {last + 1}: a quotation mark opens here and never closes; {_NO_QUOTES}"
            elif "expected after" in str(e):
                escaped = " and not behind a backslash (in Spark: .option('escape', '\"'))" if text.count('\\"') else ""
                fault += f"; inside quotes a mark is written twice{escaped}. Or {_NO_QUOTES}"
            raise DataError(fault) from e

    def check(self, text: Text, settings: TableSettings) -> None:
        """Raise DataError where rows do not fit the header, or where records are likely to be several rows. Else add notes."""
        if self.misfits:
            raise DataError(self._misfits(settings))
        notes, delimiter = [], self.how.delimiter
        if self.repeats:
            others = f", {len(self.repeats):,} in all" if len(self.repeats) > 1 else ""
            notes.append(f"{self.file}: line {self.repeats[0]:,} repeats the header{others}; such rows are left out.")
        if self.swallowed and 2 * text.count(f'"{delimiter}"') < len(self.lines):  # otherwise all fields are quoted
            count, (first, last) = len(self.swallowed), self.swallowed[0]
            found = (
                f"{self.file}, line {first}: a quotation mark opens here and closes on line {last}, and each line between looks like a row"
                f"; {count:,} such marks take in {sum(end - start for start, end in self.swallowed):,} more lines"
            )
            # rows with a mark, a delimiter or a line end in a field prove that the marks quote
            needs, reader, last, proper = re.compile(f'["\r\n{re.escape(delimiter)}]'), self.how.records(text.lines()), 0, 0
            for record in reader if settings.quotes is None else ():
                line, last = last + 1, reader.line_num
                proper += any(map(needs.search, record)) and not (last > line and _looks_like_rows(record, delimiter))
            if settings.quotes is None and count > proper:
                raise DataError(f"{found}. Set `quotes: none` if these marks are only characters, or `quotes: double` if they do quote")
            notes.append(f"{found}, which is read as one field each.")
        self.notes = tuple(notes)

    def _misfits(self, settings: TableSettings) -> str:
        (line, fields), *others = self.misfits
        width = "`names` has" if settings.names else "the header has"
        fault = f"{self.file}, line {line}: {len(fields)} fields, {width} {len(self.header)}"
        fault += f"; {len(others):,} more rows do not fit, the next on line {others[0][0]:,}" if others else ""
        if not self.lines and not settings.names and len(self.header) == 1:
            return f"{fault}; if line {self.header_line} is no header, set `skip_lines: {self.header_line}`"
        if self.header and self.header[0].startswith("#"):
            return f"{fault}; if line {self.header_line} is a comment, set `skip_lines: {self.header_line}`"
        if any(cell.lstrip().startswith("'") for cell in fields):
            return f"{fault}; a single quote does not quote a field: write double quotes instead"
        if self.lines and line > self.lines[-1]:
            return f"{fault}; delete the lines from {line:,} on if they are a footer"
        delimiter = DELIMITERS.get(self.how.delimiter, repr(self.how.delimiter))
        return f"{fault}; put a field that contains {delimiter} in double quotes, or delete the line"

    def hint(self, text: Text, settings: TableSettings) -> str:
        """Return what may be wrong where a column is not found, or '' where nothing looks wrong."""
        if settings.names:
            return ""
        if len(self.header) == 1:
            other = next((d for d in DELIMITERS if d in self.header[0] and d != self.how.delimiter), None)
            if self.header[0].lstrip().startswith(("{", "[")):
                return "line 1 looks like JSON: set `format: jsonl` or `format: json`"
            if other:
                return f"its fields look separated by {DELIMITERS[other]}: set `delimiter: {other!r}`"
        first = islice(self.how.records(text.lines()), 1001)
        why = why_data(self.header, [record for record in first if len(record) == len(self.header)][1:])
        return f"line {self.header_line} looks like data, as {why}: set `names`, the names of the columns" if why else ""


def _looks_like_rows(record: Sequence[str], delimiter: str) -> bool:
    """Return whether each line of a record would be a whole row if quotation marks were ordinary characters. A mark inside a field, or a
    delimiter followed by a space, shows that the field was really quoted."""
    whole = delimiter.join(record)
    if len(record) < 2 or '"' in whole or f"{delimiter} " in whole:
        return False
    return all(line.count(delimiter) == len(record) - 1 for line in _LINE_END.split(whole))
