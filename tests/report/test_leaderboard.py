from pathlib import Path

import numpy as np
import pytest

from bench.report.analysis import leaderboard as board
from bench.report.analysis import significance
from bench.report.analysis.active_arms import current
from bench.report.analysis.metric import Metric
from bench.report.sections import leaderboard as shown_board
from bench.results import table
from tests.facts import missing
from tests.report.arms import Scores, write_arm, write_suite
from tests.report.reading import made, prose, row, rows


def constant(student: float, teacher: float | None = None, baseline: float = 1.0, metric: str = "rouge2", examples: int = 12) -> Scores:
    """The same score on every example, so that means are known."""
    found = {"student": student, "floor: lead": baseline} | ({} if teacher is None else {"teacher": teacher})
    return {subject: {metric: [value] * examples} for subject, value in found.items()}


def boards(folder: Path) -> list[board.Board]:
    found = current(table.read(folder))
    return board.boards(found, board.metrics(found))


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


def test_a_score_of_which_neither_direction_is_better_ranks_nothing_in_older_results(tmp_path: Path) -> None:
    write_suite(tmp_path, primary_metric="self_bleu")
    for seed in (0, 1):
        write_arm(tmp_path, f"b{seed}", constant(3.0, metric="self_bleu"), strategy="sft", seed=seed)
        write_arm(tmp_path, f"a{seed}", constant(5.0, metric="self_bleu"), strategy="distill", seed=seed)
    for path in tmp_path.glob("*/ledger.jsonl"):
        path.write_text(path.read_text().replace('"higher"', '"none"'))
    (found,) = boards(tmp_path)
    assert found.scored == found.compared == ()
    assert [line.name for line in found.settings] == ["distill", "sft"]
    shown = made(tmp_path)
    assert missing(prose(shown["answer"]), "nothing is ranked", "self_bleu") == []
    assert row(shown["leaderboard"], "sft")["rank"] == "–"
    for path in tmp_path.glob("*/ledger.jsonl"):
        path.write_text(path.read_text().replace('"none"', '"lower"'))
    assert [line.name for line in boards(tmp_path)[0].scored] == ["sft", "distill"]


def test_each_setting_has_its_own_teacher_and_equal_teachers_share_a_line(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0, teacher=6.0), strategy="sft", facts={"teacher_parameters": 77e6, "large_ms": 60.0})
    write_arm(tmp_path, "b", constant(4.0, teacher=6.0), strategy="distill")
    write_arm(tmp_path, "c", constant(5.0, teacher=8.0), strategy="distill", setting="label_share=0.8")
    write_arm(tmp_path, "d", constant(6.0))
    write_arm(tmp_path, "e", constant(3.0, teacher=9.0), strategy="distill", budget_usd=20.0)
    small, large = boards(tmp_path)
    teachers = [(line.name, line.scores["rouge2"].mean) for line in small.references if line.kind == "teacher"]
    assert teachers == [("teacher of distill (label_share=0.8)", 8.0), ("teacher of distill, sft", 6.0)]
    assert small.references[1].facts == {"student_parameters": 77e6, "student_ms": 60.0}
    own = {line.name: line.teacher and line.teacher.scores["rouge2"].mean for line in small.settings}
    assert own == {"annotate": None, "distill (label_share=0.8)": 8.0, "distill": 6.0, "sft": 6.0}
    found = made(tmp_path)["leaderboard"]
    assert row(found, "sft")["behind its teacher"] == "3.00 [3.00, 3.00]"
    assert row(found, "annotate")["behind its teacher"] == "–"
    assert [line.name for line in large.references if line.kind == "teacher"] == ["teacher of distill"]


def test_a_teacher_is_called_by_what_it_is_and_one_that_is_not_the_large_model_has_none_of_its_times(tmp_path: Path) -> None:
    write_suite(tmp_path, models={"smol": "SmolLM2 | 135M"})
    facts = {"teacher_parameters": 135e6, "large_ms": 60.0, "large_flops": 9e9}
    taught = {"here": {"teacher": "smol", "endpoint": None}, "there": {"teacher": None, "endpoint": {"model": "gpt"}}}
    for ability, (strategy, settings) in enumerate({**taught, "sft": {"teacher": {"epochs": 3}}, "asis": {"teacher": None}}.items()):
        write_arm(tmp_path, strategy, constant(1.0, teacher=9.0 - ability), strategy=strategy, settings=settings, facts=facts)
    (found,) = boards(tmp_path)
    teachers = [line for line in found.references if line.kind == "teacher"]
    assert [line.facts.get("student_ms") for line in teachers] == [None, None, 60.0, 60.0]
    assert [line.facts["student_parameters"] for line in teachers] == [135e6] * 4
    named = [one["strategy (setting)"] for one in rows(made(tmp_path)["leaderboard"])]
    assert [name.removeprefix("teacher of ") for name in named if name.startswith("teacher of ")] == [
        "here (SmolLM2 | 135M, prompted)",
        "there (gpt, prompted)",
        "sft (flan-t5-small, tuned)",
        "asis (flan-t5-small)",
    ]


