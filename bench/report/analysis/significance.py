"""Means, their 95 % intervals and p-values, over seeds and test examples together. docs/statistics.md says why, and what it reaches.

Scores of one setting form an array, seeds x examples: a crossed layout, as every seed's model is scored on the same examples.

    sample  seeds x examples      the scores, or a paired difference of two settings' scores
      | means                     the weights hang on the shape alone: draws of a sum are the sum of the draws
    draws   seeds x RESAMPLES     the mean, with one seed counting more at a time and the examples drawn again; fewer that vary alike
      | spread                    draws over seeds, over examples and over single cells -> variances of the mean
    Spread
      | interval, p_value         the normal tail, averaged over what the variance between so few seeds may be in truth
    low, high, p

The draws are those of the pigeonhole bootstrap, which draws seeds and examples again independently of each other (Owen 2007, The
pigeonhole bootstrap, Annals of Applied Statistics 1(2), 386-411), with two changes. Seeds are not drawn, but each of the few counts
more in turn. And as the bootstrap counts the spread of single cells three times over (Owen and Eckles 2012, Bootstrapping data
arrays of arbitrary order, same journal 6(3), 895-927), variances are read from its parts, as in an analysis of variance, and not
from the quantiles of the whole.

Two, three or five seeds show badly how much seeds differ: their variance has seeds - 1 degrees of freedom, while that between
examples is as good as known. The distribution of such a sum is that of Behrens and Fisher (Fisher 1935, The fiducial argument in
statistical inference, Annals of Eugenics 6, 391-398). A p-value is taken from it as it is, and so errs to the safe side. It is too
wide where both variances are alike; intervals weigh small variances between seeds more, see CENTRED.

The weights come from a fixed local generator: results repeat, and settings that are compared meet the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
"""So often the examples are drawn again: their variance is then right to 4.5 %, the width of an interval to about 2 %."""

LEVEL = 0.05
"""Of tests, and of what intervals leave out."""

FEWEST_EXAMPLES = 4
"""With fewer there is no interval."""

CENTRED, SAFE = 0.5, 0.0
"""Prior of the variance between seeds, A, beside that between examples, B: 1/A (1 + B/A)^this. 0 is Behrens and Fisher's, which covers
95 % or more; with 0.5 it is 93 to 97 % whatever A and B, and 92 to 98 % with two seeds (tests/report/test_simulation.py)."""

TOGETHER, NODES = 64, 64
ROUNDING = 1e-18
"""Variances under this, in squared units of the score, are those of floating point."""


class Spread(NamedTuple):
    """Variance of a mean by where it comes from, in squared units of the score; of one mean, or of many as arrays of one shape.

    seeds: what differs from seed to seed, estimated with `freedom` degrees of freedom. examples: what examples add to that.
    cells: the part of `seeds` that more examples would lessen, as it belongs to single cells.
    """

    seeds: Floats
    examples: Floats
    cells: Floats
    freedom: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its 95 % interval, in the unit of the scores; low and high are NaN where there is nothing to draw again from.

    seeds, examples: how many there were. One seed: the interval is over examples alone and says nothing about seeds.
    p: of a difference, how likely so great a one is where there is none in truth; corrected where a board made it. NaN with one
    seed, or without an interval.
    """

    mean: float
    low: float
    high: float
    seeds: int
    examples: int
    p: float = math.nan

    @property
    def apart(self) -> bool:
        """Whether it is surely not 0: for differences. Never with one seed."""
        return self.p < LEVEL

    @property
    def sure(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    @property
    def tested(self) -> bool:
        """Whether there was enough to tell chance from a difference: at least two seeds, and values by example."""
        return not math.isnan(self.p)

    def __neg__(self) -> Estimate:
        """The same difference, seen from the other side."""
        return Estimate(mean=0.0 - self.mean, low=0.0 - self.high, high=0.0 - self.low, seeds=self.seeds, examples=self.examples, p=self.p)


def estimate(scores: Floats, resamples: int = RESAMPLES) -> Estimate:
    """Mean, interval and p-value of scores, seeds x examples, at least one each, none missing."""
    return estimates([scores], resamples)[0]


def estimates(samples: Sequence[Floats], resamples: int = RESAMPLES) -> list[Estimate]:
    """`estimate` of many samples; those of one shape are drawn together, which is quicker."""
    found: dict[int, Estimate] = {}
    shapes: dict[tuple[int, ...], list[int]] = {}
    for place, sample in enumerate(samples):
        shapes.setdefault(sample.shape, []).append(place)
    for shape, places in shapes.items():
        for start in range(0, len(places), TOGETHER):
            some = places[start : start + TOGETHER]
            scores = np.stack([samples[place] for place in some])
            found |= zip(some, _of_many(means(scores, resamples), scores.mean(axis=(1, 2)), *shape), strict=True)
    return [found[place] for place in range(len(samples))]


def difference(better: pd.DataFrame, worse: pd.DataFrame, resamples: int = RESAMPLES) -> Estimate | None:
    """The mean of `paired`."""
    return differences([(better, worse)], resamples)[0]


def differences(pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]], resamples: int = RESAMPLES) -> list[Estimate | None]:
    """`difference` of many pairs; those of one shape are drawn together, which is quicker."""
    gaps = [paired(*pair) for pair in pairs]
    found = iter(estimates([gap.to_numpy() for gap in gaps if gap is not None], resamples))
    return [None if gap is None else next(found) for gap in gaps]


