from pathlib import Path

import numpy as np
import pytest

from bench import results
from bench.report import board
from tests.report.arms import Scores, write_arm, write_suite


def constant(student: float, teacher: float | None = None, floor: float = 1.0, metric: str = "rouge2", examples: int = 12) -> Scores:
    """The same score on every example, so that means are known."""
    found = {"student": student, "floor: lead": floor} | ({} if teacher is None else {"teacher": teacher})
    return {subject: {metric: [value] * examples} for subject, value in found.items()}


def boards(folder: Path) -> list[board.Board]:
    found = results.read(folder)
    return board.boards(found, board.metrics(found), resamples=200)


def test_settings_stand_from_best_to_worst_and_those_without_a_score_last(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0))
    write_arm(tmp_path, "b", constant(5.0), strategy="sft", setting="label_share=0.5")
    write_arm(tmp_path, "c", strategy="distill", status="infeasible", reason="too dear")
    (found,) = boards(tmp_path)
    assert [line.name for line in found.settings] == ["sft (label_share=0.5)", "annotate", "distill"]
    assert [line.name for line in found.scored] == ["sft (label_share=0.5)", "annotate"]
    assert found.settings[2].statuses == {"infeasible": 1}


def test_a_score_of_which_less_is_better_is_ranked_the_other_way_round(tmp_path: Path) -> None:
    write_suite(tmp_path, primary_metric="errors")
    write_arm(tmp_path, "a", constant(3.0, metric="errors"))
    write_arm(tmp_path, "b", constant(5.0, metric="errors"), strategy="sft")
    for arm in ("a", "b"):
        path = tmp_path / arm / "ledger.jsonl"
        path.write_text(path.read_text().replace('"higher"', '"lower"'))
    (found,) = boards(tmp_path)
    assert [line.name for line in found.settings] == ["annotate", "sft"]
    ahead = found.difference(*found.scored)
    assert ahead is not None
    assert ahead.mean == pytest.approx(2.0)


def test_the_teacher_is_the_mean_of_the_teachers_at_that_budget(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0, teacher=6.0), strategy="sft", facts={"teacher_parameters": 77e6, "large_ms": 60.0})
    write_arm(tmp_path, "b", constant(3.0, teacher=8.0), strategy="distill")
    write_arm(tmp_path, "c", constant(3.0, teacher=9.0), strategy="distill", budget_usd=20.0)
    small, large = boards(tmp_path)
    assert [line.kind for line in small.references] == ["teacher", "floor"]
    assert small.references[0].scores["rouge2"].mean == pytest.approx(7.0)
    assert small.references[0].facts == {"student_parameters": 77e6, "student_ms": 60.0}
    assert large.references[0].scores["rouge2"].mean == pytest.approx(9.0)


def test_floors_stand_at_every_budget_also_where_no_arm_has_a_score(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0))
    write_arm(tmp_path, "b", budget_usd=2.0, status="infeasible", reason="too dear")
    poor, _ = boards(tmp_path)
    assert (poor.budget_usd, poor.scored) == (2.0, ())
    assert poor.floors[0].scores["rouge2"].mean == 1.0


def test_differences_are_paired_by_seed_and_example(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for seed in (0, 1):
        hard = 20 * generator.standard_normal(80)
        for strategy, ahead in (("annotate", 0.0), ("sft", 1.0)):
            write_arm(tmp_path, f"{strategy}{seed}", {"student": {"rouge2": list(hard + ahead)}}, strategy=strategy, seed=seed)
    (found,) = boards(tmp_path)
    difference = found.difference(*found.scored)
    assert difference is not None
    assert (difference.mean, difference.low, difference.high) == pytest.approx((1.0, 1.0, 1.0))
    assert (difference.seeds, difference.examples) == (2, 80)


def test_a_metric_of_the_whole_corpus_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    for seed, value in ((0, 4.0), (1, 6.0)):
        folder = write_arm(tmp_path, f"a{seed}", constant(value), seed=seed)
        (folder / "predictions.jsonl").unlink()
    (found,) = boards(tmp_path)
    score = found.settings[0].scores["rouge2"]
    assert (score.mean, score.seeds, score.examples) == (5.0, 2, 0)
    assert np.isnan(score.low)


def test_arms_that_the_suite_no_longer_holds_enter_no_mean(tmp_path: Path) -> None:
    write_suite(tmp_path, arms=["new"])
    write_arm(tmp_path, "old", constant(99.0))
    write_arm(tmp_path, "new", constant(3.0))
    (found,) = boards(tmp_path)
    assert found.settings[0].scores["rouge2"].mean == 3.0
    assert board.superseded(results.read(tmp_path)) == ["old"]


def test_tasks_do_not_mix(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0, floor=1.0))
    write_arm(tmp_path, "b", constant(5.0, floor=2.0), task="names")
    found = {b.task: b for b in boards(tmp_path)}
    assert {task: b.scored[0].scores["rouge2"].mean for task, b in found.items()} == {"docstrings": 3.0, "names": 5.0}
    assert {task: b.floors[0].scores["rouge2"].mean for task, b in found.items()} == {"docstrings": 1.0, "names": 2.0}