def test_a_failed_arm_that_left_scores_behind_does_not_rank(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0))
    write_arm(tmp_path, "b", constant(99.0) | {"floor: late": {"rouge2": [50.0] * 12}}, strategy="sft", status="failed", reason="disk full")
    (found,) = boards(tmp_path)
    assert [line.name for line in found.scored] == ["annotate"]
    assert [baseline.name for baseline in found.baselines] == ["lead"]


@pytest.mark.parametrize("missing", ["failed", "infeasible", "unfinished"])
def test_a_setting_that_lacks_a_seed_stands_below_those_that_have_it(tmp_path: Path, missing: str) -> None:
    for seed, easy in ((0, 10.0), (1, 0.0)):
        write_arm(tmp_path, f"a{seed}", constant(3.0 + easy), seed=seed)
    write_arm(tmp_path, "b0", constant(2.0 + 10.0), strategy="sft")
    folder = write_arm(tmp_path, "b1", strategy="sft", seed=1, status=missing)
    if missing == "unfinished":
        (folder / "record.json").unlink()
    (found,) = boards(tmp_path)
    assert [(line.name, line.complete) for line in found.settings] == [("annotate", True), ("sft", False)]
    assert found.settings[1].scores["rouge2"].mean > found.settings[0].scores["rouge2"].mean
    assert "incomplete (1 of 2 seeds)" in shown_board.statuses(found.settings[1])
    assert "incomplete" not in shown_board.statuses(found.settings[0])


def test_the_lead_baseline_is_the_one_that_the_suite_names_or_else_the_first_by_name(tmp_path: Path) -> None:
    baselines = {f"floor: {name}": {"rouge2": [1.0] * 12} for name in ("b", "a")}
    write_arm(tmp_path, "a", {**constant(3.0), **baselines})
    named = []
    for lead in ({}, {"docstrings": "lead"}, {"docstrings": "gone"}):
        write_suite(tmp_path, lead=lead)
        named.append(boards(tmp_path)[0].lead)
    assert named == ["a", "lead", "a"]


def test_baselines_stand_at_every_budget_also_where_no_arm_has_a_score(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0))
    write_arm(tmp_path, "b", budget_usd=2.0, status="infeasible", reason="too dear")
    poor, _ = boards(tmp_path)
    assert (poor.budget_usd, poor.scored) == (2.0, ())
    assert poor.baselines[0].scores["rouge2"].mean == 1.0


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