def paired(better: pd.DataFrame, worse: pd.DataFrame) -> pd.DataFrame | None:
    """`better` - `worse`, by seed (index) and example (columns); None where they have no seed or no example in common."""
    if not (better.index.equals(worse.index) and better.columns.equals(worse.columns)):
        better, worse = better.align(worse, join="inner")
    if better.empty:
        return None
    gaps = better.to_numpy(dtype=np.float64) - worse.to_numpy(dtype=np.float64)
    return pd.DataFrame(gaps, better.index, better.columns)


def means(scores: Floats, resamples: int = RESAMPLES) -> Floats:
    """Draws of the mean: (..., seeds, examples) -> (..., seeds x draws), seed by seed; their mean is the mean of the scores.

    A draw is a weighted mean of all scores. Its weights depend on the shape alone, so that draws of a difference, or of any other
    linear combination, of samples of one shape are that combination of their draws. They are for `spread`: it needs all of them,
    in this order, and their quantiles are no interval. To keep fewer, ask for fewer.
    """
    *outer, seeds, examples = scores.shape
    drawn = scores @ _weights(examples, resamples)
    if seeds > 1:
        centre = drawn.mean(axis=-2, keepdims=True)
        drawn = centre + (drawn - centre) / math.sqrt(seeds - 1)
    return drawn.reshape(*outer, -1)


def spread(draws: Floats, seeds: int, examples: int) -> Spread:
    """Variances of a mean from its draws, (..., seeds x resamples), as `means` gives them: unbiased, and examples' at least 0.

    examples: how many were drawn again; NaN where they were fewer than FEWEST_EXAMPLES. Their variance is widened to that of
    Student's t with examples - 1 degrees of freedom.
    """
    table = draws.reshape(*draws.shape[:-1], seeds, -1)
    by_seed = table.mean(axis=-1).var(axis=-1)
    return components((by_seed, table.mean(axis=-2).var(axis=-1), table.var(axis=(-2, -1))), seeds, examples)


def spread_of_sums(weights: Floats, draws: Floats, seeds: int, examples: int) -> Spread:
    """`spread` of linear combinations of means: weights, (sums, means), and the draws of the means, (means, seeds x resamples)."""
    return components(tuple((weights @ part * weights).sum(axis=-1) for part in covariances(draws, seeds)), seeds, examples)


def covariances(draws: Floats, seeds: int) -> tuple[Floats, Floats, Floats]:
    """Of the draws of several means: between seeds, between draws of the examples, and of all of them together; each (means, means)."""
    by_seed, by_example, whole = (part @ part.T / part.shape[1] for part in parts(draws, seeds))
    return by_seed, by_example, whole


def parts(draws: Floats, seeds: int) -> tuple[Floats, Floats, Floats]:
    """Draws of several means by seed, by draw of the examples, and all of them: each (means, ...), less the mean."""
    table = draws.reshape(len(draws), seeds, -1)
    centred = table - table.mean(axis=(1, 2), keepdims=True)
    return centred.mean(axis=2), centred.mean(axis=1), centred.reshape(len(draws), -1)


def components(variances: tuple[Floats, Floats, Floats], seeds: int, examples: int) -> Spread:
    """From the variances of draws between seeds, between draws of the examples, and of all of them together; see `spread`."""
    by_seed, by_example, whole = variances
    cells = np.maximum(whole - by_seed - by_example, 0)
    widened = (examples - 1) / (examples - 3) if examples >= FEWEST_EXAMPLES else math.nan
    return Spread(by_seed, np.maximum(by_example - cells, 0) * widened, cells, max(seeds - 1, 1))


def of_draws(draws: Floats, mean: float, seeds: int, examples: int) -> Estimate:
    """The same from the draws of a mean, as `means` gives them, or from one linear combination of such draws and of their means."""
    return _of_many(draws[None], np.array([mean]), seeds, examples)[0]


def _of_many(draws: Floats, many: Floats, seeds: int, examples: int) -> list[Estimate]:
    found = spread(draws, seeds, examples)
    lows, highs = interval(many, found)
    p_values = p_value(many, found) if seeds > 1 else np.full(len(many), math.nan)
    rows = zip(many.tolist(), lows.tolist(), highs.tolist(), p_values.tolist(), strict=True)
    return [Estimate(mean=mean, low=low, high=high, seeds=seeds, examples=examples, p=p) for mean, low, high, p in rows]


