"""Ranks the settings of a board: which are significantly better, and how large a difference could have been found.

The p-values of one board, which means one task at one budget, are corrected together. The family is all pairs of the settings compared
there, in the metric that ranks: k (k - 1) / 2 pairs of k settings. Every claim about settings of a board is a claim about such pairs: the
winner beats each other setting, and ties, inefficient settings and ranks are about pairs too. It does therefore not matter that the data
choose the pairs that are reported. In 95 of 100 boards all that is called significant is true.

A few seeds hardly show how much a pair differs between seeds. Its variance between seeds is therefore never
taken to be less than that of the average pair of the board. That is the mean square of settings x seeds, with
(k - 1)(seeds - 1) degrees of freedom, as in an analysis of variance with seeds as blocks. It is taken to be
more where the pair's own seeds show more, which protects against settings that differ in spread.

Where a is significantly better than b and b than c, a is significantly better than c. The numbers of settings that are significantly better
and worse than one setting bound its rank, for all settings at once (Al Mohamad, Goeman and van Zwet 2022, Simultaneous confidence intervals
for ranks with application to ranking institutions, Biometrics 78(1)). Ranks do not contradict each other. Where one setting is
significantly better than another, both its bounds are above the other's. Two settings without a significant difference share a rank.

With more than `LOOKED_AT` settings only pairs with at least one of the best `LOOKED_AT` are tested. The other pairs count in the correction
and are not significant. This is conservative and keeps the work linear in the number of settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.significance import Effects, Estimate, Floats, Spread

LOOKED_AT = 50
"""Number of the best settings that are tested against all others."""
POWER = 0.8
NEGLIGIBLE = 1e-10
"""Smaller weights are left out."""
CLOSE = 1e-5
"""Relative precision of a detectable difference."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Settings compared on the seeds and examples for which all of them have a score."""

    names: tuple[str, ...]
    """Best first."""
    means: Floats
    """(settings,): the mean of each. More is better."""
    effects: Effects
    """Effects behind these means."""

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Name -> place in the order of means, from 0."""
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def p_values(self) -> Floats:
        """Corrected p-values that the setting of a row is better than that of a column: (best LOOKED_AT, all).

        It is 1 where the mean of the row is not higher.
        """
        return corrected(self.means, self.effects)

    @cached_property
    def pooled(self) -> Spread:
        """Spread of the average pair."""
        return average(self.effects)

    def difference(self, better: str, worse: str) -> Estimate:
        """Return `better` - `worse`, with the 95 % interval of this one comparison and the corrected p-value."""
        first, second = self.places[better], self.places[worse]
        own = significance.spread(self.effects.map(lambda part: part[first] - part[second]))
        mean = float(self.means[first] - self.means[second])
        low, high = significance.interval(mean, at_least(own, self.pooled))
        (seeds, examples), upper, lower, p = self.effects.shape, min(first, second), max(first, second), 1.0
        if not self.tested:
            p = math.nan
        elif upper < len(self.p_values):
            p = float(self.p_values[upper, lower])
        return Estimate(mean=mean, low=float(low), high=float(high), seeds=seeds, examples=examples, p=p)

    def significantly_better(self, better: str, worse: str) -> bool:
        """Return whether `better` is significantly better; False where one of them is not compared."""
        if not self.tested or better not in self.places or worse not in self.places:
            return False
        upper = self.places[better]
        return upper < len(self.p_values) and bool(self.p_values[upper, self.places[worse]] < significance.LEVEL)

    @property
    def tested(self) -> bool:
        """Whether a test is possible: at least two seeds, and scores per example."""
        seeds, examples = self.effects.shape
        return seeds > 1 and examples >= significance.FEWEST_EXAMPLES

    def rank(self, name: str) -> tuple[int, int]:
        """Return the best and the worst rank that a setting may have.

        The best is 1 + the number of settings that are significantly better. The worst is the number of all
        settings less those that are significantly worse.
        """
        place, significant = self.places[name], self.p_values < significance.LEVEL
        worse = int(significant[place].sum()) if place < len(significant) else 0
        return 1 + int(significant[:, place].sum()), len(self.names) - worse

    def detectable(self, seeds: int = 1, examples: int = 1) -> float:
        """Return the true difference between two settings that is significant in `POWER` of all boards, in units of the score.

        It assumes the strictest level of the correction, and the spread of the average pair. It averages over what the seeds
        of a pair, and those of the other pairs, may show of the true variance. `seeds` and `examples` multiply the present
        numbers. NaN with one setting, with one seed, or without an interval.
        """
        settings, per_pair = len(self.names), seeds * self.effects.shape[0] - 1
        if settings < 2 or not self.tested:
            return math.nan
        of_seeds = np.maximum(self.pooled.seeds - self.pooled.cells, 0)  # a difference of two estimates, which may be negative by chance
        by_seed, by_example = (of_seeds + self.pooled.cells / examples) / seeds, self.pooled.examples / examples
        own, own_weights = significance.mixture(per_pair)
        rest, rest_weights = significance.mixture(max((settings - 1) * per_pair - per_pair, 1))
        share = 1 / (settings - 1)
        seen = np.maximum(1 / own[:, None], share / own[:, None] + (1 - share) / rest)
        weights = own_weights[:, None] * rest_weights
        seen, weights = seen[weights > NEGLIGIBLE], weights[weights > NEGLIGIBLE]
        spread = Spread(by_seed * seen, by_example, self.pooled.cells, (settings - 1) * per_pair)
        needed = significance.half_width(spread, significance.LEVEL / math.comb(settings, 2), significance.SAFE)
        error = math.sqrt(2 * max(float(by_seed + by_example), significance.ROUNDING))
        low, high = 0.0, float(needed.max()) + 9 * error
        while high - low > CLOSE * high:
            middle = (low + high) / 2
            power = float((weights * significance.erfc((needed - middle) / error)).sum() / 2)
            low, high = (middle, high) if power < POWER else (low, middle)
        return high


def ranking(samples: Mapping[str, pd.DataFrame], higher_is_better: bool = True) -> Ranking:
    """Rank settings from name -> scores, (seeds, examples). A setting that shares nothing with those before it is left out."""
    common: list[pd.Index] = []
    kept: dict[str, pd.DataFrame] = {}
    for name, sample in samples.items():
        axes = [sample.index, sample.columns]
        shared = [mine if mine.equals(other) else mine.intersection(other) for mine, other in zip(common or axes, axes, strict=True)]
        if all(map(len, shared)):
            common, kept[name] = shared, sample
    if not kept:
        nothing = np.zeros((0, 0))
        return Ranking(names=(), means=np.zeros(0), effects=Effects(seeds=nothing, examples=nothing, cells=nothing, shape=(0, 0)))
    sign = 1.0 if higher_is_better else -1.0
    scores = sign * np.stack([cut(sample, common) for sample in kept.values()])
    means = scores.mean(axis=(1, 2))
    order = np.argsort(-means, kind="stable")
    return Ranking(names=tuple(np.array([*kept], dtype=object)[order]), means=means[order], effects=significance.effects(scores[order]))


def corrected(means: Floats, found: Effects) -> Floats:
    """Return the corrected p-values that one setting is better than another, (best LOOKED_AT, settings).

    `means` are (settings,), best first. `found` holds the effects behind them. Nothing else is needed to
    compare settings again, for example at other prices.
    """
    settings, looked_at = len(means), min(len(means), LOOKED_AT)
    p = np.ones((looked_at, settings))
    if found.shape[0] < 2 or settings < 2 or found.shape[1] < significance.FEWEST_EXAMPLES:
        return p
    pooled = average(found)
    squares = []  # sums of squared differences between settings, by source: (best LOOKED_AT, settings)
    for part in found.parts:
        centred = part - part.mean(axis=0)  # a common offset would cost precision
        sums = np.square(centred).sum(axis=1)
        squares.append(np.maximum(sums[:looked_at, None] + sums - 2 * centred[:looked_at] @ centred.T, 0))
    for place in range(looked_at):
        below = slice(place + 1, None)
        own = significance.components([square[place, below] for square in squares], found.shape)
        p[place, below] = significance.p_value(means[place] - means[below], at_least(own, pooled))
    pairs = np.arange(settings) > np.arange(looked_at)[:, None]
    p[pairs] = significance.holm(p[pairs], math.comb(settings, 2))
    return _transitive(p)


def average(found: Effects) -> Spread:
    """Return the spread of the average pair of settings; zero for a single setting."""
    others = len(found.seeds) - 1
    squares = [2 * np.square(part - part.mean(axis=0)).sum() / max(others, 1) for part in found.parts]
    return significance.components(squares, found.shape)._replace(freedom=max(others * (found.shape[0] - 1), 1))


def at_least(own: Spread, pooled: Spread) -> Spread:
    """Return the spread of a pair, with a variance between seeds that is at least that of the average pair."""
    return own._replace(seeds=np.maximum(own.seeds, pooled.seeds), freedom=pooled.freedom)


def cut(sample: pd.DataFrame, common: Sequence[pd.Index]) -> Floats:
    """Return the scores, (seeds, examples), of the shared seeds and examples."""
    seeds, examples = common
    whole = sample.index.equals(seeds) and sample.columns.equals(examples)
    return (sample if whole else sample.loc[seeds, examples]).to_numpy(dtype=np.float64)


def _transitive(p: Floats) -> Floats:
    """Lower p-values by transitivity: that of a conclusion is at most the largest one in the chain that leads to it."""
    for place in range(1, p.shape[1]):
        above = min(place, len(p))
        chains = np.maximum(p[:above, :above], p[:above, place])
        p[:above, place] = np.minimum(p[:above, place], chains.min(axis=1))
    return p
