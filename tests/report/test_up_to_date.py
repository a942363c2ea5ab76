"""A report is kept only where it would be written again as it is."""

import os
import shutil
from pathlib import Path

import pytest

from bench.report import up_to_date
from tests.report import study

PAGES = ("report.md", "report.html", "table.csv", "quality.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    study.write(tmp_path, seeds=2, examples=5)
    for name in PAGES:
        (tmp_path / name).write_text(name, encoding="utf-8")
    up_to_date.remember(tmp_path, up_to_date.inputs(tmp_path))
    return tmp_path


def kept(folder: Path) -> bool:
    return up_to_date.unchanged(folder, up_to_date.inputs(folder))


def test_a_report_is_kept_where_nothing_changed(folder: Path) -> None:
    assert kept(folder)
    (folder / "suite.json").touch()  # every run writes it again
    assert kept(folder)


@pytest.mark.parametrize("name", ["*/record.json", "*/ledger.jsonl", "*/predictions.jsonl", *PAGES])
def test_a_report_is_not_kept_where_a_file_was_written_since(folder: Path, name: str) -> None:
    path = next(folder.glob(name))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert not kept(folder)


@pytest.mark.parametrize("name", ["*/predictions.jsonl", "report.html", up_to_date.FILE])
def test_a_report_is_not_kept_where_a_file_is_gone(folder: Path, name: str) -> None:
    next(folder.glob(name)).unlink()
    assert not kept(folder)


def test_a_report_is_not_kept_where_an_arm_the_suite_or_the_program_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "another").mkdir()
    (folder / "another" / "ledger.jsonl").touch()
    assert not kept(folder)
    shutil.rmtree(folder / "another")
    assert kept(folder)
    text = (folder / "suite.json").read_text(encoding="utf-8")
    (folder / "suite.json").write_text(text + "\n", encoding="utf-8")
    assert not kept(folder)
    (folder / "suite.json").write_text(text, encoding="utf-8")
    assert kept(folder)
    monkeypatch.setattr("bench.system.program.fingerprint", lambda: "another")
    assert not kept(folder)
