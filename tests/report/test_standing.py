"""Who leads: the same in the answer card, for an exported model and in the Python API."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.report import model_card
from bench.report.analysis.chosen import choose
from bench.report.analysis.looks import ENTRY, Decision, UntilDecided
from bench.report.analysis.pair import Pair
from bench.report.analysis.significance import Estimate, Spread, p_value
from bench.report.analysis.standing import Standing, standing
from bench.report.sections import advice
from bench.results import table
from tests.facts import missing
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal, given, made, prose, words
from tests.report.test_card import cards, two_seeds
from tests.report.test_model_card import exported


def leads(folder: Path) -> Standing:
    """Who leads on the only board."""
    found = given(folder)
    (board,) = found.boards
    return standing(board, found.until_decided)


def chosen_text(folder: Path) -> str:
    """The section of a model card that says which arm was taken."""
    found = table.read(folder)
    card = model_card.card(found, choose(found), exported(folder / "model"))
    return card.split("## Which model this is\n")[1].split("\n## ")[0]


def write_looks(folder: Path, **about: Any) -> None:
    """Two looks of one seed each, and what they decided."""
    nothing = {"winner": "", "equal": False, "playing": (), "stopped": {}, "unscored": {}, "behind": {}, "open": ""}
    decision = Decision(task="docstrings", budget_usd=10.0, looks=2, level=0.02, **{**nothing, **about})
    run = UntilDecided(looks=((0,), (1,)), levels=(0.0, 0.02), max_seeds=20, margin=1.0, decisions=(decision,))
    write_suite(folder, **{ENTRY: asdict(run)})


@pytest.mark.parametrize("with_scores", [True, False])
def test_a_winner_is_one_of_the_settings_that_have_every_seed_and_the_card_says_so(tmp_path: Path, with_scores: bool) -> None:
    two_seeds(tmp_path, "x", equal(80.0), strategy="x")
    two_seeds(tmp_path, "z", equal(70.0), strategy="z")
    assert "every seed" not in cards(tmp_path)[0][0] + chosen_text(tmp_path)
    assert leads(tmp_path).all_compared
    if with_scores:
        write_arm(tmp_path, "y-0", equal(90.0), strategy="y")
    write_arm(tmp_path, "y-1", strategy="y", seed=1, status="failed", reason="a full disk")
    assert missing(cards(tmp_path)[0][0], "x is best", "every seed") == []
    assert missing(chosen_text(tmp_path), "significantly better", "every seed") == []
    assert (leads(tmp_path).wins, leads(tmp_path).all_compared) == (True, False)


@pytest.mark.parametrize("status", ["failed", "infeasible"])
def test_a_strategy_is_not_better_than_one_that_has_no_score(tmp_path: Path, status: str) -> None:
    for setting in ("label_share=0.0", "label_share=0.5"):
        two_seeds(tmp_path, setting, equal(5.0), strategy="distill", setting=setting)
    two_seeds(tmp_path, "a", equal(3.0))
    assert missing(cards(tmp_path)[0][0], "distill is best", "every setting") == []
    write_arm(tmp_path, "sft", strategy="sft", status=status, reason="why")
    first = cards(tmp_path)[0][0]
    assert missing(first, "distill is best", "every seed") == []
    assert "every setting" not in first


def test_looks_name_no_strategy_best_where_another_one_was_left_out(tmp_path: Path) -> None:
    for setting in ("label_share=0.0", "label_share=0.5"):
        two_seeds(tmp_path, setting, equal(5.0), setting=setting)
    two_seeds(tmp_path, "sft", equal(3.0), strategy="sft")
    playing = ("annotate (label_share=0.0)", "annotate (label_share=0.5)")
    write_looks(tmp_path, playing=playing, stopped={"sft": 2})
    assert "annotate is best" in cards(tmp_path)[0][0]
    assert leads(tmp_path).strategy == "annotate"
    write_arm(tmp_path, "distill", equal(9.0), strategy="distill")
    write_looks(tmp_path, playing=playing, stopped={"sft": 2}, unscored={"distill": 2})
    assert leads(tmp_path).strategy == ""
    assert "no winner" in cards(tmp_path)[0][0]
    (board,) = bench.read(tmp_path).answer.document()["boards"]
    assert board["best_strategy"] is None


def test_the_winner_of_looks_wins_everywhere(tmp_path: Path) -> None:
    two_seeds(tmp_path, "a", equal(5.0))
    two_seeds(tmp_path, "b", equal(3.0), strategy="sft")
    assert leads(tmp_path).wins
    write_looks(tmp_path, playing=("annotate", "sft"))
    assert not choose(table.read(tmp_path)).leads.wins
    assert "significantly" not in chosen_text(tmp_path)
    write_looks(tmp_path, winner="annotate", playing=("annotate",), stopped={"sft": 2})
    (board,) = bench.read(tmp_path).answer.document()["boards"]
    assert (board["winner"], choose(table.read(tmp_path)).leads.wins) == ("annotate", True)
    assert "every seed" not in cards(tmp_path)[0][0]
    write_arm(tmp_path, "c", strategy="distill", status="failed", reason="a full disk")
    write_looks(tmp_path, winner="annotate", playing=("annotate",), stopped={"sft": 2}, unscored={"distill": 1})
    assert missing(cards(tmp_path)[0][0], "annotate is best", "every seed") == []


@pytest.mark.parametrize(("limit", "more"), [("the largest number of seeds, 2, is reached", True), ("", False)])
def test_the_section_on_looks_says_whether_a_limit_ended_the_run(tmp_path: Path, limit: str, more: bool) -> None:
    two_seeds(tmp_path, "a", equal(5.0))
    two_seeds(tmp_path, "b", equal(5.0), strategy="sft")
    write_looks(tmp_path, playing=("annotate", "sft"), equal=not limit, open=limit)
    assert ("further look" in prose(made(tmp_path)["looks"])) == more


def pair(mean: float, spread: Spread, seeds: int, p: float | None = None) -> Pair:
    """A pair on 100 examples. p: the corrected p-value, by default that of the pair's own test."""
    own = float(p_value(np.array(mean), spread))
    gap = Estimate(mean=mean, low=-1.0, high=3.0, seeds=seeds, examples=100, p=own if p is None else p)
    return Pair(best="a", second="b", gap=gap, spread=spread, settings=2, spent_usd=(1.0, 2.0))


