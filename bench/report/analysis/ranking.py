"""Ranks the settings of a board: which is the best, which may be, and how large a difference could have been found.

A board is one task at one budget. Its settings are compared in the metric that ranks. Two questions have two corrections:

    which setting is the best?      comparisons of the observed best with each other setting: `Ranking.behind`
    which pairs of settings differ? all k (k - 1) / 2 pairs of k settings: `Ranking.p_values` and `Ranking.rank`

A few seeds hardly show how much a pair differs between seeds. Its variance between seeds is therefore never
taken to be less than that of the average pair of the board. That is the mean square of settings x seeds, as in an analysis of variance with
seeds as blocks. It is taken to be more where the pair's own seeds show more, which protects against settings that differ in spread. For the
same reason the average pair has the degrees of freedom of at most `POOLED` pairs in comparisons with the best, although it has more with
many settings.

The winner. The setting with the highest mean wins where it is significantly better than each other one, by the two-sided test of each pair
without correction. Where two settings are equally good and all others are far below, one of the two wins in 5 % of boards. No other true
means give more false winners, because a false winner beats a setting that is at least as good, and beats all others as well. Gutmann and
Maymin 1987 (Is the selected population the best?, Annals of Statistics 15(1), 456-461) and Hung and Fithian 2019 (Rank verification for
exponential families, Annals of Statistics 47(2), 758-782) prove this for settings that vary equally and independently. Goldwasser, Fithian
and Hooker 2025 (Gaussian rank verification, arXiv 2501.14142) treat unequal variances. Here the variance is estimated and settings share
seeds, so simulations check it (docs/statistics.md): at most 5 % where settings vary alike, and up to 10 % where the two at the top vary
much more than all others.

Settings that may be best. One is left out where it is significantly worse than the observed best in two tests: that of the pair, and the
one-sided test corrected for the comparison with k - 1 others (Dunnett 1955, A multiple comparison procedure for comparing several
treatments with a control, Journal of the American Statistical Association 50, 1096-1121). A setting that is truly best is left out in at
most 5 % of boards (Hsu 1984, Constrained simultaneous confidence intervals for multiple comparisons with the best, Annals of Statistics
12(3), 1136-1144). Where there is a winner, all others are left out.

All pairs. In 95 of 100 boards every pair that is called significant truly differs. It does not matter that the data choose the pairs that
are reported. Where a is significantly better than b and b than c, a is significantly better than c. The numbers of settings that are
significantly better and worse than one setting bound its rank, for all settings at once (Al Mohamad, Goeman and van Zwet 2022,
Simultaneous confidence intervals for ranks with application to ranking institutions, Biometrics 78(1)). Ranks do not contradict each other.
Where one setting is significantly better than another, both its bounds are above the other's. Two settings without a significant
difference share a rank. What is significant among all pairs is significant in the comparison with the best too.

With more than `LOOKED_AT` settings only pairs with at least one of the best `LOOKED_AT` are tested. The other pairs count in the correction
and are not significant. This is conservative and keeps the work linear in the number of settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
import pandas as pd

from bench.report.analysis import significance
from bench.report.analysis.significance import Effects, Estimate, Floats, Spread

LOOKED_AT = 50
"""Number of the best settings that are tested against all others."""
POOLED = 3
"""In comparisons with the best the average pair counts as no more than so many pairs, since settings vary unequally."""
POWER = 0.8
NEGLIGIBLE = 1e-10
"""Smaller weights are left out."""
CLOSE = 1e-5
"""Relative precision of a detectable difference."""
SHARED = np.linspace(-8.0, 8.0, 65)
"""Values of what all comparisons with one setting have in common, in standard deviations."""
SHARED_WEIGHTS = np.exp(-np.square(SHARED) / 2) / np.exp(-np.square(SHARED) / 2).sum()
LEAST, ALMOST = 1e-300, 1 - 1e-16
"""Limits of p-values that have a quantile, and of probabilities whose complement has a logarithm."""


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
    def pairs(self) -> Floats:
        """Two-sided p-values of the pairs of the observed best with each setting, not corrected: (settings,). The first is 1."""
        of_best: Floats = pairwise(self.means, self.effects, self.cautious, rows=1)[0]
        return of_best

    @cached_property
    def p_values(self) -> Floats:
        """P-values corrected for all pairs that the setting of a row is better than that of a column: (best LOOKED_AT, all).

        It is 1 where the mean of the row is not higher.
        """
        return all_pairs(pairwise(self.means, self.effects, self.pooled))

    @cached_property
    def behind(self) -> Floats:
        """P-values that the observed best is better than each setting, corrected for comparisons with the best: (settings,).

        The first is 1: that of the best itself. What is significant among all pairs is significant here.
        """
        behind: Floats = np.minimum(with_best(self.pairs), self.p_values[0])
        return behind

    @property
    def may_be_best(self) -> tuple[str, ...]:
        """The observed best and all settings that are not significantly worse, best first. One alone is the winner."""
        if not self.tested:
            return self.names
        return tuple(name for name, p in zip(self.names, self.behind, strict=True) if p >= significance.LEVEL)

    @cached_property
    def pooled(self) -> Spread:
        """Spread of the average pair."""
        return average(self.effects)

    @property
    def cautious(self) -> Spread:
        """The same for comparisons with the best, with the degrees of freedom of at most `POOLED` pairs."""
        return self.pooled._replace(freedom=min(self.pooled.freedom, POOLED * max(self.effects.shape[0] - 1, 1)))

    def spread(self, one: str, other: str) -> Spread:
        """Return the spread of the difference of two settings, with a variance between seeds that is at least that of the average pair."""
        first, second = self.places[one], self.places[other]
        own = significance.spread(self.effects.map(lambda part: part[first] - part[second]))
        return at_least(own, self.pooled if min(first, second) else self.cautious)

    def difference(self, better: str, worse: str) -> Estimate:
        """Return `better` - `worse`, with the 95 % interval of this one comparison and the corrected p-value.

        A pair with the observed best has that of `behind`, any other that of all pairs.
        """
        first, second = self.places[better], self.places[worse]
        mean = float(self.means[first] - self.means[second])
        (seeds, examples), upper, lower, p = self.effects.shape, min(first, second), max(first, second), 1.0
        low, high = significance.interval(mean, self.spread(better, worse))
        if not self.tested:
            p = math.nan
        elif upper == 0:
            p = float(self.behind[lower])
        elif upper < len(self.p_values):
            p = float(self.p_values[upper, lower])
        return Estimate(mean=mean, low=float(low), high=float(high), seeds=seeds, examples=examples, p=p)

    def significantly_better(self, better: str, worse: str) -> bool:
        """Return whether `better` is significantly better among all pairs; False where one of them is not compared."""
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
        """Return the lead over the next setting that makes the best one the winner in `POWER` of all boards, in units of the score.

        All other settings are further behind. The result assumes the spread of the average pair. It averages over what the seeds
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
        spread = Spread(by_seed * seen, by_example, self.pooled.cells, min(settings - 1, POOLED) * per_pair)
        needed = significance.half_width(spread)
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


