from pathlib import Path

from bench import report
from tests.report.arms import write_arm
from tests.report.reading import cells, equal, section, shown


def test_one_seed_is_said_to_be_one(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", equal(2.0))
    write_arm(tmp_path, "b", equal(5.0), strategy="sft")
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "over 1 seed and" in answer
    assert "One seed only" in answer


def test_settings_that_cannot_be_told_apart_are_all_named_and_none_of_them_wins(tmp_path: Path) -> None:
    for strategy in ("annotate", "distill", "sft"):
        write_arm(tmp_path, strategy, equal(0.0), strategy=strategy)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "No setting is ahead alone: **annotate**, **distill** and **sft** cannot be told apart (rouge2 0.00" in answer
    assert "is ahead with" not in answer
    assert 'is worse than the lead baseline ("lead") in rouge2 by 0.50 [0.50, 0.50]' in answer


def test_without_values_by_example_the_answer_says_that_there_is_no_interval(tmp_path: Path) -> None:
    for strategy, value in (("annotate", 2.0), ("sft", 5.0)):
        (write_arm(tmp_path, strategy, equal(value), strategy=strategy) / "predictions.jsonl").unlink()
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "**sft** is ahead with rouge2 5.00, over 1 seed. The next one, annotate, is 3.00 behind." in answer
    assert "There are no values by example, so no interval" in answer
    assert 'It has a better mean than the lead baseline ("lead") in rouge2 by 4.50.' in answer


def test_a_setting_that_lacks_a_seed_wins_nothing_and_is_said_to_be_left_out(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "a1", equal(1.0), seed=1)
    write_arm(tmp_path, "b0", equal(9.0), strategy="sft")
    text = report.write(tmp_path).read_text(encoding="utf-8")
    assert "**annotate** is ahead" in section(text, "Answer")
    assert "Not compared, for want of a seed that others have: sft." in section(text, "Answer")
    assert cells(section(text, "Leaderboard"), "sft")[-1] == "1 done, incomplete (1 of 2 seeds)"
    assert "incomplete (1 of 2 seeds)" in shown(tmp_path, 200)


def test_where_every_setting_lacks_a_seed_the_answer_is_only_so_far(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "b1", equal(9.0), strategy="sft", seed=1)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "No setting has a score for all 2 seeds yet" in answer


def test_teachers_that_are_no_better_than_their_students_are_said_to_be_so(tmp_path: Path) -> None:
    for strategy, teacher in (("distill", 1.0), ("sft", 3.0)):
        write_arm(tmp_path, strategy, {**equal(4.0), "teacher": {"rouge2": [teacher] * 12}}, strategy=strategy)
    answer = section(report.write(tmp_path).read_text(encoding="utf-8"), "Answer")
    assert "docstrings: on average the teacher is worse than its own student in rouge2 by 2.00 [2.00, 2.00]; over 2 settings" in answer
