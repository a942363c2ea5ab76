"""Means with 95 % intervals and p-values, over seeds and test examples together. docs/statistics.md says how often they are right.

Scores of one setting form an array, seeds x examples. Every seed's model is scored on the same examples, so seeds and examples are crossed.

    scores     seeds x examples     the scores, or the paired difference of two settings' scores
      | effects                     effects of seeds, of examples and of single cells
    Effects
      | spread                      sums of squares: unbiased variances of the mean, one for each source
    Spread
      | interval, p_value           the normal distribution, averaged over what the variance between so few seeds may be
    low, high, p

The estimator is the analysis of variance of the two-way crossed layout of random effects, with one score in each cell:

    score = mean + seed + example + cell        with the variances S, E and C, over s seeds and e examples

The mean over all cells has the variance S/s + E/e + C/(s e). Three sums of squares estimate it:

    source      estimate                                         expected value
    by seed     sum((mean of a seed - mean)^2) / (s (s - 1))     S/s + C/(s e)
    by example  sum((mean of an example - mean)^2) / (e (e - 1)) E/e + C/(s e)
    cells       sum(residual^2) / (s (s - 1) e (e - 1))          C/(s e)

These are the mean squares divided by s e. Their expected values hold for every distribution of the effects (Cornfield and Tukey 1956,
Average values of mean squares in factorials, Annals of Mathematical Statistics 27(4), 907-949; Searle, Casella and McCulloch 1992,
Variance components, Wiley, chapter 4). Hence by seed + (by example - cells) is an unbiased estimate of the variance of the mean. The
estimate in brackets can be negative by chance; it is then taken as 0.

Few seeds estimate the variance between seeds badly: with seeds - 1 degrees of freedom. The variance between examples is known far better.
The sum of two such terms has the distribution of Behrens and Fisher (Fisher 1935, The fiducial argument in statistical inference,
Annals of Eugenics 6, 391-398). It is too wide where both variances are similar, so small variances between seeds have more weight here;
see SMALL. A p-value and an interval come from the same distribution: the 95 % interval leaves out 0 where the p-value is under 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.05
"""Significance level of tests. Intervals leave out the same share."""
FEWEST_EXAMPLES = 4
"""With fewer examples there is no interval: Student's t with examples - 1 degrees of freedom has no finite variance then."""
SMALL = 0.1
"""Prior of A, the variance between seeds, estimated with f degrees of freedom, where B is the variance from examples:
sqrt(1 + (SMALL (f - 1) B/A)^2) / A. The prior of Behrens and Fisher is 1/A. With it intervals cover the truth in 95 % of cases or more, but
in up to 97.6 % with three seeds. Here values of A that hardly matter beside B have more weight, as far as seeds tell. Whatever A and B are,
intervals cover 94.9 to 97.1 % with three seeds or more and 95.0 to 98.8 % with two (by numerical integration, for a known B). p-values are
right in the tails too, which corrections need: at 0.002 they are at most 1.3 times too small."""

NODES = 64
AT_ONCE = 1 << 22
"""Most scores that are estimated together."""
ROUNDING = 1e-18
"""A smaller variance, in squared units of the score, is floating-point noise."""


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Estimated effects behind one mean, or behind many along the leading axes.

    They are scaled: a sum of squares is the variance of the mean from that source, and a sum of products is the covariance of two means.
    They are linear in the scores. The effects of a difference, or of any linear combination of means, are that combination of effects.
    """

    seeds: Floats
    """(..., seeds): mean of a seed minus the overall mean."""
    examples: Floats
    """(..., examples): mean of an example minus the overall mean."""
    cells: Floats
    """(..., seeds x examples): residual of each score."""
    shape: tuple[int, int]
    """Number of seeds and number of examples."""

    @property
    def parts(self) -> tuple[Floats, Floats, Floats]:
        return self.seeds, self.examples, self.cells

    def map(self, change: Callable[[Floats], Floats]) -> Effects:
        """Apply the same linear change to all three parts, such as a choice of rows or a product with weights."""
        return Effects(seeds=change(self.seeds), examples=change(self.examples), cells=change(self.cells), shape=self.shape)


class Spread(NamedTuple):
    """Variance of a mean by source, in squared units of the score. Many means give arrays of one shape."""

    seeds: Floats
    """Variance between seeds, estimated with `freedom` degrees of freedom."""
    examples: Floats
    """Additional variance from the choice of examples."""
    cells: Floats
    """The part of `seeds` that more examples would reduce, because it belongs to single cells."""
    freedom: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval, in the unit of the scores."""

    mean: float
    low: float
    """NaN without an interval; `high` too."""
    high: float
    seeds: int
    """Number of seeds. With one seed the interval is over examples alone and says nothing about other seeds."""
    examples: int
    p: float = math.nan
    """Two-sided p-value for the hypothesis that the true mean is 0. A board corrects it for multiple
    comparisons. NaN for a score, with one seed, or without an interval."""

    @property
    def significant(self) -> bool:
        """Whether the mean differs significantly from 0. Never with one seed."""
        return self.p < LEVEL

    @property
    def has_interval(self) -> bool:
        return not math.isnan(self.low)

    def within(self, least: float, most: float) -> Estimate:
        """Return the same estimate, with the interval cut to possible values. A mean that is not one of them leaves it as it is.

        The true mean is one of the possible values, so the cut interval holds it as often.
        """
        if not least <= self.mean <= most:
            return self
        return replace(self, low=float(np.maximum(self.low, least)), high=float(np.minimum(self.high, most)))

    @property
    def tested(self) -> bool:
        """Whether there is a p-value: at least two seeds, and scores per example."""
        return not math.isnan(self.p)


