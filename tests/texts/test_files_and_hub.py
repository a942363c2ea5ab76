"""Text from files and from data sets, each document once."""

import json
from pathlib import Path

import pytest

from bench.contracts import Text, no_progress
from bench.errors import DataError
from bench.texts.files import Files
from bench.texts.hub import Hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = ["one", "two", " ", "Two", None, "three"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("\n".join(json.dumps({"text": text, "n": [1]}) for text in texts))
    return tmp_path / "data"


@pytest.mark.parametrize("kind", ["files", "hub"])
def test_blank_and_repeated_texts_are_left_out_and_a_cap_takes_always_the_same(folder: Path, tmp_path: Path, kind: str) -> None:
    def text(**settings: object) -> Text:
        path = folder / "train.jsonl" if kind == "files" else folder
        return (Files if kind == "files" else Hub)(path=str(path), **settings)  # type: ignore[arg-type]

    found = text().documents(tmp_path, no_progress)
    assert {e.source.casefold() for e in found} == {"one", "two", "three"}
    assert len(found) == 3
    capped = text(most_documents=2).documents(tmp_path, no_progress)
    assert capped == text(most_documents=2).documents(tmp_path, no_progress)
    assert set(capped) < set(found)
    with pytest.raises(DataError, match=r"no column 'txt'.*'text'"):
        text(column="txt").documents(tmp_path, no_progress)
    with pytest.raises(DataError, match="list"):
        text(column="n").documents(tmp_path, no_progress)


def test_a_data_set_of_the_hub_needs_a_revision(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`revision` is needed"):
        Hub(path="owner/none").documents(tmp_path, no_progress)


def test_a_text_may_have_labels(tmp_path: Path) -> None:
    says = [("one", None), ("one", "a"), ("two", None), ("One", "b"), ("one", " "), ("one", None)]
    rows = [{"text": text, "says": label} for text, label in says]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = Files(path=str(tmp_path / "own.jsonl"), target="says").documents(tmp_path, no_progress)
    assert [(e.source, e.target) for e in found] == [("one", "a"), ("two", None)]
    plain = Files(path=str(tmp_path / "own.jsonl")).documents(tmp_path, no_progress)
    assert [(e.id, e.source, None) for e in found] == [(e.id, e.source, e.target) for e in plain]
