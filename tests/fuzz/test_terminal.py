"""Texts in the terminal and in spreadsheets: shown, and neither obeyed nor run."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from bench.cli import output
from bench.cli.output import Output
from bench.results import spreadsheet, table
from bench.system.one_line import printable
from tests.execution.fake_worker import bench
from tests.facts import missing
from tests.report import study
from tests.report.arms import write_arm

OBEYED = "\x1b[2J\x1b]0;title\x07\x9b31m\u202e\x00\r"


@given(st.text() | st.sampled_from([OBEYED, "\ud800"]))
def test_no_text_keeps_a_character_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text, kept="\n")
    assert all(character.isprintable() or character == "\n" for character in shown)
    shown.encode("utf-8")
    assert not text.isprintable() or shown == text


@pytest.mark.parametrize("terminal", [True, False])
def test_what_commands_print_moves_no_cursor(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = io.StringIO()
    monkeypatch.setattr(drawn, "isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout", drawn)
    screen = output.console(quiet=False)
    rows = Table(show_header=False, box=None)
    rows.add_row(f"b{OBEYED}")
    screen.print(f"a{OBEYED}\nnext")
    screen.print(rows)
    assert {character for character in drawn.getvalue() if not character.isprintable()} == {"\n"}
    assert missing(drawn.getvalue(), "next") == []


def test_an_error_moves_no_cursor_and_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Output().end("run", 2, f"one{OBEYED}\ntwo")
    shown = capsys.readouterr().err
    assert shown.splitlines()[1] == "two"
    assert {character for character in shown if not character.isprintable()} == {"\n"}


@given(st.text(max_size=9) | st.sampled_from(["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "＝1"]))
def test_a_text_like_a_formula_gets_an_apostrophe_and_no_other(text: str) -> None:
    texts = pd.DataFrame({"text": [text, "a"], "number": [-1.5, math.nan]})
    made = spreadsheet.without_formulas(texts)
    assert made["text"].tolist() == [f"'{text}" if text[:1] in [*"=+-@\t\r\n＝＋－＠"] else text, "a"]
    pd.testing.assert_series_equal(made["number"], texts["number"])


def test_no_cell_of_a_csv_file_is_a_formula_and_numbers_are_numbers(tmp_path: Path) -> None:
    found = study.write(tmp_path, seeds=1, examples=3)
    write_arm(tmp_path, "odd", {"student": {"rouge2": [-1.0, -2.0]}}, strategy="=cmd()", task="@task", facts={"-fact": -1.0})
    write_arm(tmp_path, "bad", status="failed", reason="\t=HYPERLINK(1)", strategy="+b", task="@task")
    found = table.read(tmp_path)
    table.save(found, tmp_path)
    for name in ("table.csv", "leaderboard.csv"):
        if name == "leaderboard.csv":
            done = bench("leaderboard", tmp_path, "--csv", tmp_path / name)
            assert done.exit_code == 0, done.output
        read = pd.read_csv(tmp_path / name)
        texts = read.select_dtypes(["str", "object"])
        assert not texts.map(lambda cell: isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")).any(axis=None)
        assert texts.map(lambda cell: isinstance(cell, str) and cell.startswith("'=cmd()")).any(axis=None)
        numbers = read.select_dtypes("number")
        assert (numbers < 0).any(axis=None) or name == "leaderboard.csv"
    assert pd.read_csv(tmp_path / "table.csv")["value"].min() == -1.5
    assert pd.read_parquet(tmp_path / "table.parquet")["strategy"].eq("=cmd()").any()
