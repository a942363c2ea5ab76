"""What a suite needs is at hand before anything is spent, and a suite without it is refused."""

import json
from pathlib import Path

import pytest

from bench.contracts import Example, Splits, no_progress
from bench.errors import BenchError, DataError
from bench.execution import prepare
from bench.suite.suite_file import Suite
from tests.prepared import prepared
from tests.suite.test_suite import GOOD, read

SPLITS = {"own": Splits((), (), (), (Example("1", "a document", "a label"),), "data")}
TEACHER = "models: {llm: {use: folder, with: {path: FOLDER}}}\n"
TEXT = "texts: {mine: {use: files, with: {path: FOLDER/text.jsonl}}}\n"


def with_strategy(tmp_path: Path, strategy: str, more: str) -> Suite:
    return read(tmp_path, GOOD.replace("sft: {use: sft}", strategy) + more.replace("FOLDER", str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("strategy", "more"),
    [
        ("asked: {use: llm_label, with: {teacher: llm}}", TEACHER),
        ("further: {use: continue_pretraining, with: {general: {mine: 1}}}", TEXT),
    ],
)
def test_a_model_or_text_that_an_arm_names_is_fetched_before_it_runs_and_refused_where_it_is_missing(
    tmp_path: Path, strategy: str, more: str
) -> None:
    ready = prepared(with_strategy(tmp_path, strategy, more), SPLITS, cache=tmp_path / "cache")
    with pytest.raises(BenchError, match=str(tmp_path / "none")):
        prepare.fetch(ready, no_progress)
    others = [arm for arm in ready.arms if arm.cell.label == "annotate"]
    assert prepare.fetch(prepared(ready.suite, SPLITS, cache=tmp_path / "cache", arms=others), no_progress).layers


def test_a_task_needs_test_examples_and_as_many_labels_as_are_owned_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(tmp_path, GOOD)
    labels = tuple(Example(str(i), f"document {i}", "label") for i in range(10))
    tested = (Example("t", "document", "label"),)
    for splits, refused in (
        (Splits(labels, (), (), (), "f"), True),
        (Splits(labels[:9], (), (), tested, "f"), True),
        (Splits(labels, (), (), tested, "f"), False),
    ):
        monkeypatch.setattr(type(found.tasks["own"]), "splits", lambda self, cache, progress, splits=splits: splits)
        if refused:
            with pytest.raises(DataError):
                prepare.read_data(found, tmp_path, no_progress)
        else:
            assert prepare.read_data(found, tmp_path, no_progress) == {"own": splits}


KEPT = {"suite": "own", "layers": ["4 of 12"], "warnings": ["short"]}


@pytest.mark.parametrize(
    ("content", "layers", "warnings"),
    [
        (json.dumps(KEPT).encode(), ("4 of 12",), ("short",)),
        (b'{"layers": ["4 of 12"]}', ("4 of 12",), ()),
        (json.dumps(KEPT).encode()[:-1], (), ()),
        (b"", (), ()),
        (b"\xff", (), ()),
        (b"[]", (), ()),
        (b'{"layers": 4}', (), ()),
        (b'{"layers": ' + b"[" * 100_000, (), ()),
        (None, (), ()),
    ],
)
def test_what_an_earlier_run_fetched_is_kept_unless_its_file_is_damaged_or_missing(
    tmp_path: Path, content: bytes | None, layers: tuple[str, ...], warnings: tuple[str, ...]
) -> None:
    path = tmp_path / "suite.json"
    if content is not None:
        path.write_bytes(content)
    assert prepare.fetched_before(path) == prepare.Fetched(layers=layers, warnings=warnings)
