import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bench import report
from bench.contracts import Charge, Reading
from bench.report.blocks import Mark, Paragraph, Points
from bench.report.sections import advice
from bench.results import repricing, table
from tests.facts import missing
from tests.report.arms import Scores, write_arm, write_suite
from tests.report.reading import equal, made, prose, row, shown, words


def two_seeds(folder: Path, name: str, scores: Scores, **about: Any) -> None:
    """The same scores with both."""
    for seed in (0, 1):
        write_arm(folder, f"{name}-{seed}", scores, seed=seed, **about)


def cards(folder: Path) -> list[list[str]]:
    """The sentences of each task and budget. The first one stands out."""
    found: list[list[str]] = []
    for block in made(folder)["answer"].blocks:
        if isinstance(block, Points):
            found[-1] += map(words, block.items)
        elif isinstance(block, Paragraph) and isinstance(block.text, Mark):
            found.append([words(block.text)])
    return found


def answers(folder: Path) -> list[str]:
    """The same, each as one text."""
    return [" ".join(found) for found in cards(folder)]


def certainty(folder: Path) -> str:
    return prose(made(folder)["certainty"])


def test_with_one_seed_no_setting_is_the_best(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", equal(2.0))
    write_arm(tmp_path, "b", equal(5.0), strategy="sft")
    (answer,) = answers(tmp_path)
    assert missing(answer, "10 USD", "one seed", "guess is sft", "5.00 [5.00, 5.00] rouge2", "two seeds") == []
    assert "bench run SUITE --until-decided" in prose(made(tmp_path)["answer"])
    assert "annotate, 3.00 [3.00, 3.00] behind" in answer
    assert "more seeds" not in answer
    assert "1 seed and 12 test examples" in certainty(tmp_path)
    assert "one seed only" in certainty(tmp_path)
    assert row(made(tmp_path)["leaderboard"], "sft")["rank"] == "–"


def test_settings_that_tie_have_no_winner_and_are_all_named(tmp_path: Path) -> None:
    for strategy in ("annotate", "distill", "sft"):
        two_seeds(tmp_path, strategy, equal(0.0), strategy=strategy)
    (answer,) = answers(tmp_path)
    assert missing(answer, "10 USD", "use a rule", "0.50 rouge2", "guess is annotate", "0.00 [0.00, 0.00] rouge2", "distill, 0.00") == []
    assert "distill and sft" in certainty(tmp_path)
    assert "rouge2 (-0.50 [-0.50, -0.50])" in certainty(tmp_path)


def test_without_values_by_example_the_answer_has_no_interval(tmp_path: Path) -> None:
    for strategy, value in (("annotate", 2.0), ("sft", 5.0)):
        (write_arm(tmp_path, strategy, equal(value), strategy=strategy) / "predictions.jsonl").unlink()
    (answer,) = answers(tmp_path)
    assert "[" not in answer
    assert missing(answer, "scores by example", "sft", "5.00 rouge2", "annotate, 3.00 behind", "0.50") == []
    assert "there is no interval" in certainty(tmp_path)
    assert "rouge2 (4.50)" in certainty(tmp_path)


def test_a_setting_that_lacks_a_seed_wins_nothing_and_is_left_out(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "a1", equal(1.0), seed=1)
    write_arm(tmp_path, "b0", equal(9.0), strategy="sft")
    (answer,) = answers(tmp_path)
    assert "only annotate has" in answer
    assert "2.00 [" in answer
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
    behind = {"At 5 USD": ("4.00 [4.00, 4.00]", "annotate, 1.00"), "At 20 USD": ("8.00 [8.00, 8.00]", "annotate, 5.00")}
    for answer, (budget, facts) in zip(answers(tmp_path), behind.items(), strict=True):
        assert missing(answer, budget, "sft is best", *facts, "teacher 6.00", "0.50") == []


def test_an_answer_has_at_most_four_sentences_and_no_brackets_within_brackets() -> None:
    for folder in (Path(__file__).parents[2] / "results" / "reference").iterdir():
        for found in cards(folder):
            assert 1 <= len(found) <= 4
            for sentence in found:
                assert len(re.findall(r"[.?!](?= |$)", sentence)) == 1
                assert not re.search(r"\([^)]*\(", sentence)


def test_a_strategy_is_best_where_only_its_settings_tie(tmp_path: Path) -> None:
    for setting in ("label_share=0.0", "label_share=0.5"):
        two_seeds(tmp_path, setting, equal(5.0), strategy="distill", setting=setting)
    two_seeds(tmp_path, "a", equal(3.0))
    ((first, second, *_),) = cards(tmp_path)
    assert missing(first, "distill is best", "significantly worse") == []
    assert "no winner" not in first
    assert missing(second, "guess", "distill (label_share=0.0)") == []


def test_no_strategy_is_best_where_another_one_lacks_a_seed_or_there_is_no_other(tmp_path: Path) -> None:
    for setting in ("label_share=0.0", "label_share=0.5"):
        two_seeds(tmp_path, setting, equal(5.0), strategy="distill", setting=setting)
    assert "distill is best" not in cards(tmp_path)[0][0]
    write_arm(tmp_path, "a", equal(3.0))
    assert "distill is best" not in cards(tmp_path)[0][0]


def test_a_rule_that_beats_every_model_comes_first(tmp_path: Path) -> None:
    for strategy, score in (("annotate", 0.1), ("sft", 0.2)):
        two_seeds(tmp_path, strategy, equal(score), strategy=strategy)
    ((first, *_),) = cards(tmp_path)
    assert missing(first, "10 USD", "use a rule", "0.50 rouge2", "lead", "every model") == []


def test_a_rule_is_better_than_the_best_model_alone_where_it_is_not_significantly_better_than_another_one(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    for seed in (0, 1):
        write_arm(tmp_path, f"a{seed}", equal(0.2), seed=seed)
        noisy = {"student": {"rouge2": list(generator.normal(0.0, 5.0, 12))}}
        write_arm(tmp_path, f"b{seed}", noisy, strategy="sft", seed=seed)
    ((first, *_),) = cards(tmp_path)
    assert missing(first, "use a rule", "the best model") == []
    assert "every model" not in first


def test_a_rule_that_scores_the_same_has_no_lead_over_it(tmp_path: Path) -> None:
    for strategy, score in (("annotate", 0.1), ("sft", 0.5)):
        two_seeds(tmp_path, strategy, equal(score), strategy=strategy)
    (answer,) = answers(tmp_path)
    assert missing(answer, "sft is best", "the same") == []
    assert "chance" not in answer


@pytest.mark.parametrize(("examples", "found"), [(2, True), (3, True), (4, False)])
def test_too_few_test_examples_are_counted(tmp_path: Path, examples: int, found: bool) -> None:
    for strategy in ("annotate", "sft"):
        two_seeds(tmp_path, strategy, equal(3.0, examples), strategy=strategy)
    assert ("fewer than 4" in certainty(tmp_path)) == found
    assert "only one test" not in certainty(tmp_path)


def test_labels_dollars_and_unspent_money_are_named(tmp_path: Path) -> None:
    for strategy, score, usd in (("annotate", 3.0, 9.0), ("distill", 5.0, 1.5)):
        labels = Charge(kind="labels", quantity=usd * 10, unit="label", unit_price_usd=0.1, paid_by="purse", phase="labels")
        about: dict[str, Any] = {"charges": [labels], "facts": {"labels_bought": usd * 10}}
        two_seeds(tmp_path, strategy, equal(score), strategy=strategy, **about)
    (answer,) = answers(tmp_path)
    assert missing(answer, "distill is best", "15 labels", "spend 1.50 of 10 USD") == []
    assert "annotate spends" not in answer


def test_other_settings_that_leave_most_of_their_budget_are_named_or_counted(tmp_path: Path) -> None:
    for settings, fact in ((1, "sft (layers=1) spends 1.00 of 10 USD"), (3, "sft (layers=3)"), (4, "4 settings")):
        for place in range(1, settings + 1):
            cheap = [Charge(kind="labels", quantity=10, unit="label", unit_price_usd=0.1, paid_by="purse", phase="labels")]
            folder = tmp_path / str(settings)
            two_seeds(folder, f"a{place}", equal(1.0 + place), strategy="sft", setting=f"layers={place}", charges=cheap)
        two_seeds(folder, "best", equal(9.0))
        assert fact in cards(folder)[0][1]
        assert "more" not in cards(folder)[0][1]


def test_where_seeds_could_decide_it_names_their_number_the_time_and_the_command(tmp_path: Path) -> None:
    write_noisy(tmp_path, readings=[Reading("wall", 90.0, "s", "counter")], annotate=0.0, sft=1.0)
    write_suite(tmp_path, path="my suites/one.yaml")
    (answer,) = answers(tmp_path)
    found = re.search(r"(\d+) more seeds? \((\d+) minutes?\)", answer)
    assert found
    seeds, minutes = map(int, found.groups())
    assert minutes == round(seeds * 2 * 90 / 60)
    limit = f" --max-seeds {3 + seeds}" if seeds > 17 else ""
    assert prose(made(tmp_path)["answer"]).endswith(f"bench run 'my suites/one.yaml' --until-decided{limit}")


def test_a_setting_is_recommended_also_where_its_dollars_are_not_known() -> None:
    assert words(advice.recommended("sft", "buy 5 labels", "guess")).endswith(" sft: buy 5 labels.")
    assert words(advice.recommended("sft", "", "guess")).endswith(" sft.")
    assert advice.recommended("sft", "", "only") == ""


def test_arms_without_a_score_have_the_command_that_runs_them(tmp_path: Path) -> None:
    write_suite(tmp_path, path="one.yaml", arms=["a", "b", "c"])
    write_arm(tmp_path, "a", equal(3.0))
    (write_arm(tmp_path, "b", equal(3.0), seed=1) / "record.json").unlink()
    assert re.match(r"2 .*: bench run one\.yaml$", prose(made(tmp_path)["answer"]).splitlines()[-1])
    write_arm(tmp_path, "c", strategy="sft", status="failed", reason="a full disk")
    assert re.match(r"2 .*: bench run one\.yaml --retry$", prose(made(tmp_path)["answer"]).splitlines()[-1])


def test_a_setting_without_rivals_is_not_the_best_of_anything(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", {"student": {"rouge2": [3.0] * 12}})
    (answer,) = answers(tmp_path)
    assert answer.startswith("At 10 USD only annotate ")
    assert "3.00 [3.00, 3.00] rouge2." in answer


def test_several_tasks_are_named(tmp_path: Path) -> None:
    for task in ("one", "two"):
        write_arm(tmp_path, task, equal(3.0), task=task)
    assert [answer.split(" at ")[0] for answer in answers(tmp_path)] == ["one:", "two:"]


def test_many_ties_are_named_below_the_answer(tmp_path: Path) -> None:
    for layers in range(1, 7):
        two_seeds(tmp_path, f"a{layers}", equal(4.0), strategy="sft", setting=f"layers={layers}")
    (answer,) = answers(tmp_path)
    assert missing(answer, "guess is sft (layers=1)", "4.00 [4.00, 4.00] rouge2", "sft (layers=2), 0.00") == []
    assert ", ".join(f"sft (layers={layers})" for layers in range(2, 6)) + " and sft (layers=6)." in certainty(tmp_path)


def test_where_every_arm_is_infeasible_the_answer_counts_them(tmp_path: Path) -> None:
    write_arm(tmp_path, "a", status="infeasible", reason="too dear", budget_usd=1.0)
    (answer,) = answers(tmp_path)
    assert "(1 infeasible)" in answer
    write_arm(tmp_path, "b", equal(3.0), budget_usd=9.0)
    write_arm(tmp_path, "c", strategy="distill", status="infeasible", reason="too dear", budget_usd=9.0)
    assert [one.split(" USD")[0] for one in answers(tmp_path)] == ["At 1", "At 9"]
    assert "distill (1 infeasible)" in certainty(tmp_path)


def write_noisy(folder: Path, readings: Sequence[Reading] = (), **ahead: float) -> None:
    """Strategies that are so much better than hard examples, over three seeds that differ, and with noise."""
    generator = np.random.default_rng(3)
    hard = generator.gamma(1.0, 10.0, 150)
    for seed in range(3):
        for strategy, by in ahead.items():
            scores = hard + by + generator.normal(0, 0.5) + generator.normal(0, 6.0, 150)
            student = {"student": {"rouge2": list(scores)}}
            write_arm(folder, f"{strategy}-{seed}", student, strategy=strategy, seed=seed, readings=readings)


def test_the_answer_has_a_p_value_and_the_difference_that_could_have_been_found(tmp_path: Path) -> None:
    write_noisy(tmp_path, annotate=0.0, distill=0.3, sft=15.0)
    (answer,) = answers(tmp_path)
    assert answer.startswith("At 10 USD ")
    assert "sft is best" in answer
    assert re.search(r"Next is annotate, 1[45]\.\d\d \[1[\d.]+, 1[\d.]+\] behind", answer)
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
    assert re.search(r"sft \(layers=0\), 1\.\d\d \[0\.\d\d, \d\.\d\d\] .* 11 settings", answer)


def test_the_setting_that_ties_is_named_also_behind_one_that_is_significantly_worse(tmp_path: Path) -> None:
    write_one_noisy(tmp_path, ahead=3.5, spread=3.0)
    (answer,) = answers(tmp_path)
    assert missing(answer, "At 10 USD", "no winner") == []
    assert re.search(r"Next is sft \(layers=noisy\), [34]\.\d\d \[", answer)
    assert "layers=0" not in answer
    assert "among 11" not in answer


def test_settings_without_a_seed_in_common_are_not_compared(tmp_path: Path) -> None:
    write_arm(tmp_path, "a0", equal(3.0))
    write_arm(tmp_path, "b1", equal(9.0), strategy="sft", seed=1)
    (answer,) = answers(tmp_path)
    assert missing(answer, "no winner", "cannot be compared") == []
    assert "–" not in answer


def test_equal_means_of_one_seed_are_not_called_significant(tmp_path: Path) -> None:
    for strategy in ("annotate", "distill", "sft"):
        write_arm(tmp_path, strategy, {"student": {"rouge2": [4.0] * 12}}, strategy=strategy)
    assert "0.00 [0.00, 0.00] behind" in answers(tmp_path)[0]
    assert "significant" not in answers(tmp_path)[0]
    assert "two seeds" in answers(tmp_path)[0]


def test_at_other_prices_the_answer_is_that_of_the_run_and_the_terminal_has_none(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "results" / "reference" / "pegasus"
    found = table.read(folder)
    other = repricing.reprice(found, repricing.asked(found).changed({"": 1.0}))
    console = Console(width=150, force_terminal=False, color_system=None)
    with console.capture() as shown_then:
        console.print(report.terminal(found, 150))
    with console.capture() as shown_now:
        console.print(report.terminal(other, 150))
    assert "Answer" in shown_then.get()
    assert "Answer" not in shown_now.get()
    written = report.write(folder, repricing.asked(other), out=tmp_path).read_text(encoding="utf-8")
    assert re.search(r"## Answer\n\n[^\n]*budgets of the run[^\n]*these prices", written)
