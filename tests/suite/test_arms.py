"""Arms: every cell, in an order that suits two workers, under names that change with what decides the outcome."""

from pathlib import Path

import pytest

from bench.suite import arms as plan
from bench.suite import suite_file
from tests.suite.test_suite import GOOD, read


def arms(tmp_path: Path, text: str = GOOD) -> tuple[plan.Arm, ...]:
    return plan.arms(read(tmp_path, text))


def test_there_is_an_arm_for_every_task_setting_budget_and_seed(tmp_path: Path) -> None:
    planned = arms(tmp_path, GOOD.replace("seeds: [1]", "seeds: [1, 2]"))
    assert len(planned) == 1 * 5 * 2 * 2
    assert len({arm.id for arm in planned}) == len(planned)


def test_small_budgets_come_first_and_seeds_are_neighbours(tmp_path: Path) -> None:
    planned = arms(tmp_path, GOOD.replace("seeds: [1]", "seeds: [1, 2]").replace("[1, 2.5]", "[2.5, 1]"))
    assert [arm.budget_usd for arm in planned] == [1.0] * 10 + [2.5] * 10
    assert [arm.seed for arm in planned[:4]] == [1, 2, 1, 2]


def test_an_id_changes_with_all_that_decides_the_outcome_and_with_nothing_else(tmp_path: Path) -> None:
    before = arms(tmp_path)[-1].id
    assert before.startswith("own.sft.2.5usd.seed1-")
    for other in ("label_usd: 0.2", "label_usd: 0.1, meter: wall", "label_usd: 0.1}\npays: {teacher_tuning: free"):
        assert arms(tmp_path, GOOD.replace("label_usd: 0.1", other))[-1].id != before
    assert arms(tmp_path, GOOD.replace("decoder_layers: 1", "decoder_layers: 2"))[-1].id != before
    assert arms(tmp_path, GOOD.replace("data.csv", "other.csv"))[-1].id != before
    assert arms(tmp_path, GOOD.replace("Which?", "What?"))[-1].id == before
    assert arms(tmp_path, GOOD.replace("seeds: [1]", "seeds: [1, 2]"))[-2].id == before
    assert arms(tmp_path, GOOD.replace("[1, 2.5]", "[0.5, 2.5]"))[-1].id == before


def test_only_takes_a_pattern_anywhere_in_the_name(tmp_path: Path) -> None:
    planned = arms(tmp_path)
    assert {arm.cell.label for arm in plan.only(planned, "sft*1usd")} == {"sft"}
    assert plan.only(planned, "nothing") == ()


def test_planning_the_same_text_twice_gives_the_same(tmp_path: Path) -> None:
    found = suite_file.read(Path("suites/smoke.yaml"))
    assert [a.id for a in plan.arms(found)] == [a.id for a in plan.arms(suite_file.read(Path("suites/smoke.yaml")))]


def test_an_id_changes_with_the_models_it_names_and_not_with_those_of_others(tmp_path: Path) -> None:
    text = GOOD.replace("decoder_layers: 1}", "model: small}\nmodels: {small: {use: random}, other: {use: random}}")
    before = arms(tmp_path, text)[-1].id
    assert arms(tmp_path, text.replace("small: {use: random}", "small: {use: random, with: {seed: 1}}"))[-1].id != before
    assert arms(tmp_path, text.replace("other: {use: random}", "other: {use: random, with: {seed: 1}}"))[-1].id == before


@pytest.mark.parametrize(
    ("suite", "arm"),
    [
        ("smoke", "stories.annotate.4usd.seed1-461dc0ef"),
        ("pegasus", "news.annotate.3usd.seed1-bcccc53c"),
        ("distillation", "names.sft.40usd.seed1-6fb62ad7"),
        ("shapes", "names.t5.12usd.seed1.compact.model=deep-dm64-ed9d3885"),
    ],
)
def test_arms_have_the_ids_under_which_they_were_paid_for(suite: str, arm: str) -> None:
    """A setting that is added with a default gives every arm another id, unless its part names it in `added`."""
    assert plan.arms(suite_file.read(Path(f"suites/{suite}.yaml")))[0].id == arm


def test_a_setting_that_was_added_counts_where_it_is_not_at_its_default(tmp_path: Path) -> None:
    ids = [
        arms(tmp_path, f"{GOOD}\nmetrics: {{rouge: {{use: rouge, with: {{tokenizer: {tokenizer}}}}}}}\n")[0].id
        for tokenizer in ("latin", "unicode", "characters")
    ]
    assert ids[0] == arms(tmp_path)[0].id
    assert len(set(ids)) == 3
