"""Reads exports of labelling tools: one row for each document, with the label that most of its annotators gave.

answers        documents, answers, votes
label_studio   JSON, JSON-MIN, CSV and TSV
argilla        records that `datasets` or `to_json` wrote
prodigy        JSON lines of `db-out`
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from bench.data.tables.exports import argilla, label_studio, prodigy
from bench.data.tables.exports.answers import Answers, as_table
from bench.data.tables.settings import Tool
from bench.data.tables.table import Table
from bench.errors import DataError


class Reader(NamedTuple):
    """Reads the exports of one tool."""

    name: str
    """The tool, as messages show it."""
    has_columns: Callable[[Collection[str]], bool]
    """Whether a file with these columns is an export."""
    answers: Callable[[Table], Answers]
    """Returns the documents and answers. Raises DataError with the line of a faulty row."""


READERS: dict[Tool, Reader] = {
    "label_studio": Reader("Label Studio", label_studio.has_columns, label_studio.answers),
    "argilla": Reader("Argilla", argilla.has_columns, argilla.answers),
    "prodigy": Reader("Prodigy", prodigy.has_columns, prodigy.answers),
}


def recognised(names: Collection[str]) -> Tool | None:
    """Return the tool that wrote a file with these columns, or None where it is a plain table."""
    return next((tool for tool, reader in READERS.items() if reader.has_columns(names)), None)


def read_export(table: Table, tool: Tool) -> Table:
    """Return the documents of an export, with one column for each question. Raises DataError where the table is no such export, and with
    the line where an answer is faulty."""
    reader = READERS[tool]
    if not reader.has_columns(table.names):
        has = ", ".join(f"'{name}'" for name in table.names[:8])
        remedy = f"remove `exported_by: {tool}` if it is a plain table"
        raise DataError(f"{table.file}: is no export of {reader.name} that bench knows, as its columns are {has}; {remedy}")
    return as_table(table, reader.name, reader.answers(table))
