"""How often intervals and tests are right, on simulated suites; docs/statistics.md has the longer tables."""

from __future__ import annotations

import math
from functools import partial

import pytest

from bench.report.analysis import ranking, significance
from benchmarks.statistics import STRAINED, WORLDS, World, calls, coverage, promised

MEASURED = WORLDS[0]


@pytest.mark.parametrize("paired", [False, True], ids=["means", "paired differences"])
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_intervals_over_3_seeds_and_200_examples_cover_the_truth_93_to_97_times_in_100(world: World, paired: bool) -> None:
    assert 0.93 <= coverage(world, seeds=3, examples=200, number=4000, paired=paired) <= 0.975  # 97 %, and the error of 4,000 suites


@pytest.mark.parametrize("paired", [False, True], ids=["means", "paired differences"])
@pytest.mark.parametrize(("seeds", "examples", "number"), [(3, 100, 3000), (3, 1000, 600), (5, 200, 3000)])
def test_intervals_over_other_numbers_of_seeds_and_examples_cover_it_as_often(seeds: int, examples: int, number: int, paired: bool) -> None:
    assert 0.93 <= coverage(WORLDS[2], seeds, examples, number, paired=paired) <= 0.97


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_intervals_over_2_seeds_cover_it_95_to_99_times_in_100(world: World) -> None:
    assert 0.94 <= coverage(world, seeds=2, examples=200, number=2000, paired=True) <= 0.99


@pytest.mark.parametrize(("settings", "seeds"), [(4, 3), (8, 3), (4, 2), (8, 2)])
def test_where_no_setting_is_better_a_winner_is_called_in_at_most_5_of_100_suites(settings: int, seeds: int) -> None:
    called = calls(MEASURED, settings, seeds, examples=200, number=600)
    assert called.winner <= 0.05
    assert called.left_out <= 0.05
    assert called.wrongly <= 0.05


@pytest.mark.parametrize(("settings", "seeds"), [(4, 2), (4, 3), (8, 3)])
@pytest.mark.parametrize("world", [WORLDS[0], WORLDS[4]], ids=lambda world: world.name)
def test_where_two_settings_are_equally_good_and_all_others_far_below_neither_wins_more_often(
    world: World, settings: int, seeds: int
) -> None:
    called = calls(world, settings, seeds, examples=200, number=500, best=2)
    assert called.winner <= 0.05
    assert called.left_out <= 0.03


@pytest.mark.parametrize("world", STRAINED, ids=lambda world: world.name)
def test_where_these_two_also_vary_far_more_than_the_others_a_winner_is_false_twice_as_often_at_most(world: World) -> None:
    called = calls(world, settings=4, seeds=3, examples=200, number=500, best=2)
    assert called.winner <= 0.10
    assert called.left_out <= 0.05


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("world", WORLDS[1:], ids=lambda world: world.name)
def test_the_same_holds_whatever_the_scores_are_like(world: World, seeds: int) -> None:
    of_two = 1 - coverage(world, seeds, examples=200, number=6000, paired=True)  # of two a winner is called most often
    assert of_two <= 0.053  # 5 %, and the error of 6,000 suites
    assert calls(world, settings=4, seeds=seeds, examples=200, number=300).wrongly <= 0.05


@pytest.mark.parametrize("world", STRAINED, ids=lambda world: world.name)
def test_the_same_holds_where_settings_do_not_vary_equally_or_independently_between_seeds(world: World) -> None:
    assert calls(world, settings=4, seeds=2, examples=200, number=500).winner <= 0.05


@pytest.mark.parametrize(("settings", "seeds"), [(4, 3), (4, 5)])
def test_a_setting_that_leads_is_found_as_often_as_the_report_says(settings: int, seeds: int) -> None:
    lead = promised(MEASURED, settings, seeds, examples=200, number=100)
    called = calls(MEASURED, settings, seeds, examples=200, number=400, best=2, lead=lead, seed=1)
    assert called.wrongly <= 0.05
    assert 0.74 <= called.found <= 0.88


def test_with_4_settings_and_5_seeds_the_lead_that_is_found_is_a_quarter_smaller_than_by_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    lead = promised(MEASURED, settings=4, seeds=5, examples=1000, number=20)
    level = significance.LEVEL / math.comb(4, 2)
    monkeypatch.setattr(ranking.significance, "half_width", partial(significance.half_width, level=level))
    assert lead <= 0.75 * promised(MEASURED, settings=4, seeds=5, examples=1000, number=20)


def test_a_very_large_difference_always_makes_a_winner() -> None:
    assert calls(MEASURED, settings=4, seeds=3, examples=200, number=50, lead=20.0).found == 1.0