def variances(seeds: float, examples: float, freedom: int, cells: float = 0.0) -> Spread:
    """Variances of a mean as numbers, as the analysis holds them."""
    by_seed, by_example, of_cells = map(np.array, (seeds, examples, cells))
    return Spread(by_seed, by_example, of_cells, freedom)


def test_without_variance_from_examples_further_seeds_are_those_of_students_t() -> None:
    # Three seeds, variance 0.9: with n of them t is sqrt(n / 2.7). It passes 2.179, the quantile of 12 degrees of freedom, with 13 seeds.
    found = pair(1.0, variances(0.9, 0.0, freedom=2), seeds=3)
    assert found.further_seeds == 10
    assert found.seeds == 13


def test_variance_from_examples_does_not_shrink_with_seeds() -> None:
    alone, both = (pair(1.0, variances(0.5 - part, part, freedom=4), seeds=5) for part in (0.0, 0.2))
    assert alone.further_seeds < both.further_seeds < math.inf
    never = pair(1.0, variances(0.1, 0.4, freedom=4), seeds=5)  # without any variance between seeds z is 1.58
    assert never.further_seeds == math.inf
    assert never.seeds == 0


def test_further_examples_are_the_fewest_that_make_the_difference_significant() -> None:
    by_seed, by_example = 0.05, 0.4
    found = pair(1.0, variances(by_seed, by_example, freedom=4), seeds=5)
    assert found.further_examples
    several = [found.further_examples - 1, found.further_examples]
    p = [float(p_value(np.array(1.0), variances(by_seed, by_example * 100 / (100 + more), freedom=4))) for more in several]
    assert p[1] < 0.05 <= p[0]
    assert pair(0.1, variances(by_seed, by_example, freedom=4), seeds=5).further_examples is None


def test_a_corrected_p_value_asks_for_more_seeds() -> None:
    spread = variances(0.5, 0.0, freedom=4)
    assert pair(1.0, spread, seeds=5, p=0.4).further_seeds > pair(1.0, spread, seeds=5).further_seeds
    assert pair(1.0, spread, seeds=5, p=1.0).further_seeds == math.inf
    assert pair(0.0, spread, seeds=5).further_seeds == math.inf


@pytest.mark.parametrize(
    ("found", "seeds"),
    [
        (pair(1.0, variances(0.9, 0.0, freedom=2), seeds=3), 13),
        (pair(1.0, variances(2.09, 0.0, freedom=2), seeds=3), 27),
        (pair(0.1, variances(1.0, 0.0, freedom=2), seeds=3), 0),
        (pair(1.0, variances(0.1, 0.4, freedom=4), seeds=5), 0),
        (pair(9.0, variances(0.1, 0.4, freedom=4), seeds=5), 0),
        (pair(2.0, variances(0.1, 0.4, freedom=1), seeds=1, p=math.nan), 2),
    ],
)
def test_seeds_are_added_where_they_may_decide(found: Pair, seeds: int) -> None:
    assert found.seeds == seeds
    command = words(advice.add_seeds([found], "x.yaml"))
    assert command.endswith("--max-seeds 27" if seeds == 27 else "bench run x.yaml --until-decided" if seeds else "")
    assert bool(command) == bool(seeds)


@pytest.mark.parametrize("spread", [variances(1.0, 0.0, freedom=2), variances(0.1, 0.4, freedom=4)])
def test_of_two_settings_that_seeds_cannot_separate_the_cheaper_one_is_named(spread: Spread) -> None:
    ends = {(1.0, 2.0): "one, a.", (2.0, 1.0): "one, b.", (1.0, 1.0): "either.", (math.nan, 1.0): "either."}
    for usd, end in ends.items():
        assert advice.next_one(replace(pair(0.1, spread, seeds=5), spent_usd=usd)).endswith(end)


def test_where_examples_would_separate_two_settings_their_number_is_named() -> None:
    found = pair(1.0, variances(0.05, 0.4, freedom=4), seeds=5)
    assert found.further_examples
    assert missing(advice.next_one(found), "cannot", f"{float(f'{found.further_examples:.2g}'):.0f} more test examples") == []
