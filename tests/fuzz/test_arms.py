"""The files of an arm: ledger, record, and scores by example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from bench.errors import BenchError
from bench.execution import ledger, record
from bench.results import arm_files
from tests.fuzz import hostile
from tests.report import study


@pytest.fixture(scope="module")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an arm that is done."""
    root = tmp_path_factory.mktemp("arms")
    study.write(root, seeds=1, examples=3)
    return root / "annotate-10-0"


FILES = ("record.json", "ledger.jsonl", "predictions.jsonl")


def lines(tree: list[Any]) -> bytes:
    return b"\n".join(map(hostile.as_json, tree)) + b"\n"


@st.composite
def contents(draw: st.DrawFn, name: str, seed: bytes) -> bytes:
    if draw(st.booleans()):
        return draw(hostile.raw(seed))
    tree = draw(hostile.trees([from_json(line) for line in seed.splitlines()] if name.endswith("l") else from_json(seed)))
    return lines(tree) if name.endswith("l") else hostile.as_json(tree)


@pytest.mark.parametrize("name", FILES)
@hostile.cases(230)
@given(data=st.data())
def test_a_file_of_an_arm_gives_rows_or_makes_the_arm_a_failed_one(name: str, data: st.DataObject, arm: Path) -> None:
    path = arm / name
    before = path.read_bytes()
    try:
        path.write_bytes(data.draw(contents(name, before)))
        with hostile.survived(path.name, arm):
            arm_files.read_ahead([arm])
            found = arm_files.read(arm, "suite")
            assert found.shared["status"] in ("done", "infeasible", "skipped", "failed", "unfinished")
            if found.record:
                assert len(arm_files.frame([found])) == len(found.rows)
            ledger.rows(arm)
            record.read_record(arm)
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize("row", ["[" * 300 + "]" * 300, '{"row": "\\ud800"}', "7", "[]"])
def test_a_row_that_is_no_object_or_holds_half_a_character_is_damage(row: str, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_text(f'{row}\n{{"row": "fact", "name": "x", "value": 1.0}}\n')
    with pytest.raises(BenchError, match=r"ledger\.jsonl:1: "):
        ledger.rows(tmp_path)


@pytest.mark.parametrize("value", ["1e999", f"1{'0' * 400}", '"\\u0041"', "[1]"])
@pytest.mark.parametrize("name", FILES[1:])
def test_a_number_that_is_none_makes_the_arm_a_failed_one(value: str, name: str, tmp_path: Path) -> None:
    study.write(tmp_path, seeds=1, examples=3)
    arm = tmp_path / "annotate-10-0"
    text = (arm / name).read_text()
    number = text.split('"value": ' if name == "ledger.jsonl" else '"rouge2": ')[1].split("}")[0].split(",")[0]
    (arm / name).write_text(text.replace(f": {number}", f": {value}", 1))
    assert arm_files.read(arm, "suite").shared["status"] == "failed"


@pytest.mark.parametrize("change", [{"status": "lost"}, {"seed": 2**70}, {"machine": {"a": "\ud800"}}, {"facts": {"x": "y"}}, {"more": 1}])
def test_a_record_of_other_types_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    study.write(tmp_path, seeds=1, examples=3)
    path = tmp_path / "annotate-10-0" / "record.json"
    path.write_bytes(hostile.as_json(from_json(path.read_bytes()) | change))
    with pytest.raises(BenchError, match=r"record\.json: "):
        record.read_record(path.parent)
