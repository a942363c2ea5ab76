"""Scores that are ratios of sums over all examples, such as micro F1, with a value for each example."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import fsum
from statistics import fmean

from bench.contracts import Score

Ratio = tuple[Sequence[float], Sequence[float]]
"""Numerators and denominators, one of each per example."""


def linearised(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, ...]:
    """Return R + (n_i - R d_i) / mean(d), where R = sum(n) / sum(d). These values have mean R and the standard error of R.

    A ratio of sums is not a mean over examples, so it gives neither intervals nor paired differences directly. Its linear part, from
    Taylor's formula around the sums, is a mean. The standard error of this mean is that of R by the delta method. A single value means
    little, and may lie below 0 or above 1.

    Sources: Wolter 2007, Introduction to Variance Estimation, chapter 6; Deng, Knoblich, Lu 2018, Applying the Delta Method in Metric
    Analytics (arXiv 1803.06336).
    """
    ratio, mean = fsum(numerators) / fsum(denominators), fmean(denominators)
    return tuple(ratio + (n - ratio * d) / mean for n, d in zip(numerators, denominators, strict=True))


def score(name: str, ratios: Sequence[Ratio], nothing: str = "") -> Score:
    """Return the mean of some ratios, in points, higher is better. Values per example are means of the linearised values. Ratios whose
    denominators are all 0 are left out. Where none remains, the score is missing, and `nothing` is the reason."""
    defined = [ratio for ratio in ratios if any(ratio[1])]
    if not defined:
        return Score(name, None, "points", "higher", reason=nothing)
    value = 100 * fmean(fsum(numerators) / fsum(denominators) for numerators, denominators in defined)
    by_example = zip(*(linearised(*ratio) for ratio in defined), strict=True)
    return Score(name, value, "points", "higher", tuple(100 * fmean(values) for values in by_example))


def f1(pairs: Sequence[Sequence[tuple[str, str]]], labels: Collection[str]) -> Ratio:
    """Return the F1 over all `labels` together: twice the correct ones, over those predicted plus those wanted. `pairs` holds any number of
    (predicted, wanted) for each example."""
    right = [2.0 * sum(p == w and w in labels for p, w in each) for each in pairs]
    named = [float(sum((p in labels) + (w in labels) for p, w in each)) for each in pairs]
    return right, named
