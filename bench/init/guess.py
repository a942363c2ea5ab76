"""Guesses, from the bytes of a file, the settings with which the task `files` can read it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bench.data import tables
from bench.data.tables.content import binary_format, format_of, load, suffix_of
from bench.data.tables.decoding import Text, decode, encoding_of
from bench.data.tables.delimited import layout
from bench.data.tables.exports import recognised
from bench.data.tables.header import why_data
from bench.data.tables.json_rows import columns_as_rows, lists_in, parsed
from bench.data.tables.settings import DELIMITERS, SUFFIXES, Format, TableSettings
from bench.errors import DataError
from bench.init.column_names import DEV, TEST, TRAIN, is_usual
from bench.init.encodings import guess_encoding

RECORDS_LOOKED_AT = 300
RECTANGULAR = 0.9
"""Smallest share of the first records with the same number of fields at which a delimiter is accepted."""

LINES_BEFORE_HEADER = 20

TEXT_SUFFIXES = ("", ".txt", ".text", ".tab", ".dat", ".data")
"""Suffixes that say nothing about the format."""

NOT_BY_SUFFIX = "the suffix does not determine it"

IsHeader = Callable[[list[str], str], bool]
"""Asks the user whether a first row holds names. Arguments: (its fields, why it looks like data)."""


@dataclass(kw_only=True)
class Guessed:
    """A file, and the settings that it needs."""

    file: Path
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the task `files` that differ from their defaults, including `train_field`, `dev_field` and `test_field`."""
    why: dict[str, str] = field(default_factory=dict)
    """Setting -> the reason for it."""
    encoding: str = ""
    """Encoding of a text file, as messages show it."""
    troubles: list[str] = field(default_factory=list)
    """Warnings for the user, a sentence each."""

    def set(self, name: str, value: Any, why: str, trouble: str = "") -> None:
        self.settings[name], self.why[name] = value, why
        if trouble:
            self.troubles.append(trouble)

    def read(self, **other: Any) -> tables.Table:
        """Read the file as strictly as the task `files`, with the settings so far and others."""
        known = {name: value for name, value in (self.settings | other).items() if name in TableSettings.model_fields}
        return tables.read(str(self.file), TableSettings(**known), self.settings.get("train_field"))


def guess(file: Path, field: str | None = None, is_header: IsHeader | None = None) -> tuple[Guessed, tables.Table]:
    """Return the settings, and the table that they give. Raises DataError where no settings read the file. `field` is the path of the rows
    in a JSON value. `is_header` asks the user; None means that nobody can answer."""
    found, table = _plain(file, field, is_header)
    if tool := recognised(table.names):
        found.set("exported_by", tool, "its columns are those of an export")
        table = found.read()
    return found, table


def _plain(file: Path, field: str | None, is_header: IsHeader | None) -> tuple[Guessed, tables.Table]:
    """Return the settings that read a file as a plain table, and the table."""
    found, raw = Guessed(file=file), load(str(file))
    if field is not None:
        found.set("train_field", field, "as requested")
    by_suffix = SUFFIXES.get(suffix_of(str(file)))
    if binary := binary_format(raw):
        if binary != by_suffix:
            found.set("format", binary, NOT_BY_SUFFIX)
        return found, found.read()
    if by_suffix in ("parquet", "arrow"):
        return found, found.read()
    if by_suffix is None and suffix_of(str(file)) not in TEXT_SUFFIXES:
        format_of(str(file), raw, None)
    guessed = guess_encoding(raw)
    found.encoding = guessed.encoding or encoding_of(raw.head).upper()
    if guessed.encoding:
        found.set("encoding", guessed.encoding, "a guess: look at some rows")
    if guessed.damaged:
        found.set("encoding_errors", "replace", "damaged places are read as U+FFFD")
    if guessed.trouble:
        found.troubles.append(guessed.trouble)
    settings = TableSettings(**{name: value for name, value in found.settings.items() if name.startswith("encoding")})
    text = decode(str(found.file), raw, settings)[0]
    return found, found.read() if _is_json(found, text, by_suffix) else _delimited(found, text, by_suffix, is_header)


def _is_json(found: Guessed, text: Text, by_suffix: Format | None) -> bool:
    """Return whether the text is JSON. Set the format, and the lists to read, where the suffix does not determine them."""
    named = by_suffix in ("json", "jsonl")
    start = text.start()
    if not named and not start.startswith(("{", "[")):
        return False
    first, several = _first_line(text)
    value = parsed(text.whole()) if not several or parsed(first) is None else None  # two values are no value
    lists = lists_in(value) if isinstance(value, dict) else {}
    whole = isinstance(value, list)
    if isinstance(value, dict):  # and not a single row of JSON lines
        whole = several or bool(lists) or columns_as_rows(value) is not None
    if not named:
        if not whole and not start.splitlines()[0].rstrip().endswith("}"):
            return False
        found.set("format", "json" if whole else "jsonl", NOT_BY_SUFFIX)
    elif by_suffix == "jsonl" and whole:
        found.set("format", "json", "it is one JSON value, not an object on each line", "it is one JSON value, not an object on each line")
    if not whole or "train_field" in found.settings or len(lists) < 2:
        return True
    usual = {"train_field": TRAIN, "dev_field": DEV, "test_field": TEST}
    fields = {option: next((name for name in lists if name.lower() in names), None) for option, names in usual.items()}
    if fields["train_field"] is None:
        return True
    for option, name in fields.items():
        if name is not None:
            found.set(option, name, f"{lists[name]:,} rows")
    shown = ", ".join(f"'{name}' ({rows:,} rows)" for name, rows in lists.items())
    found.troubles.append(f"it holds several lists of rows: {shown}; train, dev and test are taken by name, others are not read")
    return True


