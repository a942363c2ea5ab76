"""Scores that a metric could not give."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import report
from bench.report.analysis import leaderboard as boarding
from bench.report.analysis.arms import missing
from bench.results import archive, table
from tests.report.arms import NO_TOKEN, Scores, write_arm, write_suite
from tests.report.reading import equal, made, prose, row, rows, shown
from tests.report.test_html import payload

pytestmark = pytest.mark.usefixtures("empty_plots")

WHY = "no folder 'deberta|x'"
SHOWN = r"no folder 'deberta\|x'"


def copied(value: float) -> Scores:
    return {subject: {"self_bleu": [value] * 12} for subject in ("student", "teacher", "floor: copy")}


@pytest.fixture
def unranked(tmp_path: Path) -> Path:
    """Two settings, and a ranking metric that gave nothing."""
    write_suite(tmp_path, primary_metric="bert_ibleu", lead={"docstrings": "copy"})
    for seed in (0, 1):
        write_arm(tmp_path, f"a{seed}", copied(3.0), seed=seed, missing={"bert_ibleu": WHY})
        write_arm(tmp_path, f"b{seed}", copied(5.0), seed=seed, missing={"bert_ibleu": WHY}, strategy="sft")
    write_arm(tmp_path, "c", strategy="distill", status="infeasible", reason="too dear")
    return tmp_path


def test_where_the_ranking_metric_is_missing_nothing_is_ranked_and_its_reason_is_there_once(unranked: Path) -> None:
    found = made(unranked)
    assert prose(found["answer"]).endswith(f"bert_ibleu is missing ({WHY}).")
    assert prose(found["leaderboard"]).count(f"bert_ibleu: {WHY}; nothing is ranked") == 1
    for name, mean in (("annotate", "3.00"), ("sft", "5.00")):
        cells = [*row(found["leaderboard"], name).values()]
        assert cells[1:5] == ["–", "–", f"{mean} [{mean}, {mean}] (2 seeds)", "–"]
    assert [*row(found["arms"], "a0").values()][1:3] == ["done", WHY]
    assert [*row(found["arms"], "c").values()][1:3] == ["infeasible", "too dear"]
    assert SHOWN in report.write(unranked).read_text(encoding="utf-8")


def test_a_missing_score_is_missing_in_the_table_with_its_reason(unranked: Path) -> None:
    report.write(unranked)
    table = pd.read_parquet(unranked / "table.parquet")
    lost = table[(table["row"] == "score") & (table["quantity"] == "bert_ibleu")]
    assert len(lost) == 12
    assert lost["value"].isna().all()
    assert set(lost["reason"]) == {WHY}


@pytest.mark.parametrize("width", [80, 180])
def test_the_terminal_shows_a_dash_and_says_why_nothing_is_ranked(unranked: Path, width: int) -> None:
    text = " ".join(shown(unranked, width).split())
    assert f"- bert_ibleu: {WHY}; nothing is ranked" in text
    assert "annotate –" in text
    assert "0.00 [" not in text


def test_a_mean_is_of_the_seeds_that_have_a_value_and_says_how_many(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", {"student": {"rouge2": [1.0] * 12, "bert_ibleu": [4.0] * 12}})
    write_arm(tmp_path, "a1", {"student": {"rouge2": [3.0] * 12}}, seed=1, missing={"bert_ibleu": "OOM"})
    board = made(tmp_path)["leaderboard"]
    best = row(board, "annotate")
    assert best["rouge2 (points) ↑"].startswith("2.00 [")
    assert best["bert_ibleu (points) ↑"] == "4.00 [4.00, 4.00] (1 seed)"
    assert best["seeds"] == "2"
    assert "bert_ibleu, in 1 of 2 arms: OOM" in prose(board)


def test_a_setting_that_lacks_the_ranking_score_for_a_seed_is_incomplete(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_arm(tmp_path, f"a{seed}", equal(2.0), seed=seed)
    write_arm(tmp_path, "b0", equal(9.0), strategy="sft")
    write_arm(tmp_path, "b1", {"student": {"rougeL": [9.0] * 12}}, strategy="sft", seed=1, missing={"rouge2": "no reference"})
    write_arm(tmp_path, "c0", {"student": {"rougeL": [9.0] * 12}}, strategy="distill", missing={"rouge2": ""})
    found = made(tmp_path)
    board = found["leaderboard"]
    assert [one["strategy (setting)"] for one in rows(board)][:3] == ["annotate", "sft", "distill"]
    assert row(board, "sft")["arms"] == "2 done, incomplete (1 of 2 seeds)"
    assert row(board, "distill")["rank"] == "–"
    assert "distill (1 done)" in prose(found["certainty"])
    assert sorted(re.findall(r"rouge2, in 1 of 5 arms: (no \w+)", prose(board))) == ["no reason", "no reference"]


def lacking(value: float, other: float | None = None) -> Scores:
    """Twelve examples, of which two have no score."""
    return {
        "student": {"rouge2": [None, *[value] * 5, *[value if other is None else other] * 5, None]},
        "floor: copy": {"rouge2": [1.0] * 12},
    }


@pytest.fixture
def partly(tmp_path: Path) -> Path:
    for seed in (0, 1):
        write_arm(tmp_path, f"a{seed}", lacking(4.0, 6.0), seed=seed)
        write_arm(tmp_path, f"b{seed}", lacking(2.0), seed=seed, strategy="sft")
    report.write(tmp_path)
    return tmp_path


def test_examples_without_a_score_are_in_no_mean_no_difference_and_no_sample(partly: Path) -> None:
    found = table.read(partly)
    (board,) = boarding.boards(found, boarding.metrics(found)[:1])
    first, second = board.settings
    assert (first.scores["rouge2"].mean, second.scores["rouge2"].mean) == (5, 2)
    assert (first.scores["rouge2"].seeds, first.scores["rouge2"].examples) == (2, 10)
    assert first.samples["rouge2"].shape == (2, 10)
    difference = board.difference(first, second)
    assert difference is not None
    assert (difference.mean, difference.examples) == (3, 10)
    (baseline,) = board.baselines
    assert (baseline.scores["rouge2"].mean, baseline.scores["rouge2"].examples) == (1, 12)
    assert set(found.table.loc[found.table["row"] == "score", "value"]) == {5, 2, 1}


def test_the_report_says_why_some_examples_have_no_score(partly: Path) -> None:
    assert prose(made(partly)["leaderboard"]).count(NO_TOKEN) == 1
    (found,) = missing(table.read(partly))
    assert (found.metric, found.reason, found.arms, found.of) == ("rouge2", NO_TOKEN, 4, 4)


def test_a_missing_score_of_an_example_is_missing_in_the_kept_scores_too(partly: Path) -> None:
    _, kept = archive.read(partly)
    before = table.read(partly).examples
    for arm in ("a0", "a1", "b0", "b1"):
        values = kept[arm].scores["student", "rouge2"]
        assert np.isnan(values[[0, 11]]).all()
        assert not np.isnan(values[1:11]).any()
        assert np.array_equal(values, before[arm].scores["student", "rouge2"], equal_nan=True)


def test_an_example_without_a_score_is_no_worst_or_best_one_of_the_page(partly: Path) -> None:
    shown = payload((partly / "report.html").read_text(encoding="utf-8"))["predictions"]
    assert {one["arm"] for one in shown["arms"]} == {"a0", "a1", "b0", "b1"}
    for one in shown["arms"]:
        names = {shown["documents"][card["document"]]["id"] for card in one["cards"]}
        assert not names & {"e0", "e11"}
        assert len(names) >= 5
