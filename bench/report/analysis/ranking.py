"""Which settings of a board are surely better than which, the ranks that follow from it, and what could have been found at all.

The family that is corrected: all pairs of the settings that are compared on one board, that is for one task, at one budget, in the
metric that ranks; k(k - 1)/2 of them for k settings. It suffices, because all that is said of settings among each other is said of
such pairs: the one that is ahead beats each other one; a tie, an inefficient setting and a rank are about pairs too. So it does not
matter that the data pick the pairs that are looked at: in 95 of 100 boards all that is called sure on a board is true together.

How much a pair differs from seed to seed is hard to see in a few seeds. It is therefore never taken for less than it is for the
average pair of the board: the mean square of settings x seeds, with (k - 1)(seeds - 1) degrees of freedom, as in an analysis of
variance with seeds as blocks; and for more where the pair's own seeds say so, which guards against settings of unlike spread.

What follows from sure statements is sure: if a is better than b and b than c, so is a than c. With that the settings surely better
and surely worse than one bound its rank, for all settings at once (Al Mohamad, Goeman and van Zwet, Simultaneous confidence
intervals for ranks with application to ranking institutions, Biometrics 78(1), 2022). Ranks cannot contradict each other: of two
settings of which one is surely better, both its bounds are above the other's; two that cannot be told apart have a rank in common.

Of more than `LOOKED_AT` settings only the pairs that hold one of the best `LOOKED_AT` are looked at. The others count in the
correction and as not told apart, which errs to the safe side and keeps the work linear in the number of settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.significance import Estimate, Floats, Spread

LOOKED_AT = 50
POWER = 0.8
NEGLIGIBLE = 1e-10
"""Weights that are left out."""

CLOSE = 1e-5
"""So near to itself, as a share, a detectable difference is found."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Settings compared on the seeds and examples that all of them have a score for.

    names: best first. means, draws: of each, more is better; draws as `stats.means` gives them. seeds, examples: how many.
    """

    names: tuple[str, ...]
    means: Floats
    draws: Floats
    seeds: int
    examples: int

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Name -> place in the order of means, from 0."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def p_values(self) -> Floats:
        """Corrected, (best LOOKED_AT, all): that the one is better than the other; 1 where its mean is not above the other's."""
        return corrected(self.means, self.draws, self.seeds, self.examples)

    @cached_property
    def pooled(self) -> Spread:
        """Of the average pair."""
        return average(self.draws, self.seeds, self.examples)

    def difference(self, better: str, worse: str) -> Estimate:
        """`better` - `worse`, with the 95 % interval of this one comparison and the corrected p-value."""
        first, second = self.places[better], self.places[worse]
        return self._behind[second] if first == 0 else self._differences(first, [second])[0]

    @cached_property
    def _behind(self) -> list[Estimate]:
        """Of the best and each setting: nearly all that a report asks for, found together, which is quicker."""
        return self._differences(0, range(len(self.names)))

    def _differences(self, first: int, others: Sequence[int]) -> list[Estimate]:
        found = at_least(significance.spread(self.draws[first] - self.draws[others], self.seeds, self.examples), self.pooled)
        means = self.means[first] - self.means[others]
        lows, highs = significance.interval(means, found)
        rows = zip(others, means.tolist(), lows.tolist(), highs.tolist(), strict=True)
        return [
            Estimate(mean=mean, low=low, high=high, seeds=self.seeds, examples=self.examples, p=self._p(first, other))
            for other, mean, low, high in rows
        ]

    def _p(self, first: int, second: int) -> float:
        if not self.tested:
            return math.nan
        upper, lower = min(first, second), max(first, second)
        return float(self.p_values[upper, lower]) if upper < len(self.p_values) else 1.0

    def surely(self, better: str, worse: str) -> bool:
        """Whether the one is surely better."""
        upper = self.places[better]
        return self.tested and upper < len(self.p_values) and bool(self.p_values[upper, self.places[worse]] < significance.LEVEL)

    @property
    def tested(self) -> bool:
        """Whether there is enough to tell anything: at least two seeds, and values by example."""
        return self.seeds > 1 and self.examples >= significance.FEWEST_EXAMPLES

    def rank(self, name: str) -> tuple[int, int]:
        """The best and the worst rank that a setting may have: 1 + those surely better; all but those surely worse."""
        place, sure = self.places[name], self.p_values < significance.LEVEL
        worse = int(sure[place].sum()) if place < len(sure) else 0
        return 1 + int(sure[:, place].sum()), len(self.names) - worse

    def detectable(self, seeds: int = 1, examples: int = 1) -> float:
        """The true difference between two settings that is called sure in `POWER` of all boards, in the unit of the score.

        At the spread of the average pair and the strictest level of the correction. NaN with one setting, one seed, or without an
        interval. seeds, examples: had there been so many times as many of them.
        """
        if len(self.names) < 2 or not self.tested:
            return math.nan
        pooled, settings, per_pair = self.pooled, len(self.names), seeds * self.seeds - 1
        of_seeds = np.maximum(pooled.seeds - pooled.cells, 0)  # below 0 by chance, as it is told from that of cells by subtraction
        by_seed = (of_seeds + pooled.cells / examples) / seeds
        found = Spread(by_seed, pooled.examples / examples, pooled.cells, (settings - 1) * per_pair)
        return _detectable(found, settings, per_pair)


