"""Argilla 2: records that `to_datasets()` (Parquet, Arrow, JSON lines) or `to_json()` wrote, a row for each record.

Q.responses          answers to the question Q, one for each annotator
Q.responses.users    the annotators, in the same order
Q.responses.status   submitted, draft or discarded
Q.suggestion         what a model suggests; a column like any other

`to_json()` writes objects instead: `fields`, `metadata`, `responses`, `suggestions`. It leaves out the status.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bench.data.tables.exports.answers import Answers, Document, LeftOut, known_by, only_text
from bench.data.tables.table import Table
from bench.errors import DataError

RESPONSES, USERS, STATUS = ".responses", ".responses.users", ".responses.status"
NESTED = {"fields", "responses", "suggestions"}
TECHNICAL = frozenset(("_server_id", "status", "vectors"))


def has_columns(names: Collection[str]) -> bool:
    """Return whether these are columns of an export."""
    return {*names} >= NESTED or any(name.endswith(USERS) and name.removesuffix(".users") in names for name in names)


def answers(table: Table) -> Answers:
    """Return the documents and answers. Raises DataError with the line of a faulty record."""
    names = [*dict.fromkeys(table.names)]
    columns = {name: table.values(name) for name in names}
    documents: list[Document] = []
    left_out: Counter[LeftOut] = Counter()
    questions = {name: None for name in names if name.endswith(RESPONSES) and f"{name}.users" in columns}
    without_status = False
    for row in range(table.rows):
        record = {name: column[row] for name, column in columns.items()}
        if columns.keys() >= NESTED:
            record = _flat(table, row, record)
        asked = [name for name in record if name.endswith(RESPONSES)]
        questions.update(dict.fromkeys(asked))
        cells = {name: value for name, value in record.items() if RESPONSES not in name and name not in TECHNICAL}
        document = Document(row=row, cells=cells)
        documents.append(document)
        for question in asked:
            given = _list(table, row, question, record[question])
            users, status = (_list(table, row, part, record.get(part)) for part in (f"{question}.users", f"{question}.status"))
            without_status |= bool(given) and not status
            document.votes[question] = {None: _votes(question, given, users, status, left_out)}
    note = f"{table.file}: the export has no status of responses, so drafts and discarded ones count; `to_datasets()` writes it."
    return Answers(documents=documents, questions=[*questions], left_out=left_out, notes=(note,) if without_status else ())


def _votes(
    question: str, given: Sequence[Any], users: Sequence[Any], status: Sequence[Any], left_out: Counter[LeftOut]
) -> dict[Any, str | None]:
    """Return annotator -> label for one question of one record. Adds to `left_out` what is no label."""
    votes: dict[Any, str | None] = {}
    for at, value in enumerate(given):
        state = (status[at] if at < len(status) else None) or "submitted"
        label = only_text(value)
        if state != "submitted":
            left_out[(question, f"responses with status {state}")] += 1
        elif label is None:
            left_out[(question, "responses without a text, such as spans")] += 1
        else:
            votes[known_by(users[at] if at < len(users) else None, ("answer", at))] = label
    return votes


def _flat(table: Table, row: int, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of `to_json()` with the columns that `to_datasets()` gives it."""
    parts = {name: record.get(name) or {} for name in ("fields", "metadata", "responses", "suggestions")}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise DataError(f"{table.where(row)}: '{name}' holds {type(part).__name__}, not an object")
    flat = {"id": record.get("id"), **parts["fields"], **parts["metadata"]}
    for question, suggestion in parts["suggestions"].items():
        flat[f"{question}.suggestion"] = suggestion.get("value") if isinstance(suggestion, dict) else suggestion
    for question, given in parts["responses"].items():
        one_each = [one if isinstance(one, dict) else {"value": one} for one in _list(table, row, f"responses.{question}", given)]
        flat[f"{question}{RESPONSES}"] = [one.get("value") for one in one_each]
        flat[f"{question}{USERS}"] = [one.get("user_id") for one in one_each]
        if any("status" in one for one in one_each):
            flat[f"{question}{STATUS}"] = [one.get("status") for one in one_each]
    return flat


def _list(table: Table, row: int, name: str, value: Any) -> Sequence[Any]:
    if value is None or isinstance(value, list):
        return value or []
    remedy = "; write the records with `to_json` or `to_parquet`, as CSV loses lists" if isinstance(value, str) else ""
    raise DataError(f"{table.where(row)}: '{name}' holds {type(value).__name__}, not a list{remedy}")
