import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bench import cli
from bench.contracts import Charge, Reading
from bench.errors import BenchError
from bench.report.analysis.merge import Together, together
from bench.report.render import markdown, terminal
from bench.report.sections import merged
from bench.results import folders
from tests.report.arms import Scores, write_arm, write_suite
from tests.report.reading import rows

HOSTILE = "x|y <script>alert(1)</script> `c` \x1b[31m"


def even(student: float, metric: str = "rouge2") -> Scores:
    """The same score on every example, so that means and intervals are known."""
    return {"student": {metric: [student] * 20}, "floor: lead": {metric: [1.0] * 20}}


def write(root: Path, name: str, abilities: dict[str, float], metric: str = "rouge2", suite: str = "", **options: Any) -> Path:
    """One folder: an arm for each strategy and each of two seeds."""
    folder = root / name
    write_suite(folder, suite=suite or name, primary_metric=metric)
    for strategy, ability in abilities.items():
        arms(folder, even(ability, metric), strategy=strategy, **options)
    return folder


def arms(folder: Path, scores: Scores | None, strategy: str, **options: Any) -> None:
    for seed in (0, 1):
        write_arm(folder, f"{strategy}-{options.get('budget_usd', 10.0):g}-{seed}", scores, strategy=strategy, seed=seed, **options)


def silently(what: str, done: float, total: float) -> None: ...


def shown(*paths: Path, rank_by: str = "", best: bool = False) -> Together:
    found, _ = folders.read_all(paths, silently)
    return together(found, rank_by, best, silently)


def page(found: Together) -> str:
    return markdown.page("Leaderboard", merged.sections(found))


