import re
from pathlib import Path
from typing import Any

import numpy as np

from bench import report
from tests.report.arms import Scores, write_arm
from tests.report.reading import cells, equal, section, shown


def two_seeds(folder: Path, name: str, scores: Scores, **about: Any) -> None:
    """The same scores with both."""
    for seed in (0, 1):
        write_arm(folder, f"{name}-{seed}", scores, seed=seed, **about)


def outcome(folder: Path) -> str:
    """The one sentence that stands first in the report."""
    first = section(report.write(folder).read_text(encoding="utf-8"), "Answer").strip().split("\n")[0]
    assert first.startswith("**")
    assert first.endswith(".**")
    return first.strip("*")


def test_one_seed_is_said_to_be_one(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", equal(2.0))
    write_arm(tmp_path, "b", equal(5.0), strategy="sft")
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "over 1 seed and 12 test examples; the next one, annotate, is 3.00 [3.00, 3.00] behind sft." in answer
    assert "One seed only: another seed may change the order, so nobody is called ahead." in answer
    assert "docstrings: at 10 USD sft has the best mean (rouge2 5.00 [5.00, 5.00]), with a better mean than" in outcome(tmp_path)
    assert cells(section(report.write(tmp_path).read_text(encoding="utf-8"), "Leaderboard"), "sft")[1] == "–"


def test_settings_that_cannot_be_told_apart_are_all_named_and_none_of_them_wins(tmp_path: Path) -> None:
    for strategy in ("annotate", "distill", "sft"):
        two_seeds(tmp_path, strategy, equal(0.0), strategy=strategy)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert outcome(tmp_path).startswith(
        "docstrings: at 10 USD annotate, distill and sft cannot be told apart (rouge2 0.00 [0.00, 0.00], 0.00"
    )
    assert outcome(tmp_path).endswith("), the first worse than the best floor (0.50 [0.50, 0.50]).")
    assert "is ahead" not in answer
    assert 'annotate is worse than the lead baseline ("lead") in rouge2 by 0.50 [0.50, 0.50]' in answer


def test_without_values_by_example_the_answer_says_that_there_is_no_interval(tmp_path: Path) -> None:
    for strategy, value in (("annotate", 2.0), ("sft", 5.0)):
        (write_arm(tmp_path, strategy, equal(value), strategy=strategy) / "predictions.jsonl").unlink()
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert outcome(tmp_path) == (
        "docstrings: at 10 USD sft has the best mean (rouge2 5.00), with a better mean than the best floor (0.50)."
    )
    assert "over 1 seed; the next one, annotate, is 3.00 behind sft." in answer
    assert "There are no values by example, so no interval" in answer
    assert 'sft has a better mean than the lead baseline ("lead") in rouge2 by 4.50.' in answer


def test_a_setting_that_lacks_a_seed_wins_nothing_and_is_said_to_be_left_out(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "a1", equal(1.0), seed=1)
    write_arm(tmp_path, "b0", equal(9.0), strategy="sft")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "annotate is the only setting with a score for every seed (rouge2 2.00 [" in outcome(tmp_path)
    assert "Not compared, for want of a seed that others have: sft." in section(text, "Answer")
    assert cells(section(text, "Leaderboard"), "sft")[-1] == "1 done, incomplete (1 of 2 seeds)"
    assert "incomplete (1 of 2 seeds)" in shown(tmp_path, 200)


def test_where_every_setting_lacks_a_seed_the_answer_is_only_so_far(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "b1", equal(9.0), strategy="sft", seed=1)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "No setting has a score for all 2 seeds yet" in answer
    assert "at 10 USD so far " in outcome(tmp_path)


def test_teachers_that_are_no_better_than_their_students_are_said_to_be_so(tmp_path: Path) -> None:
    for strategy, teacher in (("distill", 1.0), ("sft", 3.0)):
        two_seeds(tmp_path, strategy, {**equal(4.0), "teacher": {"rouge2": [teacher] * 12}}, strategy=strategy)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "docstrings: on average the teacher is worse than its own student in rouge2 by 2.00 [2.00, 2.00]; over 2 settings" in answer


def test_one_sentence_says_what_came_out_with_floor_and_teacher_beside_it_at_each_budget(tmp_path: Path) -> None:
    for budget_usd, sft in ((5.0, 4.0), (20.0, 8.0)):
        two_seeds(tmp_path, f"a{budget_usd}", equal(3.0), budget_usd=budget_usd)
        taught = {**equal(sft), "teacher": {"rouge2": [6.0] * 12}}
        two_seeds(tmp_path, f"b{budget_usd}", taught, strategy="sft", budget_usd=budget_usd)
    floor, teacher = "the best floor (0.50 [0.50, 0.50])", "its teacher (6.00 [6.00, 6.00])"
    assert outcome(tmp_path) == (
        f"docstrings: at 5 USD sft is ahead (rouge2 4.00 [4.00, 4.00]), better than {floor} and worse than {teacher}; "
        f"at 20 USD sft is ahead (rouge2 8.00 [8.00, 8.00]), better than {floor} and {teacher}."
    )


def test_a_setting_without_rivals_is_not_said_to_be_ahead_of_anything(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", {"student": {"rouge2": [3.0] * 12}})
    assert outcome(tmp_path) == "docstrings: at 10 USD annotate is the only setting with a score (rouge2 3.00 [3.00, 3.00])."


def test_many_settings_that_cannot_be_told_apart_are_counted_in_the_sentence_and_named_below_it(tmp_path: Path) -> None:
    for layers in range(1, 7):
        two_seeds(tmp_path, f"a{layers}", equal(4.0), strategy="sft", setting=f"layers={layers}")
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    three = "rouge2 4.00 [4.00, 4.00], 4.00 [4.00, 4.00] and 4.00 [4.00, 4.00]"
    assert f"sft (layers=1), sft (layers=2), sft (layers=3) and 3 more cannot be told apart ({three})" in outcome(tmp_path)
    assert (
        "Not told apart from sft (layers=1): sft (layers=2), sft (layers=3), sft (layers=4), sft (layers=5) and sft (layers=6)." in answer
    )


def test_where_every_arm_is_infeasible_the_sentence_says_so_beside_the_budgets_that_sufficed(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", status="infeasible", reason="too dear", budget_usd=1.0)
    assert outcome(tmp_path) == "docstrings: at 1 USD no arm has a score (1 infeasible)."
    write_arm(tmp_path, "b", equal(3.0), budget_usd=9.0)
    write_arm(tmp_path, "c", strategy="distill", status="infeasible", reason="too dear", budget_usd=9.0)
    assert outcome(tmp_path).startswith(
        "docstrings: at 1 USD no arm has a score (1 infeasible); at 9 USD annotate is the only setting with"
    )
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "Without a score in rouge2: distill (1 infeasible)." in answer


def write_noisy(folder: Path, **ahead: float) -> None:
    """Strategies that are so much better than hard examples, over three seeds that differ, and with noise."""
    generator = np.random.default_rng(3)
    hard = generator.gamma(1.0, 10.0, 150)
    for seed in range(3):
        for strategy, by in ahead.items():
            scores = hard + by + generator.normal(0, 0.5) + generator.normal(0, 6.0, 150)
            write_arm(folder, f"{strategy}-{seed}", {"student": {"rouge2": list(scores)}}, strategy=strategy, seed=seed)


def test_the_answer_says_how_sure_it_is_and_which_difference_could_have_been_found(tmp_path: Path) -> None:
    write_noisy(tmp_path, annotate=0.0, distill=0.3, sft=15.0)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "docstrings: at 10 USD sft is ahead (rouge2 " in answer
    found = re.search(r"distill, is 1[45]\.\d\d \[1[\d.]+, 1[\d.]+\] behind sft \(corrected p 0\.\d+\)", answer)
    assert found or "(corrected p < 0.001)" in answer
    power = re.search(
        r"A true difference between two settings is found 4 times in 5 from ([\d.]+) points on; "
        r"with twice the seeds ([\d.]+), with twice the test examples ([\d.]+)\.",
        answer,
    )
    assert power
    now, more_seeds, more_examples = map(float, power.groups())
    assert more_seeds < now
    assert more_examples < now


def test_the_rank_and_the_corrected_p_value_stand_in_the_leaderboard_and_the_terminal(tmp_path: Path) -> None:
    write_noisy(tmp_path, annotate=0.0, distill=0.3, sft=15.0)
    leaderboard = section(report.write(tmp_path).read_text(encoding="utf-8"), "Leaderboard")
    ranks = {name: cells(leaderboard, name)[1] for name in ("strategy", "sft", "distill", "annotate")}
    assert ranks == {"strategy": "rank", "sft": "1", "distill": "2–3", "annotate": "2–3"}
    behind = cells(leaderboard, "annotate")[3]
    assert re.fullmatch(r"1\d\.\d\d \[[\d., ]+\], p (< 0\.001|0\.0\d+)", behind)
    seen = [line.split() for line in shown(tmp_path, 100).splitlines()]
    assert next(words for words in seen if words[:1] == ["distill"])[1] == "2–3"


def test_a_tie_is_one_by_the_corrected_p_value_also_where_the_interval_of_the_one_comparison_leaves_out_0(tmp_path: Path) -> None:
    write_noisy(tmp_path, a=0.0, b=0.2, c=0.4, d=0.6, e=0.8, f=1.0, g=1.6)
    leaderboard = section(report.write(tmp_path).read_text(encoding="utf-8"), "Leaderboard")
    behind = [cells(leaderboard, f"{name} |")[3] for name in "abcdef"]
    tied = [cell for cell in behind if cell.endswith(", tied")]
    assert any(not cell.split("[")[1].startswith("-") for cell in tied)
    assert all(float(cell.split(", p ")[1].split(",")[0]) >= 0.05 for cell in tied)