def ranking(samples: Mapping[str, pd.DataFrame], higher_is_better: bool = True, resamples: int = significance.RESAMPLES) -> Ranking:
    """From name -> scores, seeds x examples. One that has nothing in common with those before it is left out."""
    common: list[pd.Index] = []
    kept: dict[str, pd.DataFrame] = {}
    for name, sample in samples.items():
        shared = _shared(common, sample) if common else [sample.index, sample.columns]
        if all(map(len, shared)):
            common, kept[name] = shared, sample
    if not kept:
        return Ranking(names=(), means=np.zeros(0), draws=np.zeros((0, 0)), seeds=0, examples=0)
    sign = 1.0 if higher_is_better else -1.0
    scores = sign * np.stack([cut(sample, common) for sample in kept.values()])
    means = scores.mean(axis=(1, 2))
    order = np.argsort(-means, kind="stable")
    return Ranking(
        names=tuple(np.array([*kept], dtype=object)[order]),
        means=means[order],
        draws=significance.means(scores, resamples)[order],
        seeds=scores.shape[1],
        examples=scores.shape[2],
    )


def corrected(means: Floats, draws: Floats, seeds: int, examples: int) -> Floats:
    """Corrected p-values of the statements that one setting is better than another, (best LOOKED_AT, settings).

    means: (settings,), best first. draws: (settings, seeds x resamples), of those means, see `stats.means`. This is all that is
    needed where settings are compared anew, as at other prices.
    """
    settings, looked_at = len(means), min(len(means), LOOKED_AT)
    p = np.ones((looked_at, settings))
    if seeds < 2 or settings < 2 or examples < significance.FEWEST_EXAMPLES:
        return p
    pooled = average(draws, seeds, examples)
    by_seed, by_example, whole = (_distances(part, looked_at) for part in significance.parts(draws, seeds))
    for place in range(looked_at):
        below = slice(place + 1, None)
        own = significance.components((by_seed[place, below], by_example[place, below], whole[place, below]), seeds, examples)
        p[place, below] = significance.p_value(means[place] - means[below], at_least(own, pooled))
    pairs = np.arange(settings) > np.arange(looked_at)[:, None]
    p[pairs] = significance.holm(p[pairs], math.comb(settings, 2))
    return _followed(p)


def average(draws: Floats, seeds: int, examples: int) -> Spread:
    """The spread of the average pair of settings; zero for one alone."""
    others = len(draws) - 1
    by_seed, by_example, whole = (
        2 * np.square(part - part.mean(axis=0)).mean(axis=1).sum() / max(others, 1) for part in significance.parts(draws, seeds)
    )
    return significance.components((by_seed, by_example, whole), seeds, examples)._replace(freedom=max(others * (seeds - 1), 1))


def at_least(own: Spread, pooled: Spread) -> Spread:
    """A pair's spread, over seeds never under that of the average pair."""
    return own._replace(seeds=np.maximum(own.seeds, pooled.seeds), freedom=pooled.freedom)


def _shared(common: Sequence[pd.Index], sample: pd.DataFrame) -> list[pd.Index]:
    axes = zip(common, (sample.index, sample.columns), strict=True)
    return [mine if mine.equals(other) else mine.intersection(other) for mine, other in axes]


def cut(sample: pd.DataFrame, common: Sequence[pd.Index]) -> Floats:
    """Scores, seeds x examples, of those in common."""
    seeds, examples = common
    whole = sample.index.equals(seeds) and sample.columns.equals(examples)
    return (sample if whole else sample.loc[seeds, examples]).to_numpy(dtype=np.float64)


def _distances(part: Floats, looked_at: int) -> Floats:
    """Mean square differences between rows, (looked_at, rows)."""
    rows = part - part.mean(axis=0)
    squares = np.square(rows).mean(axis=1)
    found: Floats = np.maximum(squares[:looked_at, None] + squares - 2 * rows[:looked_at] @ rows.T / rows.shape[1], 0)
    return found


def _followed(p: Floats) -> Floats:
    """With what follows: a statement is as sure as the least sure one of the chain that it follows from, where that is surer."""
    for place in range(1, p.shape[1]):
        above = min(place, len(p))
        chains = np.maximum(p[:above, :above], p[:above, place])
        p[:above, place] = np.minimum(p[:above, place], chains.min(axis=1))
    return p


def _detectable(pooled: Spread, settings: int, per_pair: int) -> float:
    """By bisection over the difference, and over what a pair's own seeds, and those of the others, may show of the true variance."""
    own, own_weights = significance.mixture(per_pair)
    rest, rest_weights = significance.mixture(max(pooled.freedom - per_pair, 1))
    share = 1 / (settings - 1)
    seen = np.maximum(1 / own[:, None], share / own[:, None] + (1 - share) / rest)
    weights = own_weights[:, None] * rest_weights
    seen, weights = seen[weights > NEGLIGIBLE], weights[weights > NEGLIGIBLE]
    needed = significance.half_width(
        pooled._replace(seeds=pooled.seeds * seen), significance.LEVEL / math.comb(settings, 2), significance.SAFE
    )
    error = math.sqrt(2 * max(float(pooled.seeds + pooled.examples), significance.ROUNDING))
    low, high = 0.0, float(needed.max()) + 9 * error
    while high - low > CLOSE * high:
        middle = (low + high) / 2
        found = float((weights * significance.erfc((needed - middle) / error)).sum() / 2)
        low, high = (middle, high) if found < POWER else (low, middle)
    return high
