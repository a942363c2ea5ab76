"""Scores that are ratios of sums over all examples, such as micro F1, with a value for each example all the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import fsum
from statistics import fmean

from bench.contracts import Score

Ratio = tuple[Sequence[float], Sequence[float]]
"""Numerators and denominators, one of each for every example."""


def linearised(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, ...]:
    """R + (n_i - R d_i) / mean(d), where R = sum(n) / sum(d): values whose plain mean is R, and whose spread is that of R.

    A ratio of sums is no mean over examples, so neither intervals nor paired differences can be had from it directly. Its
    linear part, by Taylor's formula around the sums, can be averaged: the standard error of the mean of these values is that
    of R as the delta method gives it. One value alone says little, and may lie below 0 or above 1.

    Sources: Wolter 2007, Introduction to Variance Estimation, chapter 6; Deng, Knoblich, Lu 2018, Applying the Delta Method
    in Metric Analytics (arXiv 1803.06336).
    """
    ratio, mean = fsum(numerators) / fsum(denominators), fmean(denominators)
    return tuple(ratio + (n - ratio * d) / mean for n, d in zip(numerators, denominators, strict=True))


def score(name: str, ratios: Sequence[Ratio], nothing: str = "") -> Score:
    """The mean of some ratios, in points, higher is better; the per-example values are the means of the linearised ones.

    Ratios whose denominators are all 0 are left out. Where no other is left, nothing was measured, and `nothing` says why.
    """
    defined = [ratio for ratio in ratios if any(ratio[1])]
    if not defined:
        return Score(name, None, "points", "higher", reason=nothing)
    value = 100 * fmean(fsum(numerators) / fsum(denominators) for numerators, denominators in defined)
    by_example = zip(*(linearised(*ratio) for ratio in defined), strict=True)
    return Score(name, value, "points", "higher", tuple(100 * fmean(values) for values in by_example))


def f1(pairs: Sequence[Sequence[tuple[str, str]]], labels: Collection[str]) -> Ratio:
    """F1 over some labels together: twice the right ones, over those predicted and those wanted.

    pairs: for each example any number of (predicted, wanted).
    """
    right = [2.0 * sum(p == w and w in labels for p, w in each) for each in pairs]
    named = [float(sum((p in labels) + (w in labels) for p, w in each)) for each in pairs]
    return right, named
