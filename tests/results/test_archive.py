"""What a results folder still tells when the folders of its arms are gone."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bench import report
from bench.cli import main
from bench.errors import BenchError
from bench.report.analysis import decision
from bench.results import archive, repricing, table
from tests.facts import missing
from tests.report import study
from tests.report.arms import write_arm, write_suite

pytestmark = pytest.mark.usefixtures("empty_plots")

REFERENCE = Path(__file__).parents[2] / "results" / "reference"


def _bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _without_arms(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            shutil.copy(path, to)
    return to


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study") / "whole"
    study.write(folder)
    write_arm(folder, "broken", strategy="annotate", status="failed", reason="killed by SIGKILL")
    report.write(folder)
    return folder


@pytest.fixture
def kept(whole: Path, tmp_path: Path) -> Path:
    return _without_arms(whole, tmp_path / "kept")


def test_the_same_arms_scores_and_records_are_read_without_their_folders(whole: Path, kept: Path) -> None:
    before, after = table.read(whole), table.read(kept)
    pd.testing.assert_frame_equal(after.table, before.table)
    assert dict(after.records) == dict(before.records)
    assert (after.suite, after.suite_text) == (before.suite, before.suite_text)
    assert set(after.examples) == set(before.examples)
    for arm, found in before.examples.items():
        assert after.examples[arm].ids == found.ids
        assert {key: list(values) for key, values in after.examples[arm].scores.items()} == {k: list(v) for k, v in found.scores.items()}
    assert (before.kept, after.kept) == (False, True)


def test_verdicts_at_other_prices_are_the_same_without_the_folders(whole: Path, kept: Path) -> None:
    told = []
    for folder in (whole, kept):
        found = table.read(folder)
        (field,) = report.fields(found)
        told.append(decision.verdict(field, 60, repricing.asked(found).at("label", 0.1)).ahead)
    assert told[0] == told[1] != ()


@pytest.mark.parametrize("command", [("report",), ("price", "--label-usd", "0.1"), ("recommend", "--budget-usd", "60"), ("leaderboard",)])
def test_every_command_works_without_the_folders(kept: Path, command: tuple[str, ...]) -> None:
    told = _bench(command[0], kept, *command[1:])
    assert told.exit_code == 0, told.output
    assert "note: scores by example" not in told.output
    assert table.read(kept).examples


@pytest.mark.parametrize("name", ["pegasus", "distill-or-annotate", "shapes"])
def test_reference_results_can_be_counted_at_other_prices(name: str, tmp_path: Path) -> None:
    folder = _without_arms(REFERENCE / name, tmp_path / name)
    told = _bench("price", folder, "--label-usd", "0.05", "--gpu-hour-usd", "2.5", "--requests-per-month", "1000")
    assert told.exit_code == 0, told.output
    found = table.read(folder)
    assert {record.status for record in found.records.values()} <= {"done", "infeasible"}
    text = (folder / "priced" / "report.md").read_text(encoding="utf-8")
    assert missing(text, "0.1 → 0.05 USD", "12,000 answers") == []
    assert _bench("recommend", folder, "--budget-usd", "15").exit_code == 0


def test_dollars_of_a_table_are_those_of_its_ledgers(tmp_path: Path) -> None:
    found = table.read(REFERENCE / "pegasus")
    spent = repricing.reprice(found, repricing.asked(found)).by_arm["usd spent"]
    (arm,) = [name for name in spent.index if str(name).startswith("news.annotate.15usd.seed1-")]
    assert spent[arm] == pytest.approx(found.by_arm["usd spent"][arm])
    assert spent[arm] == pytest.approx(12.34, abs=0.005)


def test_a_report_that_knew_more_is_not_written_over(whole: Path, kept: Path) -> None:
    (kept / archive.FILE).unlink()
    before = (kept / "report.md").read_bytes(), (kept / "table.parquet").read_bytes()
    told = _bench("report", kept)
    assert told.exit_code == 2
    assert all(word in told.stderr for word in ("report.md", "scores.parquet", "`bench price`"))
    assert ((kept / "report.md").read_bytes(), (kept / "table.parquet").read_bytes()) == before
    priced = _bench("price", kept, "--label-usd", "0.1")
    assert priced.exit_code == 0
    assert "note: scores by example" in priced.output


def test_means_without_examples_name_no_winner_and_say_what_would_settle_it(kept: Path) -> None:
    (kept / archive.FILE).unlink()
    text = " ".join(_bench("recommend", kept, "--budget-usd", "60").output.split())
    assert re.search(r"guess is\W+annotate", text)
    assert missing(text, "no winner", "two seeds", "scores") == []
    assert " – " not in text


def test_a_folder_where_arms_run_is_read_from_its_arms(kept: Path) -> None:
    write_arm(kept, "new", {"student": {"rouge2": [1.0, 2.0]}}, strategy="new")
    found = table.read(kept)
    assert set(found.records) == {"new"}
    assert not found.kept


def test_too_many_scores_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_suite(tmp_path, prices=study.PRICES)
    write_arm(tmp_path, "a", {"student": {"rouge2": [1.0, 2.0]}})
    report.write(tmp_path)
    assert (tmp_path / archive.FILE).exists()
    monkeypatch.setattr(archive, "MOST", 1)
    report.write(tmp_path)
    assert not (tmp_path / archive.FILE).exists()


@pytest.mark.parametrize("name", ["table.parquet", archive.FILE])
def test_a_table_of_another_kind_is_one_clear_line(kept: Path, name: str) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(kept / name)
    with pytest.raises(BenchError, match=name):
        table.read(kept)
    told = _bench("price", kept, "--label-usd", "0.1")
    assert told.exit_code == 2
    assert len(told.stderr.strip().splitlines()) == 1
