import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench import report
from bench.report.blocks import Mark, Paragraph, runs
from bench.results import repricing, table
from tests.facts import missing
from tests.report.arms import Scores, write_arm
from tests.report.reading import equal, made, prose, row, shown, words


def two_seeds(folder: Path, name: str, scores: Scores, **about: Any) -> None:
    """The same scores with both."""
    for seed in (0, 1):
        write_arm(folder, f"{name}-{seed}", scores, seed=seed, **about)


def answers(folder: Path) -> list[str]:
    """One paragraph for each task and budget; its first sentence stands out."""
    found = [block for block in made(folder)["answer"].blocks if isinstance(block, Paragraph)]
    assert all(isinstance(runs(block.text)[0], Mark) for block in found)
    return [words(block.text) for block in found]


def certainty(folder: Path) -> str:
    return prose(made(folder)["certainty"])


def test_with_one_seed_no_setting_is_the_best(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", equal(2.0))
    write_arm(tmp_path, "b", equal(5.0), strategy="sft")
    (answer,) = answers(tmp_path)
    assert missing(answer, "10 USD", "sft", "best mean", "rouge2 5.00 [5.00, 5.00]") == []
    assert "annotate is 3.00 [3.00, 3.00] behind" in answer
    assert "not tested" in answer
    assert "1 seed and 12 test examples" in certainty(tmp_path)
    assert "one seed only" in certainty(tmp_path)
    assert row(made(tmp_path)["leaderboard"], "sft")["rank"] == "–"


def test_settings_that_tie_have_no_winner_and_are_all_named(tmp_path: Path) -> None:
    for strategy in ("annotate", "distill", "sft"):
        two_seeds(tmp_path, strategy, equal(0.0), strategy=strategy)
    (answer,) = answers(tmp_path)
    assert missing(answer, "10 USD", "no clear winner", "guess: annotate", "rouge2 0.00 [0.00, 0.00]") == []
    assert "2 settings" in answer
    assert missing(answer, "significantly worse", "baseline (0.50 [0.50, 0.50])") == []
    assert "distill and sft" in certainty(tmp_path)
    assert "rouge2 (-0.50 [-0.50, -0.50])" in certainty(tmp_path)


def test_without_values_by_example_the_answer_has_no_interval(tmp_path: Path) -> None:
    for strategy, value in (("annotate", 2.0), ("sft", 5.0)):
        (write_arm(tmp_path, strategy, equal(value), strategy=strategy) / "predictions.jsonl").unlink()
    (answer,) = answers(tmp_path)
    assert "[" not in answer
    assert "rouge2 5.00." in answer
    assert "annotate is 3.00 behind" in answer
    assert missing(answer, "better mean", "baseline (0.50)") == []
    assert "there is no interval" in certainty(tmp_path)
    assert "rouge2 (4.50)" in certainty(tmp_path)


def test_a_setting_that_lacks_a_seed_wins_nothing_and_is_left_out(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "a1", equal(1.0), seed=1)
    write_arm(tmp_path, "b0", equal(9.0), strategy="sft")
    (answer,) = answers(tmp_path)
    assert "only annotate has" in answer
    assert "rouge2 2.00 [" in answer
    assert re.search(r"Not compared[^.]*: sft\.", certainty(tmp_path))
    assert row(made(tmp_path)["leaderboard"], "sft")["arms"] == "1 done, incomplete (1 of 2 seeds)"
    assert "incomplete (1 of 2 seeds)" in shown(tmp_path, 200)


def test_where_every_setting_lacks_a_seed_the_answer_is_only_so_far(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "b1", equal(9.0), strategy="sft", seed=1)
    assert " so far" in answers(tmp_path)[0]
    assert "all 2 seeds" in certainty(tmp_path)


def test_teachers_are_compared_with_their_own_students(tmp_path: Path) -> None:
    for strategy, teacher in (("distill", 1.0), ("sft", 3.0)):
        two_seeds(tmp_path, strategy, {**equal(4.0), "teacher": {"rouge2": [teacher] * 12}}, strategy=strategy)
    last = certainty(tmp_path).splitlines()[-1]
    assert last.startswith("docstrings: ")
    assert "significantly worse" in last
    assert "rouge2 (-2.00 [-2.00, -2.00]), over 2 settings" in last


def test_each_budget_has_its_answer_with_baseline_and_teacher_beside_it(tmp_path: Path) -> None:
    for budget_usd, sft in ((5.0, 4.0), (20.0, 8.0)):
        two_seeds(tmp_path, f"a{budget_usd}", equal(3.0), budget_usd=budget_usd)
        taught = {**equal(sft), "teacher": {"rouge2": [6.0] * 12}}
        two_seeds(tmp_path, f"b{budget_usd}", taught, strategy="sft", budget_usd=budget_usd)
    baseline, teacher = "the best baseline (0.50 [0.50, 0.50])", "its teacher (6.00 [6.00, 6.00])"
    small, large = answers(tmp_path)
    assert small.startswith("At 5 USD ")
    assert "sft is best, rouge2 4.00 [4.00, 4.00]." in small
    assert re.search(rf" better \w+ {re.escape(baseline)} .* worse \w+ {re.escape(teacher)}\.$", small)
    assert large.startswith("At 20 USD ")
    assert "sft is best, rouge2 8.00 [8.00, 8.00]." in large
    assert large.endswith(f"better than {baseline} and {teacher}.")


def test_a_setting_without_rivals_is_not_the_best_of_anything(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", {"student": {"rouge2": [3.0] * 12}})
    (answer,) = answers(tmp_path)
    assert answer.startswith("At 10 USD only annotate ")
    assert answer.endswith("has a score: rouge2 3.00 [3.00, 3.00].")


def test_several_tasks_are_named(tmp_path: Path) -> None:
    for task in ("one", "two"):
        write_arm(tmp_path, task, equal(3.0), task=task)
    assert [answer.split(" at ")[0] for answer in answers(tmp_path)] == ["one:", "two:"]


def test_many_ties_are_counted_in_the_answer_and_named_below_it(tmp_path: Path) -> None:
    for layers in range(1, 7):
        two_seeds(tmp_path, f"a{layers}", equal(4.0), strategy="sft", setting=f"layers={layers}")
    (answer,) = answers(tmp_path)
    assert "Best guess: sft (layers=1), rouge2 4.00" in answer
    assert "5 settings" in answer
    assert ", ".join(f"sft (layers={layers})" for layers in range(2, 6)) + " and sft (layers=6)." in certainty(tmp_path)


def test_where_every_arm_is_infeasible_the_answer_counts_them(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", status="infeasible", reason="too dear", budget_usd=1.0)
    (answer,) = answers(tmp_path)
    assert answer.endswith("(1 infeasible).")
    write_arm(tmp_path, "b", equal(3.0), budget_usd=9.0)
    write_arm(tmp_path, "c", strategy="distill", status="infeasible", reason="too dear", budget_usd=9.0)
    assert [one.split(" USD")[0] for one in answers(tmp_path)] == ["At 1", "At 9"]
    assert "distill (1 infeasible)" in certainty(tmp_path)


def write_noisy(folder: Path, **ahead: float) -> None:
    """Strategies that are so much better than hard examples, over three seeds that differ, and with noise."""
    generator = np.random.default_rng(3)
    hard = generator.gamma(1.0, 10.0, 150)
    for seed in range(3):
        for strategy, by in ahead.items():
            scores = hard + by + generator.normal(0, 0.5) + generator.normal(0, 6.0, 150)
            write_arm(folder, f"{strategy}-{seed}", {"student": {"rouge2": list(scores)}}, strategy=strategy, seed=seed)


def test_the_answer_has_a_p_value_and_the_difference_that_could_have_been_found(tmp_path: Path) -> None:
    write_noisy(tmp_path, annotate=0.0, distill=0.3, sft=15.0)
    (answer,) = answers(tmp_path)
    assert answer.startswith("At 10 USD ")
    assert "sft is best, rouge2 " in answer
    assert re.search(r"Next, annotate is 1[45]\.\d\d \[1[\d.]+, 1[\d.]+\] behind ", answer)
    assert re.match(r"\(corrected p (0\.\d+|< 0\.001)\)", answer.split(" behind ")[1])
    labels = ("must be", "twice the seeds", "twice the test examples")
    power = [re.search(rf"{label} (\d+(\.\d+)?)", certainty(tmp_path)) for label in labels]
    now, more_seeds, more_examples = (float(one[1]) for one in power if one)
    assert more_seeds < now
    assert more_examples < now


def test_the_rank_and_the_corrected_p_value_stand_in_the_leaderboard_and_the_terminal(tmp_path: Path) -> None:
    write_noisy(tmp_path, annotate=0.0, distill=0.3, sft=15.0)
    leaderboard = made(tmp_path)["leaderboard"]
    assert {name: row(leaderboard, name)["rank"] for name in ("sft", "distill", "annotate")} == {
        "sft": "1",
        "distill": "2–3",
        "annotate": "2–3",
    }
    assert re.fullmatch(r"1\d\.\d\d \[[\d., ]+\], p (< 0\.001|0\.0\d+)", row(leaderboard, "annotate")["behind the best"])
    seen = [line.split() for line in shown(tmp_path, 100).splitlines()]
    assert next(words for words in seen if words[:1] == ["distill"])[1] == "2–3"


def test_a_tie_is_one_by_the_corrected_p_value_also_where_the_interval_of_the_one_comparison_leaves_out_0(tmp_path: Path) -> None:
    write_noisy(tmp_path, a=0.0, b=0.2, c=0.4, d=0.6, e=0.8, f=1.0, g=1.0)
    leaderboard = made(tmp_path)["leaderboard"]
    behind = [row(leaderboard, name)["behind the best"] for name in "abcdef"]
    tied = [cell for cell in behind if cell.endswith(", tied")]
    assert any(not cell.split("[")[1].startswith("-") for cell in tied)
    assert all(float(cell.split(", p ")[1].split(",")[0]) >= 0.05 for cell in tied)


def write_one_noisy(folder: Path, ahead: float, spread: float) -> None:
    """The best setting, one that varies much between seeds, and nine that do not, by `ahead` points and more behind."""
    generator = np.random.default_rng(1)
    hard = generator.normal(30, 5, 200)
    quiet = {f"layers={place}": (-ahead - 3 * place, 0.02) for place in range(9)}
    for setting, (by, luck) in {"": (0.0, 0.02), "layers=noisy": (-ahead - 0.1, spread), **quiet}.items():
        for seed in range(3):
            scores = hard + by + luck * (seed - 1) + generator.normal(0, 1.0, 200)
            write_arm(folder, f"{setting}{seed}", {"student": {"rouge2": list(scores)}}, strategy="sft", setting=setting, seed=seed)


def test_an_interval_without_0_that_is_not_significant_after_correction_is_explained(tmp_path: Path) -> None:
    write_one_noisy(tmp_path, ahead=1.7, spread=2.5)
    (answer,) = answers(tmp_path)
    assert re.search(r"; sft \(layers=0\) is 1\.\d\d \[0\.\d\d, \d\.\d\d\] behind \(\w+ p 0\.0[5-9]", answer)
    assert "pair alone" in answer


def test_the_setting_that_ties_is_named_also_behind_one_that_is_significantly_worse(tmp_path: Path) -> None:
    write_one_noisy(tmp_path, ahead=3.5, spread=3.0)
    (answer,) = answers(tmp_path)
    assert missing(answer, "no clear winner", "guess: sft, rouge2") == []
    assert re.search(r"; sft \(layers=noisy\) is [34]\.\d\d \[", answer)
    assert "layers=0" not in answer
    assert "pair alone" not in answer


def test_settings_without_a_seed_in_common_are_not_compared(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "b1", equal(9.0), strategy="sft", seed=1)
    (answer,) = answers(tmp_path)
    assert missing(answer, "no clear winner", "cannot be compared") == []
    assert "–" not in answer


def test_equal_means_of_one_seed_are_not_called_significant(tmp_path: Path) -> None:
    for strategy in ("annotate", "distill", "sft"):
        write_arm(tmp_path, strategy, {"student": {"rouge2": [4.0] * 12}}, strategy=strategy)
    assert "2 settings are equally good" in answers(tmp_path)[0]
    assert "significant" not in answers(tmp_path)[0]


def test_at_other_prices_the_answer_is_that_of_the_run_and_the_terminal_has_none(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "results" / "reference" / "pegasus"
    found = table.read(folder)
    other = repricing.reprice(found, repricing.asked(found).changed({"": 1.0}))
    console = Console(width=150, force_terminal=False, color_system=None)
    with console.capture() as shown_then:
        console.print(report.terminal(found, 150))
    with console.capture() as shown_now:
        console.print(report.terminal(other, 150))
    assert "no clear winner" in shown_then.get()
    assert "no clear winner" not in shown_now.get()
    written = report.write(folder, repricing.asked(other), out=tmp_path).read_text(encoding="utf-8")
    assert re.search(r"## Answer\n\n[^\n]*prices of the run", written)
