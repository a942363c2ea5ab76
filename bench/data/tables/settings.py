"""The settings that say how a file is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bench.contracts import Part

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow"]

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
"""Suffix -> format."""

JOINED_BY = "\n"
"""Text between columns that are joined, where no setting says another."""

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""The usual delimiters, and what they are called."""


def _encoding(name: str) -> str:
    try:
        b"a".decode(name, "ignore")
    except (LookupError, ValueError):
        raise ValueError(f"Python knows no text encoding '{name}'; common ones are utf-8, utf-16, cp1252, latin-1, gb18030") from None
    return name


def _delimiter(character: str) -> str:
    if len(character) != 1 or character in '"\r\n':
        raise ValueError(f"a delimiter is one character, and no quotation mark or line end; got {character!r}")
    return character


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("two columns have the same name")
    return names


class TableSettings(Part):
    """How files are read. The defaults read what pandas and `datasets` write; `bench init` writes the settings that a file needs."""

    format: Format | None = None
    """Format of all files. Missing: by suffix. `json` is one JSON value, or a JSON object on each line."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    """Encoding of text files, such as `cp1252`. Missing: UTF-8, or what the byte order mark says."""
    encoding_errors: Literal["replace"] | None = None
    """What to do with bytes that the encoding does not know: `replace` reads each as U+FFFD. Missing: the file is refused."""
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    """Character between the fields of CSV and TSV. Missing: ',' and tab, or what a first line such as `sep=;` says."""
    quotes: Literal["double", "none"] | None = None
    """Whether '"' quotes fields of CSV and TSV, or is a character like any other. Missing: it quotes, and a file is refused where quoted
    fields look like swallowed rows."""
    names: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)] | None = None
    """Names of all columns, in order, of a CSV or TSV file that has no header. Missing: the first row holds the names."""
    skip_lines: int | None = Field(default=None, ge=1)
    """Lines of CSV and TSV before the header that are not read. Missing: none."""
    joined_by: str | None = None
    """Text between columns, or list elements, that are joined into one; empty ones are left out. Missing: a line end."""