def estimate(scores: Floats, tested: bool = True) -> Estimate:
    """Return mean, interval and, if `tested` against 0, p-value of scores, (seeds, examples), at least one of each and none missing."""
    return estimates([scores], tested)[0]


def estimates(many: Sequence[Floats], tested: bool = True) -> list[Estimate]:
    """Return what `estimate` returns for each. Those of one shape are made together."""
    by_shape, found = dict[tuple[int, ...], list[int]](), dict[int, Estimate]()
    for place, one in enumerate(many):
        by_shape.setdefault(one.shape, []).append(place)
    for (seeds, examples), places in by_shape.items():
        step = max(1, AT_ONCE // (seeds * examples))
        for some in (places[start : start + step] for start in range(0, len(places), step)):
            stacked = np.stack([many[place] for place in some])
            means, variance = stacked.mean(axis=(-2, -1)), spread(effects(stacked))
            p = p_value(means, variance) if tested and seeds > 1 else np.full(len(some), math.nan)
            for place, mean, low, high, chance in zip(some, *map(np.ndarray.tolist, (means, *interval(means, variance), p)), strict=True):
                found[place] = Estimate(mean=mean, low=low, high=high, seeds=seeds, examples=examples, p=chance)
    return [found[place] for place in range(len(many))]


def estimate_of(mean: float, found: Effects, tested: bool = True) -> Estimate:
    """Return what `estimate` returns, from a mean and the effects behind it."""
    (seeds, examples), variance = found.shape, spread(found)
    low, high = interval(mean, variance)
    p = float(p_value(np.array(mean), variance)) if tested and seeds > 1 else math.nan
    return Estimate(mean=mean, low=float(low), high=float(high), seeds=seeds, examples=examples, p=p)


def difference(better: pd.DataFrame, worse: pd.DataFrame) -> Estimate | None:
    """Return the estimate of the mean of `paired`."""
    gaps = paired(better, worse)
    return None if gaps is None else estimate(gaps.to_numpy())


def paired(better: pd.DataFrame, worse: pd.DataFrame) -> pd.DataFrame | None:
    """Return `better` - `worse`, by seed (index) and example (columns). None where they share no seed or no example."""
    if not (better.index.equals(worse.index) and better.columns.equals(worse.columns)):
        better, worse = better.align(worse, join="inner")
    if better.empty:
        return None
    gaps = better.to_numpy(dtype=np.float64) - worse.to_numpy(dtype=np.float64)
    return pd.DataFrame(gaps, better.index, better.columns)


def effects(scores: Floats) -> Effects:
    """Return the effects behind the means of scores, (..., seeds, examples)."""
    *many, seeds, examples = scores.shape
    of_seeds, of_examples = math.sqrt(seeds * max(seeds - 1, 1)), math.sqrt(examples * max(examples - 1, 1))
    centred = scores - scores.mean(axis=(-2, -1), keepdims=True)
    by_seed, by_example = centred.mean(axis=-1, keepdims=True), centred.mean(axis=-2, keepdims=True)
    residuals = centred - by_seed - by_example
    return Effects(
        seeds=by_seed[..., 0] / of_seeds,
        examples=by_example[..., 0, :] / of_examples,
        cells=residuals.reshape(*many, seeds * examples) / (of_seeds * of_examples),
        shape=(seeds, examples),
    )


def spread(found: Effects) -> Spread:
    """Return the variances of means from the effects behind them."""
    return components([np.square(part).sum(axis=-1) for part in found.parts], found.shape)


def spread_of_sums(weights: Floats, found: Effects) -> Spread:
    """Return the variances of linear combinations of means. `weights` are (sums, means). `found` holds the effects behind the means."""
    return components([(weights @ matrix * weights).sum(axis=-1) for matrix in covariances(found)], found.shape)


def covariances(found: Effects) -> tuple[Floats, Floats, Floats]:
    """Return the covariances of means by seed, by example and of cells, each (means, means).

    Their diagonals are the sums of squares of `spread`.
    """
    seeds, examples, cells = (part @ part.T for part in found.parts)
    return seeds, examples, cells


def components(squares: Sequence[Floats], shape: tuple[int, int]) -> Spread:
    """Return the variances of means from the three sums of squares in the module's docstring. `shape` is (seeds, examples).

    The variance from examples is NaN with fewer than FEWEST_EXAMPLES. Otherwise it is at least 0, and `widened`.
    """
    (by_seed, by_example, cells), (seeds, examples) = squares, shape
    return Spread(by_seed, np.maximum(by_example - cells, 0) * widened(examples), cells, max(seeds - 1, 1))


def widened(examples: int) -> float:
    """Return the variance of Student's t with examples - 1 degrees of freedom, or NaN where it has none."""
    return (examples - 1) / (examples - 3) if examples >= FEWEST_EXAMPLES else math.nan


def interval(mean: Floats | float, found: Spread, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the low and high ends of intervals around means. `level` is the share outside, such as 0.05."""
    half = half_width(found, level)
    return mean - half, mean + half


def half_width(found: Spread, level: float = LEVEL) -> Floats:
    """Return half the width of an interval, exact to a thousandth. It comes from a table over the share of the variance between seeds."""
    angles, widths = _critical(found.freedom, level)
    whole = np.maximum(found.seeds + found.examples, ROUNDING)
    half: Floats = np.sqrt(whole) * np.interp(np.arcsin(np.sqrt(np.clip(found.seeds / whole, 0, 1))), angles, widths)
    return half


def p_value(mean: Floats, found: Spread) -> Floats:
    """Return the two-sided p-value of a mean, for a true mean of 0. NaN where the spread is NaN."""
    times, weights = mixture(found.freedom)
    seeds, examples = np.maximum(found.seeds, ROUNDING)[..., None], found.examples[..., None]
    weights = weights * np.hypot(1, SMALL * (found.freedom - 1) * examples / (seeds * times))
    tails = erfc(np.abs(mean)[..., None] / np.sqrt(2 * (seeds * times + examples)))
    p: Floats = (weights * tails).sum(axis=-1) / weights.sum(axis=-1)
    return p


def holm(p_values: Floats, family: int | None = None) -> Floats:
    """Return p-values corrected for their number, in their order.

    All claims with a value under LEVEL are true together in at least 1 - LEVEL of all cases. `family` is the number of comparisons, where
    some are left out and no claim is made about them. The correction holds for any dependence between comparisons (Holm 1979, A simple
    sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2), 65-70).
    """
    order = np.argsort(p_values, kind="stable")
    stricter = (family or len(p_values)) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stricter * p_values[order]), 1)
    return corrected


def erfc(values: Floats) -> Floats:
    """Return the complementary error function: both tails of the normal distribution beyond sqrt(2) times a value. numpy has none."""
    return np.fromiter(map(math.erfc, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)


@lru_cache(maxsize=64)
def mixture(freedom: int) -> tuple[Floats, Floats]:
    """Return ratios of a true variance to its estimate with this many degrees of freedom, and the weight of each.

    The ratios are freedom / chi-square at even steps of its logarithm. Sums over them are exact to a thousandth, even in far tails.
    """
    logs = np.linspace(-20 / freedom - 4 / math.sqrt(freedom), 3 / math.sqrt(freedom), NODES)
    weights = np.exp(freedom * (logs - np.exp(2 * logs) / 2 + 0.5))
    return np.exp(-2 * logs), weights / weights.sum()


@lru_cache(maxsize=256)
def _critical(freedom: int, level: float) -> tuple[Floats, Floats]:
    """Return the half-widths at variance 1, by bisection. sin^2 of the angle is the share of the variance between seeds."""
    angles = np.linspace(0, math.pi / 2, 65)
    found = Spread(np.sin(angles) ** 2, np.cos(angles) ** 2, np.zeros(65), freedom)
    logs = np.array([np.full(65, -3.0), np.full(65, 30.0)])
    for _ in range(40):
        middle = logs.mean(axis=0)
        wider = p_value(np.exp(middle), found) > level
        logs = np.where([wider, ~wider], middle, logs)
    return angles, np.exp(logs.mean(axis=0))
