"""Significance levels of single looks, so that all looks together have one error probability.

A design plans a largest number of seeds. A look at n of N seeds has the share n / N of all information, and (n - 1) / (N - 1) of all
degrees of freedom. By then SPENT times a power of the latter is spent: the power family of Lan and DeMets 1983, Discrete sequential
boundaries for clinical trials, Biometrika 70(3), 659-663. The critical value of a look follows from those before it. The density of the
running sum, where no earlier look was significant, is carried from look to look by numerical integration (Armitage, McPherson and Rowe
1969, Repeated significance tests on accumulating data, Journal of the Royal Statistical Society A 132(2), 235-244).

The levels are exact for normal differences with a known variance. They are applied to p-values of Student's t as they are: the significance
level approach (Jennison and Turnbull 2000, Group Sequential Methods with Applications to Clinical Trials, Chapman and Hall, section 3.8).
Examples are the same at every look, so means at two looks are more alike than the levels assume. This makes the tests conservative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from bench.report.analysis.significance import LEVEL, Floats, erfc

SPENT = 0.85 * LEVEL
"""Error probability that all looks spend by the normal distribution. Student's t with few seeds makes it up to a sixth larger in
simulations: t-values of two looks are less alike than normal ones, because each look estimates the variance anew."""
SPENDING_POWER = 2.0
"""Exponent of the spending function. 1 is near Pocock's test, 3 near that of O'Brien and Fleming. With 2 a run needs fewest arms for its
power in simulations of two and four settings."""
FEWEST_SEEDS = 3
"""With two seeds, looks at scores such as right or wrong name too many false winners in simulations."""
NODES = 257
"""Points of the grid on which the density is carried, by Simpson's rule."""


@lru_cache(maxsize=256)
def nominal_levels(seeds: Sequence[int], seeds_at_most: int) -> tuple[float, ...]:
    """Return the two-sided level of each look, from the number of seeds at each, in rising order and none above `seeds_at_most`.

    A look with fewer than FEWEST_SEEDS tests nothing and spends nothing: its level is 0.
    """
    tested = [n for n in seeds if n >= FEWEST_SEEDS]
    shares = [n / seeds_at_most for n in tested]
    found = critical_values(shares, [SPENT * ((n - 1) / (seeds_at_most - 1)) ** SPENDING_POWER for n in tested])
    levels = [math.erfc(value / math.sqrt(2)) for value in found]
    return (*[0.0] * (len(seeds) - len(tested)), *levels)


def critical_values(shares: Sequence[float], spent: Sequence[float]) -> list[float]:
    """Return the two-sided critical value of a normal statistic at each look.

    `shares` are the shares of information, rising. `spent` are the error probabilities spent up to and including each look.
    """
    values: list[float] = []
    running = _Running()
    before = 0.0
    for share, total in zip(shares, spent, strict=True):
        low, high = 0.0, -NormalDist().inv_cdf(max((total - before) / 4, 1e-300))
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if running.outside(share, middle) > total - before else (low, middle)
        values.append((low + high) / 2)
        running = running.after(share, values[-1])
        before = total
    return values


def error_probability(shares: Sequence[float], values: Sequence[float]) -> float:
    """Return the probability that a normal statistic exceeds its two-sided critical value at any look, without a true difference."""
    running, total = _Running(), 0.0
    for share, value in zip(shares, values, strict=True):
        total += running.outside(share, value)
        running = running.after(share, value)
    return total


class _Running:
    """Density of the running sum of a normal statistic where no look was significant: a grid, and the probability at each of its points."""

    def __init__(self, share: float = 0.0, grid: Floats | None = None, mass: Floats | None = None) -> None:
        self._share = share
        self._grid = np.zeros(1) if grid is None else grid
        self._mass = np.ones(1) if mass is None else mass

    def outside(self, share: float, value: float) -> float:
        """Return the probability to exceed a critical value at the next look, and none before."""
        bound, step = value * math.sqrt(share), math.sqrt(2 * (share - self._share))
        tails = erfc((bound - self._grid) / step) + erfc((bound + self._grid) / step)
        return float(self._mass @ tails) / 2

    def after(self, share: float, value: float) -> _Running:
        """Return what is left where the next look is not significant either."""
        bound, variance = value * math.sqrt(share), share - self._share
        grid = np.linspace(-bound, bound, NODES)
        weights = np.full(NODES, 2.0)
        weights[1::2], weights[[0, -1]] = 4.0, 1.0
        density = np.exp(-np.square(grid[:, None] - self._grid) / (2 * variance)) @ self._mass / math.sqrt(2 * math.pi * variance)
        return _Running(share, grid, density * weights * (grid[1] - grid[0]) / 3)