def edit(folder: Path, arms: str = "*", **changes: Any) -> None:
    for path in folder.glob(f"{arms}/record.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def lines(found: Together) -> list[list[tuple[str, str, tuple[int, int] | None]]]:
    return [[(entry.folder, entry.line.name, entry.rank) for entry in group.entries] for group in found.groups]


def test_one_task_of_two_suites_stands_together_by_budget_and_each_is_ranked_in_its_own(tmp_path: Path) -> None:
    one = write(tmp_path, "one", {"sft": 5.0, "annotate": 9.0})
    two = write(tmp_path, "two", {"distill": 7.0})
    arms(two, even(3.0), "distill", budget_usd=5.0)
    found = shown(one, two)
    assert lines(found) == [[("two", "distill", (1, 1)), ("one", "annotate", (1, 1)), ("two", "distill", (1, 1)), ("one", "sft", (2, 2))]]
    assert [entry.board.budget_usd for entry in found.groups[0].entries] == [5.0, 10.0, 10.0, 10.0]
    assert [(line.name, where) for line, where in found.groups[0].baselines] == [("lead", ("one", "two"))]


def test_the_order_in_which_folders_are_named_does_not_matter(tmp_path: Path) -> None:
    one = write(tmp_path, "one", {"sft": 5.0, "annotate": 5.0})
    two = write(tmp_path, "two", {"sft": 5.0})
    assert page(shown(one, two)) == page(shown(two, one, two))


def test_two_machines_of_one_suite_are_called_by_their_folders_and_show_their_hardware(tmp_path: Path) -> None:
    cpu = write(tmp_path, "cpu", {"sft": 5.0}, suite="s")
    gpu = write(tmp_path, "gpu", {"sft": 5.0}, suite="s", machine={"cpu": "x", "gpus": [{"name": "NVIDIA H200"}]})
    found = shown(cpu, gpu)
    assert [(entry.folder, entry.machine) for entry in found.groups[0].entries] == [(str(cpu), "a 2-core box"), (str(gpu), "NVIDIA H200")]
    assert any("share a table" in note and "(cpu, gpus)" in note for note in found.notes)


def test_other_data_have_a_table_of_their_own_with_the_reason(tmp_path: Path) -> None:
    one, two = write(tmp_path, "one", {"sft": 5.0}), write(tmp_path, "two", {"sft": 6.0})
    edit(two, data_fingerprint="abcdef0123456789")
    found = shown(one, two)
    assert [group.data for group in found.groups] == [("f00",), ("abcdef0123456789",)]
    (note,) = found.notes
    assert note.startswith("docstrings ")
    assert "(data abcdef012345: two; data f00: one)" in note


@pytest.mark.parametrize(("prints", "expected"), [(("", ""), "not known"), (("aa", "bb"), "different data")])
def test_arms_of_unknown_or_mixed_data_stand_with_nothing_else(tmp_path: Path, prints: tuple[str, str], expected: str) -> None:
    made = [write(tmp_path, name, {"sft": 5.0, "annotate": 4.0}) for name in ("one", "two")]
    for folder in made:
        for strategy, fingerprint in zip(("sft", "annotate"), prints, strict=True):
            edit(folder, f"{strategy}*", data_fingerprint=fingerprint)
    found = shown(*made)
    assert [group.folders for group in found.groups] == [("one",), ("two",)]
    assert sum(expected in note for note in found.notes) == 2


def test_other_metrics_have_a_table_of_their_own_until_one_is_asked_for(tmp_path: Path) -> None:
    one, two = write(tmp_path, "one", {"sft": 5.0}), write(tmp_path, "two", {"sft": 6.0}, metric="rougeL")
    arms(two, {"student": {"rougeL": [9.0] * 20, "rouge2": [4.0] * 20}}, "annotate")
    found = shown(one, two)
    assert [group.metric.name for group in found.groups] == ["rouge2", "rougeL"]
    assert found.notes[0].startswith("docstrings ")
    assert found.notes[0].endswith("rouge2 (points) ↑, rougeL (points) ↑.")
    assert lines(shown(one, two, rank_by="rouge2")) == [[("one", "sft", (1, 1)), ("two", "annotate", (1, 1)), ("two", "sft", None)]]


def test_a_folder_without_the_metric_asked_for_is_left_out_and_a_metric_that_none_has_is_an_error(tmp_path: Path) -> None:
    one, two = write(tmp_path, "one", {"sft": 5.0}), write(tmp_path, "two", {"sft": 6.0}, metric="rougeL")
    found = shown(one, two, rank_by="rougeL")
    assert lines(found) == [[("two", "sft", (1, 1))]]
    assert [note.split(":")[0] for note in found.notes] == ["one"]
    with pytest.raises(BenchError, match=r"rougel.*rougeL"):
        shown(one, two, rank_by="rougel")


def test_best_keeps_those_that_share_the_first_rank(tmp_path: Path) -> None:
    folder = write(tmp_path, "one", {"sft": 5.0, "annotate": 1.0})
    arms(folder, {"student": {"rouge2": [5.1 + (-1) ** i for i in range(20)]}}, "distill")
    arms(folder, None, "llm", status="failed", reason="no endpoint")
    assert lines(shown(folder)) == [[("one", "distill", (1, 2)), ("one", "sft", (1, 2)), ("one", "annotate", (3, 3)), ("one", "llm", None)]]
    assert lines(shown(folder, best=True)) == [[("one", "distill", (1, 2)), ("one", "sft", (1, 2))]]


def test_what_differs_within_one_table_is_named(tmp_path: Path) -> None:
    one, two = write(tmp_path, "one", {"sft": 5.0}), write(tmp_path, "two", {"sft": 6.0})
    write_suite(two, suite="two", start_labels=500)
    (note,) = shown(one, two).notes
    assert note.startswith("one and two ")
    assert "(start_labels)" in note


def test_cells_hold_what_was_measured_and_a_dash_for_what_was_not(tmp_path: Path) -> None:
    charge = Charge(kind="labels", quantity=4.0, unit="label", unit_price_usd=1.0, paid_by="purse", phase="student_training")
    energy = Reading("energy", 0.002, "kWh", "modelled")
    folder = write(
        tmp_path, "one", {"sft": 9.0}, charges=[charge], readings=[energy], facts={"student_parameters": 61e6, "student_ms": 39.2}
    )
    arms(folder, None, "annotate", status="failed", reason="killed", machine={})
    best, failed, baseline = (list(found.values()) for found in rows(merged.sections(shown(folder))[0]))
    assert best == ["10", "sft", "one", "a 2-core box", "2 done", "1", "9.00 [9.00, 9.00]", "–", "4.00", "2", "61.0", "39.2", "2.00"]
    assert failed == ["10", "annotate", "one", "–", "2 failed", "–", "–", "–", "0.00", "0", "–", "–", "–"]
    assert baseline == ["–", "baseline: lead", "one", *[""] * 3, "1.00 [1.00, 1.00]", *[""] * 6]


def test_csv_holds_numbers_as_they_are_and_nothing_for_what_is_missing(tmp_path: Path) -> None:
    one = write(tmp_path, "one", {"sft": 9.0, "annotate": 5.0}, facts={"student_parameters": 61e6})
    result = bench("leaderboard", one, "--csv", tmp_path / "l.csv", "--markdown", tmp_path / "l.md")
    assert result.exit_code == 0, result.output
    best, worse = pd.read_csv(tmp_path / "l.csv").to_dict("records")
    assert (best["strategy_setting"], best["rank"], best["mean"], best["student_parameters"]) == ("sft", 1, 9.0, 61e6)
    assert (worse["behind_mean"], worse["behind_low"], worse["behind_high"]) == pytest.approx((4.0, 4.0, 4.0))
    assert pd.isna(best["energy_kwh"])
    assert pd.isna(best["behind_mean"])
    assert (tmp_path / "l.md").read_text() == page(shown(one))


def test_a_folder_without_arms_is_left_out_and_alone_is_an_error(tmp_path: Path) -> None:
    one, empty = write(tmp_path, "one", {"sft": 5.0}), tmp_path / "empty"
    write_suite(empty, arms=["a", "b"])
    both = bench("leaderboard", one, empty)
    assert both.exit_code == 0
    assert f"Left out: {empty}:" in " ".join(both.stdout.split())
    for arguments, expected in (
        ([empty], "no arm"),
        ([one, tmp_path / "none"], "none: "),
        ([tmp_path], "empty, one"),
        ([one, "--rank-by", "accuracy"], "'accuracy'; there are: rouge2"),
    ):
        result = bench("leaderboard", *arguments)
        assert result.exit_code == 2
        assert expected in result.stderr


@pytest.mark.parametrize("width", [60, 100, 250])
def test_a_narrow_terminal_leaves_columns_out_and_says_which(tmp_path: Path, width: int) -> None:
    folder = write(tmp_path, HOSTILE.replace("/", " "), {"sft": 5.0}, facts={"student_ms": 39.2}, machine={"cpu": HOSTILE})
    found = shown(folder)
    console = Console(width=width)
    with console.capture() as capture:
        console.print(terminal.page(merged.sections(found), width))
    text = capture.get()
    assert "5.00 [5.00, 5.00]" in text
    assert ("no room here for:" in text) == (width < 250)
    assert ("39.2" in text) == (width == 250)
    assert "\x1b" not in text
    assert "<script>" not in page(found)
