"""Prodigy: the JSON lines that `prodigy db-out` writes, a line for each answer of an annotator.

label        the label that was shown and accepted (`textcat.teach`, `mark`)
accept       the ids of the options that were chosen (`choice`, `textcat.manual`)
user_input   the text that was written (`text_input`), or the field that `field_id` names

An accepted answer is a label. A rejected one is a vote for no label. An ignored one is no vote. Votes are counted for each label that is
shown, which Prodigy knows by its `_task_hash`; a document has all labels with a majority.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable
from typing import Any

from bench.data.tables.exports.answers import NO_LABEL, Answers, Document, LeftOut, known_by, only_text
from bench.data.tables.table import Table
from bench.errors import DataError

INPUT, TASK, ANSWER = "_input_hash", "_task_hash", "answer"

TECHNICAL = frozenset((ANSWER, "accept", "options", "config", "tokens", "spans", "relations", "field_id"))
"""Columns that describe the work of the annotator, not the document."""

ANNOTATOR = ("_annotator_id", "_session_id")
"""Columns that name the annotator, the best first. All rows without a name are by one annotator."""

UNNAMED = re.compile(r"(.*-)?\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
"""Ids of a session without a name: the time at which the server was started."""


def has_columns(names: Collection[str]) -> bool:
    """Return whether these are columns of an export."""
    return {INPUT, TASK, ANSWER} <= {*names}


def answers(table: Table) -> Answers:
    """Return the documents and answers. Raises DataError with the line of a faulty answer."""
    names = [*dict.fromkeys(table.names)]
    columns = {name: table.values(name) for name in names}
    documents: dict[Hashable, Document] = {}
    questions: dict[str, None] = {}
    left_out: Counter[LeftOut] = Counter()
    for row in range(table.rows):
        record = {name: column[row] for name, column in columns.items()}
        key, task = (known_by(record[name], ("row", row)) for name in (INPUT, TASK))
        cells = {name: value for name, value in record.items() if not name.startswith("_") and name not in TECHNICAL}
        document = documents.setdefault(key, Document(row=row, cells=cells))
        answer = record[ANSWER]
        if answer not in ("accept", "reject", "ignore"):
            raise DataError(f"{table.where(row)}: `{ANSWER}` is {answer!a}, not accept, reject or ignore")
        if answer != "accept":
            left_out[(None, f"answers with {answer}")] += 1
        annotator = _annotator(record)
        for question in _questions(record):
            questions[question] = None
            document.votes.get(question, {}).get(task, {}).pop(annotator, None)  # also an ignored answer replaces the first
            label = _label(table, row, question, record[question]) if answer == "accept" else NO_LABEL
            if answer == "accept" and label is None:
                left_out[(question, "accepted answers without a text")] += 1
            elif answer != "ignore":
                document.vote(question, annotator, label, task)
    return Answers(documents=[*documents.values()], questions=[*questions], left_out=left_out)


def _annotator(record: dict[str, Any]) -> str | None:
    """Return who answered; None where nobody is named."""
    name = next((record[name] for name in ANNOTATOR if isinstance(record.get(name), str)), None)
    return None if name is None or UNNAMED.fullmatch(name) else name


def _questions(record: dict[str, Any]) -> list[str]:
    """Return the names of what was asked in a row. A row with options asks for a choice, even where nothing is chosen."""
    if isinstance(record.get("options"), list) or isinstance(record.get("accept"), list):
        record.setdefault("accept", None)
        return ["accept"]
    written = record.get("field_id")
    return [name for name in ("label", written if isinstance(written, str) else "user_input") if record.get(name) is not None]


def _label(table: Table, row: int, question: str, value: Any) -> str | None:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict | list) for one in value)):
        raise DataError(f"{table.where(row)}: '{question}' holds {type(value).__name__}, not a text or a list of texts")
    return only_text(value)
