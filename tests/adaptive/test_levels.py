"""Levels of looks, against published tables and their own error probability."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from bench.adaptive.levels import SPENT, critical_values, error_probability, nominal_levels
from bench.report.analysis.significance import LEVEL

POCOCK = {2: 2.178, 3: 2.289, 5: 2.413, 10: 2.555, 20: 2.672}
OBRIEN_FLEMING = {2: 1.977, 3: 2.004, 5: 2.040, 10: 2.087, 20: 2.126}
"""Number of looks -> constant for 5 % (Jennison and Turnbull 2000, tables 2.1 and 2.3)."""

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


def shares(looks: int) -> list[float]:
    return [look / looks for look in range(1, looks + 1)]


@pytest.mark.parametrize("looks", POCOCK)
def test_the_published_constants_have_an_error_of_5_percent(looks: int) -> None:
    pocock = [POCOCK[looks]] * looks
    falling = [OBRIEN_FLEMING[looks] / math.sqrt(share) for share in shares(looks)]
    assert error_probability(shares(looks), pocock) == pytest.approx(0.05, abs=1e-4)
    assert error_probability(shares(looks), falling) == pytest.approx(0.05, abs=1e-4)


def test_spending_functions_of_lan_and_demets_give_their_published_bounds() -> None:
    normal = NormalDist()
    like_obrien = [4 * (1 - normal.cdf(normal.inv_cdf(1 - 0.0125) / math.sqrt(share))) for share in FIFTHS]
    like_pocock = [0.05 * math.log(1 + (math.e - 1) * share) for share in FIFTHS]
    assert critical_values(FIFTHS, like_obrien) == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)
    assert critical_values(FIFTHS, like_pocock) == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=2e-4)


@pytest.mark.parametrize("first", [3, 5])
def test_all_looks_of_a_design_together_have_the_error_that_is_spent(first: int) -> None:
    seeds = tuple(range(first, 21))
    levels = nominal_levels(seeds, 20)
    values = [-NormalDist().inv_cdf(level / 2) for level in levels]
    assert error_probability([n / 20 for n in seeds], values) == pytest.approx(SPENT, abs=1e-5)
    assert SPENT < LEVEL
    assert all(0 < level < 0.05 for level in levels)


def test_a_level_does_not_change_when_looks_follow() -> None:
    assert nominal_levels((3, 4, 5, 6), 10)[:2] == pytest.approx(nominal_levels((3, 4), 10), rel=1e-12)


def test_one_look_at_all_seeds_has_the_whole_level_and_two_seeds_have_none() -> None:
    assert nominal_levels((5,), 5) == pytest.approx((SPENT,))
    assert nominal_levels((1, 2, 3, 4), 4)[:2] == (0.0, 0.0)
    assert nominal_levels((1, 2, 3, 4), 4)[2:] == pytest.approx(nominal_levels((3, 4), 4))
