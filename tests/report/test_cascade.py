"""Cascades: a student that passes the documents on of which it is unsure."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench import registry, report
from bench.cli import main
from bench.report.analysis import cascade
from bench.report.analysis.cascade import Seed, points
from bench.report.analysis.report_input import boards
from bench.results import table
from tests.report.arms import write_arm, write_suite
from tests.report.reading import section

pytestmark = pytest.mark.usefixtures("empty_plots")

STUDENT, TEACHER = [10.0, 20.0, 30.0, 40.0, 50.0], [60.0] * 5
CONFIDENCES = [0.1, 0.5, 0.3, 0.9, 0.7]
LOG_PROBS = list(map(math.log, CONFIDENCES))
BY_HAND = [(0, 0.0, 30.0), (0.3, 0.2, 40.0), (0.5, 0.4, 46.0), (0.7, 0.6, 54.0), (0.9, 0.8, 56.0), (math.inf, 1.0, 60.0)]
"""Threshold, share passed on, and score."""
MS = 3600.0
"""A thousandth of an hour in milliseconds, at 1 USD an hour, is 0.001 USD."""


def seed(student: list[float] = STUDENT, teacher: list[float] = TEACHER, log_probs: list[float] = LOG_PROBS) -> Seed:
    return Seed(student=np.array(student), teacher=np.array(teacher), log_probs=np.array(log_probs))


def write(root: Path, log_probs: list[float] | None = LOG_PROBS, teacher: bool = True, metric: str = "rouge2", **suite: Any) -> Path:
    """Write two seeds that are worked by hand: an answer of the student costs 0.001 USD, one of the teacher 0.01 USD. suite: entries of
    suite.json."""
    prices = {"label_usd": 0.05, "device_hour_usd": 1.0, "meter": "wall"}
    write_suite(root, meter="wall", prices=prices, label_usd={"docstrings": 0.05}, primary_metric=metric, **suite)
    for place in (1, 2):
        scores = {"student": {metric: STUDENT}} | ({"teacher": {metric: TEACHER}} if teacher else {})
        held = None if log_probs is None else dict.fromkeys(scores, log_probs)
        facts = {"student_ms": MS, "large_ms": 10 * MS}
        write_arm(root, f"distill-{place}", scores, strategy="distill", seed=place, facts=facts, log_probs=held, settings={"teacher": {}})
    return root


def test_five_documents_worked_by_hand() -> None:
    found = list(points([seed()], 0.001, 0.01))
    assert [(p.threshold, p.passed_on, p.quality.mean) for p in found] == [pytest.approx(row) for row in BY_HAND]
    assert [p.usd for p in found] == pytest.approx([0.001, 0.003, 0.005, 0.007, 0.009, 0.01])


def test_equal_confidences_are_passed_on_together_and_an_unknown_price_is_missing() -> None:
    found = list(points([seed(log_probs=[-1.0, -1.0, -1.0, -0.5, -0.5])], 0.001, None))
    assert [p.passed_on for p in found] == [0.0, 0.6, 1.0]
    assert {p.usd for p in found} == {None}


NUMBERS = st.floats(0, 100)


@given(st.integers(1, 40).flatmap(lambda n: st.lists(st.tuples(*[st.lists(NUMBERS, min_size=n, max_size=n)] * 3), min_size=1, max_size=3)))
def test_the_ends_are_the_student_and_the_teacher(drawn: list[tuple[list[float], list[float], list[float]]]) -> None:
    seeds = [seed(student, teacher, [-one for one in log_probs]) for student, teacher, log_probs in drawn]
    found = list(points(seeds, 1.0, 5.0))
    assert found[0].quality.mean == pytest.approx(np.mean([one.student for one in seeds]))
    assert found[-1].quality.mean == pytest.approx(np.mean([one.teacher for one in seeds]))
    assert [found[0].usd, found[-1].usd] == [1.0, 5.0]
    shares = [point.passed_on for point in found]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1], len(found) <= 11) == (0.0, 1.0, True)


def test_a_report_shows_the_cascade_also_without_the_folders_of_the_arms(tmp_path: Path) -> None:
    before = section(report.write(write(tmp_path / "whole")).read_text(), "Cascades")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in before.splitlines() if line.startswith("| ")][2:]
    assert [row[:3] for row in rows[::5]] == [["0", "0", "1.00"], ["any", "100", "10.0"]]
    assert [row[3].split()[0] for row in rows] == [f"{score:.2f}" for _, _, score in BY_HAND]
    (tmp_path / "kept").mkdir()
    for path in (tmp_path / "whole").iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path / "kept")
    assert section(report.write(tmp_path / "kept").read_text(), "Cascades") == before


def test_older_results_are_not_measured(tmp_path: Path) -> None:
    text = report.write(write(tmp_path, log_probs=None)).read_text()
    found = section(text, "Cascades")
    assert "Not measured" in found
    assert "|" not in found


def test_without_a_teacher_there_is_no_cascade(tmp_path: Path) -> None:
    assert "## Cascades" not in report.write(write(tmp_path, teacher=False)).read_text()


@pytest.mark.parametrize(
    ("metric", "suite", "cascades"),
    [("macro_f1", {}, 0), ("macro_f1", {"not_means": ["macro_f1"]}, 0), ("other", {"not_means": ["other"]}, 0), ("other", {}, 1)],
)
def test_scores_that_are_no_mean_over_documents_have_no_cascade(tmp_path: Path, metric: str, suite: dict[str, Any], cascades: int) -> None:
    found = table.read(write(tmp_path, metric=metric, **suite))
    (board,) = boards(found)[1]
    assert len(list(cascade.cascades(found, board, None))) == cascades
    text = section(report.write(tmp_path).read_text(), "Cascades")
    assert ("|" in text, f"{metric} is no mean" in text) == (bool(cascades), not cascades)
    shown = CliRunner().invoke(main, ["recommend", str(tmp_path), "--target", "30", "--serving"])
    assert (shown.exit_code, "is no mean" in shown.stdout) == (0, not cascades)


def test_scores_that_older_results_do_not_name_are_those_of_the_metrics() -> None:
    made = [registry.find("metrics", name) for name in registry.names("metrics") if name != "evaluate"]
    named = {score for metric in made for score in (metric.not_means if isinstance(metric.not_means, tuple) else ())}
    assert named == cascade.OLD_NOT_MEANS


@pytest.mark.parametrize(
    ("target", "usd", "who"),
    [("30", "1.00 USD", "distill at 10 USD alone"), ("45", "5.00 USD", "40 %"), ("60", "10.0 USD", "tuned alone")],
)
def test_recommend_names_the_cheapest_point_that_reaches_a_score(target: str, usd: str, who: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["recommend", str(write(tmp_path)), "--target", target, "--serving"])
    assert shown.exit_code == 0, shown.output
    assert usd in shown.stdout
    assert who in shown.stdout


def test_what_no_point_reaches_has_no_cheapest_point(tmp_path: Path) -> None:
    write(tmp_path)
    found = table.read(tmp_path)
    (board,) = boards(found)[1]
    (known,) = cascade.cascades(found, board, None)
    assert cascade.cheapest([known], 10.0) is None  # no price is known
    shown = CliRunner().invoke(main, ["recommend", str(tmp_path), "--target", "61", "--serving"])
    assert (shown.exit_code, "60.00" in shown.stdout) == (0, True)
    assert CliRunner().invoke(main, ["recommend", str(tmp_path), "--budget-usd", "6", "--serving"]).exit_code == 2