def interval(mean: Floats | float, found: Spread, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Low and high of means; `level` is left out."""
    half = half_width(found, level)
    return mean - half, mean + half


def half_width(found: Spread, level: float = LEVEL, prior: float = CENTRED) -> Floats:
    """Half an interval. It is read from a table over the seeds' share of the variance, right to a thousandth."""
    angles, widths = _critical(found.freedom, level, prior)
    whole = np.maximum(found.seeds + found.examples, ROUNDING)
    half: Floats = np.sqrt(whole) * np.interp(np.arcsin(np.sqrt(np.clip(found.seeds / whole, 0, 1))), angles, widths)
    return half


def p_value(mean: Floats, found: Spread, prior: float = SAFE) -> Floats:
    """How likely a mean so far from 0, on either side, is where it is 0 in truth; NaN where the spread is."""
    times, weights = mixture(found.freedom)
    seeds, examples = np.maximum(found.seeds, ROUNDING)[..., None], found.examples[..., None]
    weights = weights * (1 + examples / (seeds * times)) ** prior
    tails = erfc(np.abs(mean)[..., None] / np.sqrt(2 * (seeds * times + examples)))
    p: Floats = (weights * tails).sum(axis=-1) / weights.sum(axis=-1)
    return p


def holm(p_values: Floats, family: int | None = None) -> Floats:
    """p-values corrected for their number, in their order: those under LEVEL hold all together but for LEVEL of all times.

    family: how many comparisons there are, where some are left out that are not claimed (Holm 1979, A simple sequentially
    rejective multiple test procedure, Scandinavian Journal of Statistics 6(2), 65-70). Whatever hangs together with what.
    """
    order = np.argsort(p_values, kind="stable")
    stricter = (family or len(p_values)) - np.arange(len(p_values))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stricter * p_values[order]), 1)
    return corrected


def erfc(values: Floats) -> Floats:
    """Both tails of the normal distribution beyond sqrt(2) times a value; numpy has no complementary error function."""
    return np.fromiter(map(math.erfc, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)


@lru_cache(maxsize=64)
def mixture(freedom: int) -> tuple[Floats, Floats]:
    """How many times what it seems to be a variance may be that is known with so many degrees of freedom, and the weights of that.

    Nodes of freedom / chi-square at even steps of its logarithm: sums over them are right to a thousandth, also for far tails.
    """
    logs = np.linspace(-20 / freedom - 4 / math.sqrt(freedom), 3 / math.sqrt(freedom), NODES)
    weights = np.exp(freedom * (logs - np.exp(2 * logs) / 2 + 0.5))
    return np.exp(-2 * logs), weights / weights.sum()


@lru_cache(maxsize=256)
def _critical(freedom: int, level: float, prior: float) -> tuple[Floats, Floats]:
    """Half-widths where the variance is 1 and sin^2 of the angle its share between seeds; by bisection."""
    angles = np.linspace(0, math.pi / 2, 65)
    found = Spread(np.sin(angles) ** 2, np.cos(angles) ** 2, np.zeros(65), freedom)
    logs = np.array([np.full(65, -3.0), np.full(65, 30.0)])
    for _ in range(40):
        middle = logs.mean(axis=0)
        wider = p_value(np.exp(middle), found, prior) > level
        logs = np.where([wider, ~wider], middle, logs)
    return angles, np.exp(logs.mean(axis=0))


@lru_cache(maxsize=4)
def _weights(examples: int, resamples: int) -> Floats:
    """Weights of examples, examples x draws; each column sums to 1, each row to what equal weights would.

    Stretched, as both drawing again and centring the draws take from the variance.
    """
    drawn = np.random.default_rng(20070107).multinomial(examples, [1 / examples] * examples, resamples).T / examples
    apart = drawn - drawn.mean(axis=1, keepdims=True)
    apart *= math.sqrt(examples / max(examples - 1, 1) * resamples / (resamples - 1))
    return 1 / examples + (_fewer(apart) if 2 * examples <= resamples else apart)


def _fewer(draws: Floats) -> Floats:
    """As many draws as examples, with the means, 0, and the covariances of these: nothing else of them is ever asked for."""
    examples, resamples = draws.shape
    variances, directions = np.linalg.eigh(draws @ draws.T / resamples)
    roots = directions * np.sqrt(np.maximum(variances, 0) * examples)
    unlike = np.linalg.qr(np.column_stack([np.ones(examples), np.eye(examples)[:, 1:]]))[0]
    found: Floats = roots[:, 1:] @ unlike[:, 1:].T  # the first root is 0, as weights sum to 1; the first column would not sum to 0
    return found
