"""Labels come in in one form; what cannot be seen is no label and no document."""

import csv
import json
from pathlib import Path

import pytest

from bench.contracts import no_progress
from bench.data.rows import Row, sift
from bench.errors import DataError
from bench.tasks._near_duplicates import first_of_their_kind
from bench.tasks.fever import Fever
from bench.tasks.files import Files
from bench.texts.files import Files as TextFiles
from tests.facts import unmatched

CASES = Path(__file__).parents[1] / "cases"
NFC, NFD = "caf\u00e9", "cafe\u0301"


def rows(*pairs: tuple[str, str | None]) -> list[Row]:
    return [Row(where=f"row {i}", source=source, target=target) for i, (source, target) in enumerate(pairs, 1)]


def test_spellings_of_one_class_are_one_label_and_documents_stay_as_they_are(tmp_path: Path) -> None:
    found = sift({"train": rows((f"1 {NFD}", NFD), (f"2 {NFC}", NFC), ("3", f"\ufeff{NFC}\u200b"))}, pool_from="train")
    assert [e.target for e in found.labelled["train"]] == [NFC, NFC, NFC]
    assert [e.source for e in found.labelled["train"]] == [f"1 {NFD}", f"2 {NFC}", "3"]


def test_a_document_spelt_otherwise_is_repeated_and_its_label_is_no_conflict() -> None:
    groups = {"test": rows((f"a {NFC}", NFC)), "train": rows((f"a\u2060 {NFD}", NFD), (f"A {NFD}", "tea"), ("b", "tea"))}
    found = sift(groups, pool_from="train")
    assert [(e.source, e.target) for e in found.labelled["train"]] == [("b", "tea")]
    assert unmatched(found.notes, ("repeated", 2), ("repeated", "target", 1)) == []


@pytest.mark.parametrize("label", ["\u200b", "\ufeff", "\u200c\u200d", " \u2060\n"])
def test_a_label_of_nothing_that_can_be_seen_is_none(label: str) -> None:
    found = sift({"train": rows(("a", label), ("b", "tea"))}, pool_from="train")
    assert [e.source for e in found.unlabelled] == ["a"]
    assert unmatched(found.notes, ("invisible", "targets", 1)) == []


def test_a_document_of_nothing_that_can_be_seen_is_left_out() -> None:
    found = sift({"train": rows(("\u200b\ufeff", "tea"), ("\u200d", None), ("b", "tea"))}, pool_from="train")
    assert [e.source for e in found.labelled["train"]] == ["b"]
    assert not found.unlabelled
    assert unmatched(found.notes, ("blank source", 2)) == []


def test_case_03_has_three_classes_in_composed_form(tmp_path: Path) -> None:
    found = Files(train=str(CASES / "03-decomposed-unicode" / "nfd.csv"), source="text", target="label").splits(tmp_path, no_progress)
    labels = [e.target for e in (*found.train, *found.dev, *found.test)]
    assert set(labels) == {"pi\u00f1ata", "caf\u00e9", "r\u00e9sum\u00e9"}
    assert len(labels) == 300


def test_case_22_counts_no_zero_width_label(tmp_path: Path) -> None:
    path = CASES / "22-odd-text" / "odd.csv"
    with path.open(encoding="utf-8", newline="") as file:
        seen = sum(not set(row["summary"]) <= {"\u200b", "\ufeff"} for row in csv.DictReader(file))
    found = Files(train=str(path), source="document", target="summary").splits(tmp_path, no_progress)
    assert len(found.train) + len(found.dev) + len(found.test) == seen == 73
    assert len(found.unlabelled) == 87
    assert unmatched([note for note in found.notes if "invisible" in note], ("targets", 87)) == []


def test_classes_of_a_published_task_may_come_in_another_form(tmp_path: Path) -> None:
    claims = [{"source": f"claim {i}", "target": ("SUPPORTS", "\u200bREFUTES")[i % 2]} for i in range(200)]
    lines = [json.dumps(claim) + "\n" for claim in claims]
    (tmp_path / "fever.json").write_text("".join(lines), encoding="utf-8")
    task = Fever(folder=str(tmp_path), train="fever.json", test=None)
    assert {e.target for e in task.splits(tmp_path, no_progress).train} == {"SUPPORTS", "REFUTES"}
    (tmp_path / "fever.json").write_text("".join(lines).replace("SUPPORTS", "NEITHER"), encoding="utf-8")
    with pytest.raises(DataError, match="NEITHER"):
        task.splits(tmp_path, no_progress)


def test_texts_that_cannot_be_seen_or_differ_in_form_only_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text(f"text\none {NFD}\none {NFC}\n\u200b\ntwo\n", encoding="utf-8")
    found = TextFiles(path=str(tmp_path / "texts.csv")).documents(tmp_path, no_progress)
    assert [e.source for e in found] == [f"one {NFC}", "two"]


def test_near_duplicates_are_found_in_normal_form() -> None:
    assert first_of_their_kind([f"the {NFC} is open today", f"the {NFD} is open\u2060 today", "the bank is shut"]) == [0, 2]
