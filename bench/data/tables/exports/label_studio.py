"""Label Studio: exports as JSON, JSON-MIN, CSV and TSV.

JSON                a row for each task: `data`, and `annotations` with a `result` for each control of the labelling interface
JSON-MIN, CSV, TSV  a row for each annotation: the data, and a column for each control. Tasks without annotations are not in them

A question is a control, by its name (`from_name`). Annotations that were skipped are no votes. In JSON, what a model predicts for the
control C is a column like any other, `C.prediction`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from bench.contracts import is_blank
from bench.data.tables.exports.answers import Answers, Document, LeftOut, known_by, only_text
from bench.data.tables.json_rows import parsed
from bench.data.tables.table import Table
from bench.errors import DataError

VALUES = ("choices", "text", "rating", "number", "taxonomy", "selected")
"""Keys of a result whose value is a label of the whole document. Others, such as `labels`, mark spans."""

PREDICTION = ".prediction"
"""Ends the name of a column with what a model predicts for a control."""

PATH = " > "
"""Text between the levels of a taxonomy."""

OF_AN_ANNOTATION = frozenset(("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"))


def has_columns(names: Collection[str]) -> bool:
    """Return whether these are columns of an export."""
    return _is_whole(names) or {"id", "annotator", "annotation_id", "lead_time"} <= {*names}


def answers(table: Table) -> Answers:
    """Return the documents and answers. Raises DataError with the row of a faulty task."""
    names = [*dict.fromkeys(table.names)]
    columns = {name: table.values(name) for name in names}
    rows = [{name: column[row] for name, column in columns.items()} for row in range(table.rows)]
    return _tasks(table, rows) if _is_whole(names) else _annotations(rows)


def _is_whole(names: Collection[str]) -> bool:
    return "data" in names and ("annotations" in names or "completions" in names)


def _tasks(table: Table, rows: Sequence[Mapping[str, Any]]) -> Answers:
    documents: list[Document] = []
    left_out: Counter[LeftOut] = Counter()
    questions: dict[str, None] = {}
    for row, task in enumerate(rows):
        data, annotations = task["data"], task.get("annotations") or task.get("completions") or []
        if not isinstance(data, dict) or not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
            raise DataError(f"{table.where(row)}: `data` must be an object, and `annotations` a list of objects")
        document = Document(row=row, cells={"id": task.get("id"), **data, **_predicted(table, row, task.get("predictions"))})
        documents.append(document)
        for at, annotation in enumerate(sorted(annotations, key=_time)):
            if annotation.get("was_cancelled") or annotation.get("skipped"):
                left_out[(None, "skipped annotations")] += 1
                continue
            labels = _labels(table, row, annotation, left_out)
            if not labels:
                left_out[(None, "annotations without a label")] += 1
            for question, label in labels.items():
                questions[question] = None
                document.vote(question, _annotator(annotation.get("completed_by"), at), label)
    return Answers(documents=documents, questions=[*questions], left_out=left_out)


def _predicted(table: Table, row: int, predictions: Any) -> dict[str, str]:
    """Return 'CONTROL.prediction' -> label for what models predicted, the last prediction last. Some exports hold ids only."""
    known = sorted((one for one in (predictions if isinstance(predictions, list) else ()) if isinstance(one, dict)), key=_time)
    return {f"{name}{PREDICTION}": label for one in known for name, label in _labels(table, row, one, Counter()).items()}


def _labels(table: Table, row: int, annotation: Mapping[str, Any], left_out: Counter[LeftOut]) -> dict[str, str]:
    """Return control -> label. Several results of one control, such as lines of text, are joined."""
    results = annotation.get("result") or []
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise DataError(f"{table.where(row)}: `result` of an annotation must be a list of objects")
    found: dict[str, list[Any]] = {}
    for result in results:
        value, control = result.get("value"), result.get("from_name")
        key = _key(value)
        if control is not None and not isinstance(control, str):
            raise DataError(f"{table.where(row)}: `from_name` of a result is {type(control).__name__}, expected the name of a control")
        if control is None or key is None:
            left_out[(None, f"results of type {result.get('type', 'relation')}")] += 1
        else:
            found.setdefault(control, []).append((key, value[key]))
    labels = {control: _label(given) for control, given in found.items()}
    return {control: label for control, label in labels.items() if label is not None}


def _key(value: Any) -> str | None:
    """Return the key that holds the label of a whole document. A value that marks a part of it has none."""
    if not isinstance(value, dict) or "start" in value or "x" in value:
        return None
    return next((key for key in VALUES if key in value), None)


def _label(given: Sequence[tuple[str, Any]]) -> str | None:
    texts = [one for key, value in given if key == "text" for one in (value if isinstance(value, list) else [value])]
    if texts:
        return only_text("\n".join(map(str, texts)))
    choices = [PATH.join(map(str, path)) if isinstance(path, list) else path for _, value in given for path in _each(value)]
    return only_text(choices)


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _time(annotation: Mapping[str, Any]) -> str:
    return str(annotation.get("updated_at") or annotation.get("created_at") or "")


def _annotator(completed_by: Any, at: int) -> Hashable:
    """Return who annotated: an id, an address, or the annotation itself where nobody is named."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("id") or completed_by.get("email")
    return known_by(completed_by, ("annotation", at))


def _annotations(rows: Sequence[Mapping[str, Any]]) -> Answers:
    """Return the documents of an export with a row for each annotation. Any column of texts may be a control, as the file does not tell
    controls from data; data is the same in all annotations of a task."""
    documents: dict[Hashable, Document] = {}
    names = [name for name in rows[0] if name not in OF_AN_ANNOTATION and name != "id"]
    questions = [name for name in names if all(_is_answer(_opened(record[name])) for record in rows)]
    left_out: Counter[LeftOut] = Counter()
    for row, record in sorted(enumerate(rows), key=lambda one: _time(one[1])):
        cells = {name: record[name] for name in ("id", *names) if name not in questions}
        document = documents.setdefault(known_by(record["id"], ("row", row)), Document(row=row, cells=cells))
        document.row = min(document.row, row)
        for question in questions:
            value = _opened(record[question])
            label = value if isinstance(value, str) else _label([_keyed(one) for one in _each(value)])
            if label is None or is_blank(label):
                left_out[(question, "annotations without it")] += 1
            else:
                document.vote(question, _annotator(record["annotator"], row), label)
    ordered = sorted(documents.values(), key=lambda document: document.row)
    return Answers(documents=ordered, questions=questions, left_out=left_out)


def _opened(cell: Any) -> Any:
    """Return the value of a cell. CSV holds several choices as JSON; any other text stays as it is."""
    if isinstance(cell, str) and cell.startswith(("{", "[")):
        value = parsed(cell)
        return value if value and isinstance(value, dict | list) and _is_answer(value) else cell
    return cell


def _is_answer(value: Any) -> bool:
    """Return whether a value may be what people answer: a text, a number, an object with a label, or a list that holds such objects."""
    if not isinstance(value, list):
        return not isinstance(value, dict) or _key(value) is not None
    objects = [one for one in value if not isinstance(one, str)]
    return not value or (bool(objects) and all(_key(one) is not None for one in objects))


def _keyed(value: Any) -> tuple[str, Any]:
    key = _key(value)
    return ("choices", value) if key is None else (key, value[key])