def test_a_setting_is_compared_with_baselines_and_teacher_at_the_strictest_level_of_all_such_comparisons(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for seed in (0, 1, 2):
        for strategy in ("annotate", "sft", "distill"):
            scores = {"student": list(2 + generator.standard_normal(40)), "floor: lead": [0.0] * 40, "teacher": [2.5] * 40}
            write_arm(tmp_path, f"{strategy}{seed}", {who: {"rouge2": of} for who, of in scores.items()}, strategy=strategy, seed=seed)
    (found,) = boards(tmp_path)
    best, baseline = found.settings[0], found.baselines[0]
    alone = significance.difference(best.samples["rouge2"], baseline.samples["rouge2"])
    corrected = found.difference(best, baseline)
    assert alone is not None
    assert corrected is not None
    assert corrected.p == pytest.approx(3 * 2 * alone.p, rel=0.05)
    assert (corrected.low, corrected.high) == pytest.approx((alone.low, alone.high), rel=0.05)


def test_the_baseline_that_is_best_on_dev_is_compared_with_each_setting_once(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for seed in (0, 1, 2):
        for strategy in ("annotate", "sft", "distill"):
            tested = {"student": list(2 + generator.standard_normal(40)), "floor: lead": [0.5] * 40, "floor: copy": [0.0] * 40}
            scores = {who: {"rouge2": of} for who, of in tested.items()}
            write_arm(tmp_path, f"{strategy}{seed}", scores, strategy=strategy, seed=seed, on_dev={"lead": 1.0, "copy": 9.0})
    (found,) = boards(tmp_path)
    baseline, other = found.baseline, found.baselines[0]
    assert baseline
    assert (baseline.name, other.name) == ("copy", "lead")
    alone = [significance.difference(line.samples["rouge2"], baseline.samples["rouge2"]) for line in found.settings]
    corrected = [found.difference(line, baseline) for line in found.settings]
    expected = significance.holm(np.array([one.p for one in alone if one]))
    assert [one.p for one in corrected if one] == pytest.approx(list(expected))
    multiplied = found.difference(found.settings[0], other)
    single = significance.difference(found.settings[0].samples["rouge2"], other.samples["rouge2"])
    assert single
    assert multiplied
    assert multiplied.p == pytest.approx(3 * 3 * single.p)


def test_without_scores_on_dev_settings_are_compared_with_the_baseline_that_is_best_on_test(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0) | {"floor: copy": {"rouge2": [2.0] * 12}})
    (found,) = boards(tmp_path)
    assert (found.best_on_dev, found.baseline and found.baseline.name) == ("", "copy")


def test_intervals_hold_possible_scores_only(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for seed in (0, 1):
        for strategy, luck in (("annotate", 5.0), ("sft", 0.1)):
            scores = {"student": {"rouge2": list(np.abs(generator.standard_normal(40)) + 5.5 + luck * (2 * seed - 1))}}
            write_arm(tmp_path, f"{strategy}{seed}", scores, strategy=strategy, seed=seed)
    (found,) = boards(tmp_path)
    wide = next(line for line in found.settings if line.name == "annotate").scores["rouge2"]
    assert wide.low == 0.0
    assert wide.high > 2 * wide.mean
    assert Metric("x", "m", "higher").cut(significance.estimate(np.array([[1.0, 2, 3, 4], [9, 8, 8, 9]]))).low < 0


@pytest.mark.parametrize("by_example", [True, False])
def test_ranks_stand_where_they_were_tested_and_nowhere_else(tmp_path: Path, by_example: bool) -> None:
    for seed in (0, 1):
        for strategy, score in (("annotate", 1.0), ("distill", 1.0), ("sft", 5.0)):
            folder = write_arm(tmp_path, f"{strategy}{seed}", constant(score), strategy=strategy, seed=seed)
            if not by_example:
                (folder / "predictions.jsonl").unlink()
    write_arm(tmp_path, "new0", constant(9.0), strategy="new")
    (found,) = boards(tmp_path)
    shown = {line.name: shown_board.rank(found, line) for line in (*found.settings, *found.references)}
    if by_example:
        assert shown == {"sft": "1", "annotate": "2–3", "distill": "2–3", "new": "–", "lead": ""}
    else:
        assert shown == {"sft": "–", "annotate": "–", "distill": "–", "new": "–", "lead": ""}


def test_a_metric_of_the_whole_corpus_has_a_mean_and_no_interval(tmp_path: Path) -> None:
    for seed, value in ((0, 4.0), (1, 6.0)):
        folder = write_arm(tmp_path, f"a{seed}", constant(value), seed=seed)
        (folder / "predictions.jsonl").unlink()
    (found,) = boards(tmp_path)
    score = found.settings[0].scores["rouge2"]
    assert (score.mean, score.seeds, score.examples) == (5.0, 2, 0)
    assert not score.has_interval
    ahead = found.difference(found.settings[0], found.baselines[0])
    assert ahead is not None
    assert (ahead.mean, ahead.has_interval) == (4.0, False)


def test_arms_that_the_suite_no_longer_holds_enter_no_mean(tmp_path: Path) -> None:
    write_suite(tmp_path, arms=["new"])
    write_arm(tmp_path, "old", constant(99.0))
    write_arm(tmp_path, "new", constant(3.0))
    (found,) = boards(tmp_path)
    assert found.settings[0].scores["rouge2"].mean == 3.0
    kept = current(table.read(tmp_path))
    assert (set(kept.table["arm"]), set(kept.records), set(kept.examples)) == ({"new"},) * 3


def test_tasks_do_not_mix(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", constant(3.0, baseline=1.0))
    write_arm(tmp_path, "b", constant(5.0, baseline=2.0), task="names")
    found = {b.task: b for b in boards(tmp_path)}
    assert {task: b.scored[0].scores["rouge2"].mean for task, b in found.items()} == {"docstrings": 3.0, "names": 5.0}
    assert {task: b.baselines[0].scores["rouge2"].mean for task, b in found.items()} == {"docstrings": 1.0, "names": 2.0}