def pairwise(means: Floats, found: Effects, pooled: Spread, rows: int = LOOKED_AT) -> Floats:
    """Return two-sided p-values of single pairs of settings, not corrected: (best `rows`, settings).

    `means` are (settings,), best first. `found` holds the effects behind them, and `pooled` is the spread of the average pair. Nothing
    else is needed to compare settings again, for example at other prices. The p-value is 1 where the setting of the row is not before that
    of the column.
    """
    settings, looked_at = len(means), min(len(means), rows)
    p = np.ones((looked_at, settings))
    if found.shape[0] < 2 or settings < 2 or found.shape[1] < significance.FEWEST_EXAMPLES:
        return p
    squares = []  # sums of squared differences between settings, by source: (best LOOKED_AT, settings)
    for part in found.parts:
        centred = part - part.mean(axis=0)  # a common offset would cost precision
        sums = np.square(centred).sum(axis=1)
        squares.append(np.maximum(sums[:looked_at, None] + sums - 2 * centred[:looked_at] @ centred.T, 0))
    for place in range(looked_at):
        below = slice(place + 1, None)
        own = significance.components([square[place, below] for square in squares], found.shape)
        p[place, below] = significance.p_value(means[place] - means[below], at_least(own, pooled))
    return p


def all_pairs(pairs: Floats) -> Floats:
    """Return the p-values of `pairwise`, corrected for the number of all pairs."""
    looked_at, settings = pairs.shape
    p, tested = pairs.copy(), np.arange(settings) > np.arange(looked_at)[:, None]
    p[tested] = significance.holm(p[tested], math.comb(settings, 2))
    return _transitive(p)


def with_best(pairs: Floats) -> Floats:
    """Return p-values of comparisons with the best, from the two-sided p-values of its pairs with all settings, itself included.

    Each is the larger of the pair's own and of Dunnett's one-sided one, and at most the largest of the pairs' own, which is that of the
    winner. Dunnett's is the probability that the largest of k - 1 standard normal variables with correlation 1/2 exceeds the pair's.
    Differences to one setting have this correlation where settings vary equally between seeds. The common estimate of the variance
    correlates them further, which makes this p-value conservative.
    """
    quantiles = np.array([-NormalDist().inv_cdf(max(p, LEAST) / 2) for p in pairs.tolist()])
    above = significance.erfc(quantiles[:, None] + SHARED / math.sqrt(2)) / 2  # one of them, given what they share
    dunnett = -np.expm1((len(pairs) - 1) * np.log1p(-np.minimum(above, ALMOST))) @ SHARED_WEIGHTS
    best: Floats = np.minimum(np.maximum(pairs, dunnett), pairs[1:].max(initial=0.0))
    best[:1] = 1.0
    return best


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
