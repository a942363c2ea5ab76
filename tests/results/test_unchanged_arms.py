"""Arms that have not changed since the last report are not read again, and what is read is the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench import report
from bench.results import archive, arm_files, table, unchanged_arms
from bench.results.table import Results
from tests.report import study
from tests.report.arms import write_arm

pytestmark = pytest.mark.usefixtures("empty_plots")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    study.write(tmp_path, seeds=2, examples=5)
    write_arm(tmp_path, "broken", strategy="annotate", status="failed", reason="killed by SIGKILL")
    found = table.read(tmp_path)
    table.save(found, tmp_path)  # as a report does
    archive.write(tmp_path, found.records, found.examples, unchanged_arms.note(tmp_path, found.read_from))
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], tuple[Results, list[str]]]:
    """Function: folder -> its results, and the arms whose files were read."""
    one, seen = arm_files.read, list[str]()

    def noted(folder: Path, suite: str) -> arm_files.ArmFiles:
        seen.append(folder.name)
        return one(folder, suite)

    monkeypatch.setattr(arm_files, "read", noted)

    def read(folder: Path) -> tuple[Results, list[str]]:
        seen.clear()
        return table.read(folder), [*seen]

    return read


Read = Callable[[Path], tuple[Results, list[str]]]


def as_if_new(folder: Path) -> Results:
    """Read all files of the arms."""
    (folder / archive.FILE).unlink()
    return table.read(folder)


def content(found: Results) -> object:
    scores = {arm: (of.ids, {key: of_key.tobytes() for key, of_key in of.scores.items()}) for arm, of in found.examples.items()}
    return list(scores), scores, list(found.records), dict(found.records), found.suite


def same(found: Results, other: Results) -> None:
    pd.testing.assert_frame_equal(found.table, other.table, check_exact=True)
    assert content(found) == content(other)


def test_no_arm_is_read_after_a_report_where_none_changed(folder: Path, read: Read) -> None:
    (folder / archive.FILE).unlink()
    report.write(folder)
    found, seen = read(folder)
    assert seen == []
    same(found, as_if_new(folder))


@pytest.mark.parametrize("name", ["record.json", "ledger.jsonl", "predictions.jsonl"])
def test_an_arm_with_a_changed_file_is_read_and_the_rows_keep_their_order(folder: Path, read: Read, name: str) -> None:
    arm = sorted(folder.glob(f"*/{name}"))[1].parent
    if name == "record.json":
        (arm / name).unlink()
    else:
        (arm / name).write_text((arm / name).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    found, seen = read(folder)
    assert seen == [arm.name]
    same(found, as_if_new(folder))


def test_a_new_arm_is_read_and_one_that_is_gone_is_not_known(folder: Path, read: Read) -> None:
    write_arm(folder, "another", strategy="annotate", status="failed", reason="killed by SIGKILL")
    shutil.rmtree(folder / "broken")
    found, seen = read(folder)
    assert seen == ["another"]
    assert "broken" not in {*found.table["arm"]} | {*found.records}
    same(found, as_if_new(folder))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


DOUBTS: dict[str, Callable[[Path], object]] = {
    "damaged scores": lambda folder: _cut(folder / archive.FILE),
    "another table": lambda folder: (folder / "table.parquet").touch(),
    "no table": lambda folder: (folder / "table.parquet").unlink(),
    "another name": lambda folder: (folder / "suite.json").write_text('{"suite": "another"}', encoding="utf-8"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_all_arms_are_read_in_doubt(folder: Path, read: Read, doubt: str) -> None:
    DOUBTS[doubt](folder)
    found, seen = read(folder)
    assert len(seen) == found.table["arm"].nunique() > 1
    same(found, as_if_new(folder))


def test_all_arms_are_read_by_another_version(folder: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.system.program.fingerprint", lambda: "another")
    found, seen = read(folder)
    assert len(seen) == found.table["arm"].nunique() > 1