def _first_line(text: Text) -> tuple[str, bool]:
    """Return the first line that is not blank, and whether another one follows it."""
    lines = [*islice((line for line in text.lines("\n") if not line.isspace()), 2)]
    return lines[0], len(lines) > 1


def _delimited(found: Guessed, text: Text, by_suffix: Format | None, is_header: IsHeader | None) -> tables.Table:
    usual = "\t" if by_suffix == "tsv" else ","
    by_layout = layout(text, usual, TableSettings())
    delimiter = by_layout.delimiter if by_layout.skipped else _delimiter(text, usual)
    if by_suffix is None or delimiter != usual:
        kind = {",": "csv", "\t": "tsv"}.get(delimiter)
        known = NOT_BY_SUFFIX if by_suffix is None else f"its fields are separated by {DELIMITERS.get(delimiter, delimiter)}"
        if by_suffix is None or kind:
            found.set("format", kind or "csv", known, "" if by_suffix is None else known)
        if not kind and not by_layout.skipped:
            separated = f"its fields are separated by {DELIMITERS[delimiter]}"
            found.set("delimiter", delimiter, separated, separated)
    if skipped := _lines_before_header(text, delimiter):
        first = text.start().splitlines()[0]
        found.set("skip_lines", skipped, "no header", f"{skipped:,} lines before the header are not read; the first is {first[:60]!a}")
    return _headed(found, _quoted(found), is_header)


def _records(text: Text, delimiter: str, quotes: str = "double", skip: int = 0) -> Iterator[list[str]]:
    """Yield the first records, up to the first that cannot be read."""
    settings = TableSettings(delimiter=delimiter, quotes="none" if quotes == "none" else "double", skip_lines=skip or None)
    try:
        yield from islice(filter(None, layout(text, delimiter, settings).records(text.lines())), RECORDS_LOOKED_AT)
    except csv.Error:
        return


def _widths(text: Text, delimiter: str, quotes: str = "double") -> tuple[int, float, bool]:
    """Return the most common number of fields, the share of records that have it, and whether the first record has it."""
    widths = [len(record) for record in _records(text, delimiter, quotes)] or [1]
    width, count = Counter(widths).most_common(1)[0]
    return width, count / len(widths), widths[0] == width


def _delimiter(text: Text, usual: str) -> str:
    """Return the delimiter that gives the most regular table."""
    regular = {}
    for delimiter in (usual, *DELIMITERS):
        found = [_widths(text, delimiter, quotes) for quotes in ("double", "none")]
        # a header that does not fit the rows halves it
        regular[delimiter] = max(share * (1.0 if fits else 0.5) if width > 1 else 0.0 for width, share, fits in found)
    return usual if regular[usual] >= RECTANGULAR else max(regular, key=lambda delimiter: regular[delimiter])


def _lines_before_header(text: Text, delimiter: str) -> int:
    """Return the number of lines before the rows that have no delimiter, such as comments."""
    width, _, fits = _widths(text, delimiter)
    if width < 2 or fits:
        return 0
    for skip, line in enumerate(islice(text.lines(), LINES_BEFORE_HEADER + 1)):
        if len(next(_records(text, delimiter, skip=skip), [])) == width:
            return skip
        if not line.startswith("#") and any(other in line for other in DELIMITERS):
            return 0
    return 0


def _quoted(found: Guessed) -> tables.Table:
    """Return the table. If it cannot be read otherwise, read quotation marks as ordinary characters."""
    try:
        return found.read()
    except DataError as error:
        try:
            table = found.read(quotes="none")
        except DataError:
            raise error from None
        once = [name for name in table.names if list(table.names).count(name) == 1]
        marked = [len(cell) > 1 and cell[0] == cell[-1] == '"' for name in once for cell in table.values(name) if '"' in cell]
        if 2 * sum(marked) > len(marked):
            raise  # most of these marks do quote
        why = str(error).split(". Set `")[0].split("; set `")[0].removeprefix(f"{found.file}, ")
        only = "quotation marks are only characters"
        found.set("quotes", "none", only, f"{only}, as quotes they do not fit: {why}")
        return table


def _headed(found: Guessed, table: tables.Table, is_header: IsHeader | None) -> tables.Table:
    """Return the table, with names by position where the first row is data."""
    names = list(table.names)
    columns = [table.values(name)[:RECORDS_LOOKED_AT] for name in names if names.count(name) == 1]
    rows = [list(row) for row in zip(*columns, strict=True)]
    why = why_data([name for name in names if names.count(name) == 1], rows)
    if not why and len(set(names)) < len(names) and not is_usual(names):
        twice = next(name for name in names if names.count(name) > 1)
        why = f"{twice!a} would be the name of {names.count(twice)} columns"
    if not why or is_usual(names) or (is_header is not None and is_header(names, why)):
        return table
    made = tuple(f"column_{i}" for i in range(1, len(names) + 1))
    trouble = f"the first row looks like data, because {why}; it is read as a row, and the columns are named {made[0]} to {made[-1]}"
    found.set("names", made, "the first row is data; without this line it holds the names", trouble)
    return found.read()
