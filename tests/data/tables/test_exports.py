"""Exports of Label Studio, Argilla and Prodigy: one row for each document, with the label of the majority."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.data.tables.exports import recognised
from bench.data.tables.exports.answers import majority, only_text
from bench.errors import DataError
from tests.data.tables.conftest import CASES, Reader, case
from tests.facts import missing

FOLDER = "27-labelling-tools"

WANTED: dict[tuple[str, str, str], list[str | None]] = {
    ("label_studio", "label_studio.json", "sentiment"): ["Positive", "Negative", None, None, None, "Positive", "Negative, Neutral"],
    ("label_studio", "label_studio.json", "gist"): ["early", None, None, None, None, None, "manual\nmissing"],
    ("label_studio", "label_studio.json", "sentiment.prediction"): ["Positive", "Positive", *[None] * 5],
    ("label_studio", "label_studio_min.json", "sentiment"): ["Positive", "Negative", None, "Positive", "Negative, Neutral"],
    ("label_studio", "label_studio_min.json", "gist"): ["early", None, None, None, "manual\nmissing"],
    ("label_studio", "label_studio.csv", "sentiment"): ["Positive", "Negative", None, "Positive", "Negative, Neutral"],
    ("label_studio", "label_studio.csv", "gist"): ["early", None, None, None, "manual\nmissing"],
    ("argilla", "argilla.jsonl", "label.responses"): ["positive", "negative", None, None, None, None, "negative"],
    ("argilla", "argilla.jsonl", "tags.responses"): ["cold, late", *[None] * 6],
    ("argilla", "argilla.jsonl", "label.suggestion"): ["positive"] * 7,
    ("argilla", "argilla_to_json.json", "label.responses"): ["positive", "negative", None, "negative", "positive", None, None],
    ("prodigy", "prodigy_choice.jsonl", "accept"): ["POSITIVE", "NEGATIVE", None, None, None, "POSITIVE", "NEGATIVE, NEUTRAL"],
    ("prodigy", "prodigy_binary.jsonl", "label"): ["DELIVERY, PRAISE", "DEFECT", None, None, "PRAISE", None],
}


@pytest.mark.parametrize(("tool", "file", "question"), WANTED)
def test_a_document_has_the_label_of_the_majority(tool: str, file: str, question: str) -> None:
    found, _ = case(f"{FOLDER}/{file}", "text", question, exported_by=tool)
    assert [label for _, label in found] == WANTED[tool, file, question]
    assert len({text for text, _ in found}) == len(found)


@pytest.mark.parametrize(
    ("tool", "file", "question", "facts"),
    [
        ("label_studio", "label_studio.json", "sentiment", [(7, 4, 3), ("labels 1", "skipped annotations 1"), (2, 2, 1)]),
        ("argilla", "argilla.jsonl", "label.responses", [(7, 3, 4), ("discarded 1", "draft 2"), (2, 2, 1)]),
        ("prodigy", "prodigy_choice.jsonl", "accept", [(7, 4, 3), ("reject 1", "ignore 1"), (2, 2, 1)]),
        ("prodigy", "prodigy_binary.jsonl", "label", [(6, 3, 3), ("reject 4", "ignore 1"), (2, 2, 1)]),
    ],
)
def test_what_was_read_and_left_out_is_counted(tool: str, file: str, question: str, facts: Sequence[Sequence[object]]) -> None:
    _, notes = case(f"{FOLDER}/{file}", "text", question, exported_by=tool)
    assert [missing(note.partition(": ")[2], *wanted) for note, wanted in zip(notes, facts, strict=True)] == [[], [], []]
    assert all(f"{file}, '{question}'" in note for note in notes)


def test_without_a_status_a_draft_counts_and_a_note_says_so() -> None:
    _, notes = case(f"{FOLDER}/argilla_to_json.json", "text", "label.responses", exported_by="argilla")
    assert missing(notes[0], "status", "to_datasets()") == []


@pytest.mark.parametrize("file", sorted(path.name for path in (CASES / FOLDER).iterdir()))
def test_each_export_is_recognised_by_its_columns(file: str) -> None:
    path = CASES / FOLDER / file
    frame = pd.read_csv(path) if file.endswith("csv") else pd.read_json(path, lines=file.endswith("jsonl"))
    assert recognised([*frame]) == next(tool for tool in ("label_studio", "argilla", "prodigy") if file.startswith(tool))


@pytest.mark.parametrize("names", [["text", "label"], ["id", "data", "label"], ["text", "answer"], ["fields", "responses"], []])
def test_a_plain_table_is_no_export(names: list[str]) -> None:
    assert recognised(names) is None


def test_parquet_keeps_the_lists_of_argilla(rows: Reader, tmp_path: Path) -> None:
    records = [json.loads(line) for line in (CASES / FOLDER / "argilla.jsonl").read_text().splitlines()]
    pd.DataFrame(records).to_parquet(tmp_path / "written.parquet")
    found, _ = rows((tmp_path / "written.parquet").read_bytes(), "own.parquet", "text", "label.responses", exported_by="argilla")
    assert [label for _, label in found] == WANTED["argilla", "argilla.jsonl", "label.responses"]


ANSWER: dict[str, Any] = {"text": "a", "label": "X", "_input_hash": 1, "_task_hash": 2, "answer": "accept"}
TASK: dict[str, Any] = {"id": 1, "data": {"text": "a"}, "annotations": []}
LISTED: dict[str, Any] = {"from_name": ["q"], "value": {"choices": ["x"]}, "type": "choices"}
RECORD: dict[str, Any] = {"text": "a", "q.responses": ["x"], "q.responses.users": ["u"]}


@pytest.mark.parametrize(
    ("tool", "faulty", "facts"),
    [
        ("prodigy", ANSWER | {"answer": "yes"}, ["own.jsonl, line 2", "'yes'"]),
        ("prodigy", ANSWER | {"label": {"a": 1}}, ["own.jsonl, line 2", "dict"]),
        ("label_studio", TASK | {"data": "a"}, ["own.jsonl, line 2", "`data`"]),
        ("label_studio", TASK | {"annotations": [{"result": "x"}]}, ["own.jsonl, line 2", "`result`"]),
        ("label_studio", TASK | {"annotations": [{"result": [LISTED]}]}, ["own.jsonl, line 2", "`from_name`"]),
        ("argilla", RECORD | {"q.responses": "['x']"}, ["own.jsonl, line 2", "'q.responses'", "`to_json`"]),
    ],
)
def test_a_faulty_answer_is_named_with_its_line(tool: str, faulty: Mapping[str, Any], facts: Sequence[str], rows: Reader) -> None:
    sound = {"prodigy": ANSWER, "label_studio": TASK, "argilla": RECORD}[tool]
    with pytest.raises(DataError) as caught:
        rows(f"{json.dumps(sound)}\n{json.dumps(faulty)}\n", "own.jsonl", exported_by=tool)
    assert [fact for fact in facts if fact not in str(caught.value)] == []


@pytest.mark.parametrize("tool", ["label_studio", "argilla", "prodigy"])
def test_a_plain_table_is_refused_as_an_export(tool: str, rows: Reader) -> None:
    with pytest.raises(DataError) as caught:
        rows("text,label\na,b\n", exported_by=tool)
    assert missing(caught.value, "own.csv", "'text', 'label'", f"`exported_by: {tool}`") == []


def test_spans_alone_give_no_column_of_labels(rows: Reader) -> None:
    marked = {"value": {"start": 0, "end": 1, "labels": ["P"]}, "from_name": "parts", "type": "labels"}
    with pytest.raises(DataError, match=r"'parts'.* it has id, text"):
        rows(json.dumps([TASK | {"annotations": [{"result": [marked]}]}]), "own.json", target="parts", exported_by="label_studio")


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ({"choices": ["b", "a"]}, "a, b"),
        ({"rating": 4}, "4"),
        ({"number": 2.5}, "2.5"),
        ({"taxonomy": [["Food", "Fruit"]]}, "Food > Fruit"),
        ({"selected": "left"}, "left"),
        ({"text": "one"}, "one"),
    ],
)
def test_each_control_of_label_studio_gives_text(value: dict[str, object], label: str, rows: Reader) -> None:
    task = TASK | {"annotations": [{"result": [{"value": value, "from_name": "q", "type": "any"}]}]}
    assert rows(json.dumps([task]), "own.json", target="q", exported_by="label_studio")[0] == [("a", label)]


def test_what_annotators_write_in_prodigy_is_the_label(rows: Reader) -> None:
    written = {name: value for name, value in ANSWER.items() if name != "label"}
    lines = [written | {"user_input": "short"}, written | {"_input_hash": 3, "text": "b", "user_input": "no", "answer": "reject"}]
    found, _ = rows("\n".join(map(json.dumps, lines)), "own.jsonl", target="user_input", exported_by="prodigy")
    assert found == [("a", "short"), ("b", None)]


LABELS = {"SPORT": 1, "POLITICS": 2}


@pytest.mark.parametrize(
    ("answers", "label"),
    [
        ([("a", "SPORT", "accept"), ("b", "POLITICS", "reject")], "SPORT"),
        ([("a", "SPORT", "accept"), ("b", "POLITICS", "accept")], "POLITICS, SPORT"),
        ([("a", "SPORT", "accept"), ("b", "SPORT", "accept"), ("b", "POLITICS", "accept"), ("a", "POLITICS", "reject")], "SPORT"),
        ([("a", "SPORT", "accept"), ("b", "SPORT", "reject")], None),
        ([("2023-07-25_14-50-21", "SPORT", "accept"), ("2023-07-26_09-00-00", "POLITICS", "accept")], "POLITICS, SPORT"),
        ([("2023-07-25_14-50-21", "SPORT", "reject"), ("news-2023-07-26_09-00-00", "SPORT", "accept")], "SPORT"),
        ([("2023-07-25_14-50-21", "SPORT", "accept"), ("2023-07-26_09-00-00", "SPORT", "ignore")], None),
    ],
)
def test_prodigy_counts_votes_for_each_label_and_unnamed_sessions_are_one_person(
    answers: list[tuple[str, str, str]], label: str | None, rows: Reader
) -> None:
    lines = [
        ANSWER | {"_annotator_id": who, "label": shown, "_task_hash": LABELS[shown], "answer": answer} for who, shown, answer in answers
    ]
    assert rows("\n".join(map(json.dumps, lines)), "own.jsonl", target="label", exported_by="prodigy")[0] == [("a", label)]


def test_documents_that_look_like_json_stay_as_they_are_in_csv(rows: Reader) -> None:
    head = "text,id,q,annotator,annotation_id,lead_time\n"
    lines = ['"[12, 3]",1,a,1,1,2', '"{""a"": 1}",2,"{""choices"": [""b"", ""a""]}",1,2,2', "[x],3,,1,3,2"]
    found, _ = rows(head + "\n".join(lines), target="q", exported_by="label_studio")
    assert found == [("[12, 3]", "a"), ('{"a": 1}', "a, b"), ("[x]", None)]


def test_data_that_holds_objects_can_be_named_by_its_parts(rows: Reader) -> None:
    row = {"chat": [{"role": "user", "content": "hello"}], "id": 1, "q": "a", "annotator": 1, "annotation_id": 1, "lead_time": 2}
    found, _ = rows(json.dumps([row]), "own.json", source="chat[0].content", target="q", exported_by="label_studio")
    assert found == [("hello", "a")]


@pytest.mark.parametrize(
    ("votes", "label"),
    [([], None), (["a"], "a"), (["a", "b"], None), (["a", "b", "a"], "a"), ([None], None), (["a", None], None), (["a", "a", None], "a")],
)
def test_the_majority_is_the_label(votes: list[str | None], label: str | None) -> None:
    assert majority(dict(enumerate(votes))) == label


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (True, "true"), (" ", None), ([], None), ([{"start": 1}], None), (["b", "a", "b"], "a, b")]
)
def test_answers_become_text(value: object, text: str | None) -> None:
    assert only_text(value) == text
