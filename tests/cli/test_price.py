"""`bench price` and `bench recommend`, as a user types them."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from tests.facts import missing
from tests.report import study
from tests.report.arms import write_arm, write_suite


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    study.write(root)
    return root


def _bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_results_are_counted_at_other_prices_and_the_old_report_stays(folder: Path) -> None:
    assert _bench("report", folder).exit_code == 0
    before = (folder / "report.md").read_bytes(), (folder / "table.csv").read_bytes()
    result = _bench("price", folder, "--label-usd", "0.1", "--gpu-hour-usd", "7.2", "--requests-per-month", "1000")
    assert result.exit_code == 0
    assert "80.00" in result.output  # of the 40 dollars, everything costs twice
    assert ((folder / "report.md").read_bytes(), (folder / "table.csv").read_bytes()) == before
    text = (folder / "priced" / "report.md").read_text(encoding="utf-8")
    assert missing(text.replace("\\", ""), "docstrings 0.05 → 0.1 USD", "device_hour_usd 3.6 → 7.2", "12,000 answers") == []


def test_arms_that_the_old_prices_stopped_are_named(folder: Path, tmp_path: Path) -> None:
    assert _bench("price", folder, "--label-usd", "0.1", "--out", tmp_path / "out").exit_code == 0
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("- annotate-40-0:"))
    assert missing(line, "720 labels", "training", "distillation") == []
    assert "- distill-40-0:" not in text


def test_a_report_at_the_prices_asked_has_no_such_section(folder: Path) -> None:
    assert _bench("report", folder).exit_code == 0
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "## At these prices" not in text
    assert "## Decision map" in text
    assert "![decision-docstrings](decision-docstrings.png)" in text
    assert (folder / "decision-docstrings.png").exists()


def test_a_price_that_changes_nothing_is_noted(folder: Path, tmp_path: Path) -> None:
    result = _bench("price", folder, "--kwh-usd", "0.3", "--out", tmp_path)
    assert "note: --kwh-usd " in result.output


def test_a_recommendation_is_a_paragraph(folder: Path) -> None:
    result = _bench("recommend", folder, "--budget-usd", "100", "--label-usd", "0.2")
    assert result.exit_code == 0
    words = " ".join(result.output.split())
    assert missing(words, "docstrings", "100 USD", "0.2 USD", "486 labels for 97.30 USD") == []


def test_a_target_is_answered_with_dollars(folder: Path) -> None:
    result = _bench("recommend", folder, "--target", "35", "--label-usd", "0.1")
    assert result.exit_code == 0
    assert missing(" ".join(result.output.split()), "docstrings", "35", "0.1 USD", "annotate", "not with any budget") == []


@pytest.mark.parametrize("arguments", [[], ["--target", "5", "--budget-usd", "5"]])
def test_either_a_budget_or_a_target_is_asked_for(folder: Path, arguments: list[str]) -> None:
    result = _bench("recommend", folder, *arguments)
    assert result.exit_code == 2
    assert missing(result.output, "--budget-usd", "--target") == []


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["--label-usd", "cheap"], ["--label-usd", "cheap", "TASK=USD"]),
        (["--label-usd", "docs=1"], ["'docs'", "docstrings"]),
        (["--meter", "items"], ["meter items", "ledger", "energy", "flops", "wall"]),
        (["--label-usd", "-1"], ["label", "-1 USD"]),
    ],
)
def test_what_cannot_be_counted_is_one_line_and_status_2(folder: Path, tmp_path: Path, arguments: list[str], facts: list[str]) -> None:
    result = _bench("price", folder, "--out", tmp_path, *arguments)
    assert result.exit_code == 2
    assert missing(result.output, *facts) == []
    assert "Traceback" not in result.output


def test_results_without_a_score_have_nothing_to_recommend(tmp_path: Path) -> None:
    write_suite(tmp_path)
    write_arm(tmp_path, "a", status="failed", reason="a full disk")
    result = _bench("recommend", tmp_path, "--budget-usd", "10")
    assert result.exit_code == 2
    assert missing(result.output, "no arm", "score") == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = _bench("price", tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "no such results folder" in result.output


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("price", "--gpu-hour-usd", "-3"), ["'--gpu-hour-usd'", "-3.0", "x>=0"]),
        (("price", "--gpu-hour-usd", "nan"), ["'--gpu-hour-usd'", "nan", "finite"]),
        (("price", "--label-usd", "-0.1"), ["label", "-0.1 USD"]),
        (("price", "--label-usd", "nan"), ["label", "nan USD"]),
        (("price", "--label-usd", "nope=0.1"), ["'nope'", "docstrings"]),
        (("price", "--requests-per-month", "inf"), ["'--requests-per-month'", "inf", "finite"]),
        (("recommend", "--budget-usd", "nan"), ["'--budget-usd'", "nan", "finite"]),
        (("recommend", "--budget-usd", "-4"), ["'--budget-usd'", "-4.0", "x>0"]),
        (("recommend", "--budget-usd", "10", "--task", "nope"), ["'nope'", "docstrings"]),
    ],
)
def test_a_wrong_price_or_budget_is_one_line_and_status_2(folder: Path, arguments: tuple[str, ...], facts: list[str]) -> None:
    result = _bench(arguments[0], folder, *arguments[1:])
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if "weighing" not in line and line]
    assert missing(line, *facts) == []


def test_a_budget_below_all_that_was_run_gets_no_recommendation(folder: Path) -> None:
    result = _bench("recommend", folder, "--budget-usd", "0.5")
    assert missing(result.output, "0.5 USD", "annotate from 10 to 160 USD") == []
    assert not re.search(r"buy [\d,]+ labels", result.output)


@pytest.mark.parametrize("command", [("report",), ("price", "--label-usd", "0.1"), ("recommend", "--budget-usd", "10"), ("leaderboard",)])
def test_an_empty_folder_is_one_line_and_nothing_is_written_there(tmp_path: Path, command: tuple[str, ...]) -> None:
    result = _bench(command[0], tmp_path, *command[1:])
    assert result.exit_code == 2
    assert missing(result.stderr, tmp_path, "`bench run`", "`bench import`") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("report",), ("price", "--label-usd", "0.1"), ("recommend", "--budget-usd", "10"), ("leaderboard",)])
def test_a_folder_of_another_schema_says_so_and_its_report_stays(tmp_path: Path, command: tuple[str, ...]) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    path = write_arm(tmp_path, "a", {"student": {"rouge2": [1.0, 2.0]}}) / "record.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"schema": 1', '"schema": 99'), encoding="utf-8")
    result = _bench(command[0], tmp_path, *command[1:])
    assert result.exit_code == 2
    assert missing(result.stderr, "schema 99", 1) == []
    assert not (tmp_path / "report.md").exists()
