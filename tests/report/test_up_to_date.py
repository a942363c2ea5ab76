"""A report is kept only where it would be written again as it is."""

import os
import shutil
from pathlib import Path

import pytest

from bench import report
from bench.report import up_to_date
from tests.report import study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "study"
    study.write(folder, seeds=2, examples=5)
    made_from = up_to_date.inputs(folder)
    report.write(folder)
    up_to_date.remember(folder, made_from)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "study"))  # keeps times


def kept(folder: Path) -> bool:
    return up_to_date.unchanged(folder, up_to_date.inputs(folder))


def test_a_report_is_kept_where_nothing_changed(folder: Path) -> None:
    assert kept(folder)
    (folder / "suite.json").touch()  # every run writes it again
    assert kept(folder)


OF_ARMS, OF_REPORT = ("*/record.json", "*/ledger.jsonl", "*/predictions.jsonl"), ("report.md", "report.html", "table.csv", "*.png")


@pytest.mark.parametrize("name", [*OF_ARMS, *OF_REPORT])
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
    monkeypatch.setattr("bench.__version__", "0.0.0")
    assert not kept(folder)
