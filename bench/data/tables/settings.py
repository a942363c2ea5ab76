"""The settings for reading a file."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from bench.contracts import Part

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "arrow"]

Tool = Literal["label_studio", "argilla", "prodigy"]
"""A tool in which people write labels."""

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

JOINED_BY = "\n"
"""Default text between joined columns."""

DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
"""Usual delimiters -> what messages call them."""


ESCAPES = ("unicode-escape", "raw-unicode-escape")
"""Encodings of literals in Python code. Files have none of them."""


def _encoding(name: str) -> str:
    try:
        b"a".decode(name, "ignore")
        known = codecs.lookup(name).name not in ESCAPES
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"Python knows no text encoding '{name}'; common ones are utf-8, utf-16, cp1252, latin-1, gb18030")
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
    """Settings for reading files. The defaults read what pandas and `datasets` write. `bench init` writes those that a file needs."""

    format: Format | None = None
    """Format of all files. Missing: by suffix. `json` is one JSON value, or a JSON object on each line."""
    exported_by: Tool | None = None
    """The labelling tool that exported all files: `label_studio`, `argilla` or `prodigy`. Each document gets the label of
    most of its annotators. Missing: the files are plain tables."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    """Encoding of text files, such as `cp1252`. Missing: the byte order mark decides, else UTF-8."""
    encoding_errors: Literal["replace"] | None = None
    """How to treat bytes that are invalid in the encoding: `replace` reads each as U+FFFD. Missing: the file is refused."""
    delimiter: Annotated[str, AfterValidator(_delimiter)] | None = None
    """Character between the fields of CSV and TSV. Missing: a first line such as `sep=;` decides, else ',' or tab by the format."""
    quotes: Literal["double", "none"] | None = None
    """Whether '"' quotes fields of CSV and TSV (`double`), or is an ordinary character (`none`). Missing: it
    quotes, and a file is refused where quoted fields look like several rows."""
    names: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)] | None = None
    """Names of all columns, in order, for a CSV or TSV file without a header. Missing: the first row holds the names."""
    skip_lines: int | None = Field(default=None, ge=1)
    """Number of lines before the header of CSV and TSV to skip. Missing: none."""
    joined_by: str | None = None
    """Text between columns, or list elements, that are joined. Empty ones are left out. Missing: a line end."""
