"""What looks decide from arrays of scores, and how often that is wrong in simulated runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.adaptive.decide import compare, decide
from bench.report.analysis import ranking
from bench.report.analysis.significance import Floats
from benchmarks.until_decided import MEASURED, arms_of_fixed, equal_steps, false_winners, one_ahead, runs, winners_of

LEVELS = (0.01, 0.01, 0.01, 0.01)
SEEDS = (2, 3, 4, 5)
NUMBER = 400
"""Simulated runs."""


def scores(*truth: float, noise: float = 0.5, seeds: int = 5, examples: int = 40) -> Floats:
    """(settings, seeds, examples), around a true score of each setting."""
    generator = np.random.default_rng(3)
    return np.array(truth)[:, None, None] + noise * generator.standard_normal((len(truth), seeds, examples))


def test_a_setting_far_below_stops_at_the_first_look_and_the_best_of_two_wins() -> None:
    found = decide(scores(30.0, 10.0), SEEDS, LEVELS, margin=0.1)
    assert (found.winner, found.stopped, found.looks, found.decided) == (0, {1: 1}, 1, True)
    mean, low, high = found.behind[1]
    assert low < mean < high
    assert mean == pytest.approx(20.0, abs=0.5)


def test_settings_that_are_as_good_are_equal_within_the_margin_and_others_stop() -> None:
    found = decide(scores(30.0, 10.0, 30.0), SEEDS, LEVELS, margin=2.0)
    assert (found.winner, found.equal, sorted(found.playing)) == (None, True, [0, 2])
    assert found.stopped == {1: 1}


def test_nothing_is_decided_by_one_seed() -> None:
    found = decide(scores(30.0, 10.0), (1,), (0.0,), margin=100.0)
    assert (found.decided, found.playing, found.stopped, found.looks) == (False, (0, 1), {}, 1)


def test_a_look_reads_no_seed_that_comes_later_and_no_setting_that_has_stopped() -> None:
    all_of_them = scores(30.0, 10.0, 30.2, noise=2.0)
    known = all_of_them.copy()
    known[1, 2:] = np.nan
    assert decide(known, SEEDS, LEVELS, 0.0) == decide(all_of_them, SEEDS, LEVELS, 0.0)
    before = decide(all_of_them, SEEDS[:2], LEVELS[:2], 0.0)
    assert before == decide(all_of_them[:, :3], SEEDS[:2], LEVELS[:2], 0.0)


def test_a_setting_without_a_score_for_a_seed_is_left_out_and_does_not_win() -> None:
    known = scores(30.0, 29.9, 10.0)
    known[0, 2] = np.nan
    found = decide(known, SEEDS, LEVELS, margin=0.0)
    assert (found.unscored, found.stopped, found.winner) == ({0: 2}, {2: 1}, 1)
    alone = decide(known[[0, 1]], SEEDS, LEVELS, margin=0.0)
    assert (alone.winner, alone.decided, alone.stopped) == (None, True, {})


def test_examples_that_one_setting_lacks_count_for_none() -> None:
    known = scores(30.0, 30.0, examples=40)
    known[0, 1, :5] = np.nan
    known[1, :, :5] = 1000.0
    assert decide(known, SEEDS, LEVELS, 0.0).stopped == {}
    few = decide(known[..., :8], SEEDS, LEVELS, 0.0)
    assert (few.enough_examples, few.decided, few.looks) == (False, False, 4)


def test_pairs_are_compared_as_a_board_compares_them() -> None:
    three = scores(30.0, 29.5, 28.0, noise=2.0)
    found = compare(three, 0.05)
    board = ranking.ranking({str(name): pd.DataFrame(rows) for name, rows in enumerate(three)})
    for place in (1, 2):
        estimate = board.difference("0", str(place))
        assert found.behind(0, place) == pytest.approx((estimate.mean, estimate.low, estimate.high))


@pytest.mark.parametrize("settings", [2, 5])
def test_simulated_runs_are_decided_as_real_ones(settings: int) -> None:
    simulated = MEASURED.suites(np.random.default_rng(0), 40, settings, 5, 50) + 2.0 * np.arange(settings)[:, None, None]
    found, arms = winners_of(simulated, SEEDS, LEVELS)
    single = [decide(one, SEEDS, LEVELS, margin=0.0) for one in simulated]
    assert found == [-1 if one.winner is None else one.winner for one in single]
    assert len(set(found)) > 1
    assert arms == sum(SEEDS[one.stopped.get(setting, one.looks) - 1] for one in single for setting in range(settings))


@pytest.mark.parametrize(
    ("settings", "looks", "name"),
    [
        (2, 20, "all equal"),
        (4, 10, "all equal"),
        (4, 10, "two best, others 1 below"),
        (4, 20, "two best, others 20 below"),
        (8, 5, "all equal"),
        (8, 5, "steps of 0.1"),
        (8, 20, "two best, others 20 below"),
    ],
)
def test_at_most_5_of_100_runs_name_a_false_winner(settings: int, looks: int, name: str) -> None:
    found = runs(MEASURED, false_winners(settings)[name], first=3, looks=looks, number=NUMBER, examples=100)
    assert found.false <= 0.05 + 2 * (0.05 * 0.95 / NUMBER) ** 0.5


@pytest.mark.parametrize(("truth", "share", "number"), [(one_ahead(2, 2.0), 0.75, 1500), (equal_steps(4, 2.0), 0.6, 300)])
def test_a_run_needs_fewer_arms_than_a_fixed_one_of_equal_power(truth: list[float], share: float, number: int) -> None:
    found = runs(MEASURED, truth, first=3, looks=18, number=number)
    assert found.right > 0.8
    assert found.arms <= share * arms_of_fixed(MEASURED, truth, found.right, number=number)
