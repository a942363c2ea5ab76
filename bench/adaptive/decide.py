"""Decides which settings of one task and budget go on, look by look.

A look compares every pair of settings in play on all of their seeds, by the interval of their paired difference at the level of the look.
Its variance between seeds is that of the average pair, or the pair's own where that is larger; see `ranking`. A setting stops where an
interval says that another one in play is better, which is a two-sided test. Where one setting is left, it is the winner. Where all that are
left differ by no more than the margin, they are equal within it.

No level is corrected for the number of settings. A false winner has stopped a setting that is as good, or has seen it stopped. With one
look, the claim "this one is the best" is least safe where two settings are equally good and all others are far below, and there it is one
two-sided test (Gutmann and Maymin 1987, Is the selected population the best?, Annals of Statistics 15(1), 456-461; Hung and Fithian 2019,
Rank verification for exponential families, Annals of Statistics 47(2), 758-782). With many looks it is the same repeated test, whose error
`levels` keeps. benchmarks/until_decided.py shows by simulation that equal and nearly equal settings give no more false winners.

An interval at a look leaves out the level of this look. Intervals of all looks together hold the true difference in 95 % of cases (repeated
confidence intervals: Jennison and Turnbull 1989, Interim analyses: the repeated confidence interval approach, Journal of the Royal
Statistical Society B 51(3), 305-361).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.report.analysis import ranking, significance
from bench.report.analysis.significance import Floats


class Behind(NamedTuple):
    """How far a setting is behind the best in play, at the last look at which it was in play."""

    mean: float
    low: float
    """Interval of this look; -inf and inf where nothing can be tested."""
    high: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the looks at one task and budget have decided. Settings are places in the array of scores."""

    looks: int
    """Number of looks that were made here."""
    playing: tuple[int, ...]
    """Settings still in play, best first."""
    stopped: Mapping[int, int]
    """Setting that another one beat -> look, from 1."""
    unscored: Mapping[int, int]
    """Setting that was left out because it has no score for a seed -> look, from 1."""
    behind: Mapping[int, Behind]
    equal: bool
    """Whether all settings in play are equal within the margin."""
    enough_examples: bool
    """Whether the last look had scores on enough examples to test anything."""

    @property
    def decided(self) -> bool:
        """Whether no further look can change the decision."""
        return self.equal or len(self.playing) < 2

    @property
    def winner(self) -> int | None:
        """The one setting that is left after others were beaten."""
        return self.playing[0] if len(self.playing) == 1 and self.stopped else None


def decide(scores: Floats, seeds: Sequence[int], levels: Sequence[float], margin: float) -> Verdict:
    """Return the verdict after one look for each of `seeds` and `levels`, or fewer where an earlier one decides.

    scores: (settings, seeds, examples); more is better, NaN is missing. A look reads the first seeds of settings in play only.
    seeds: number of seeds at each look. levels: two-sided level of each look. margin: in units of the score.
    """
    playing = list(range(len(scores)))
    stopped: dict[int, int] = {}
    unscored: dict[int, int] = {}
    behind: dict[int, Behind] = {}
    equal, enough_examples, look = False, True, 0
    for look, (number, level) in enumerate(zip(seeds, levels, strict=True), start=1):
        unscored |= {setting: look for setting in playing if np.isnan(scores[setting, :number]).all(axis=1).any()}
        playing = [setting for setting in playing if setting not in unscored]
        if len(playing) < 2:
            break
        found = scores[playing, :number]
        found = found[..., ~np.isnan(found).any(axis=(0, 1))]
        enough_examples = found.shape[2] >= significance.FEWEST_EXAMPLES
        pairs = compare(found, level)
        best = int(np.argmax(pairs.means))
        behind |= {setting: pairs.behind(best, place) for place, setting in enumerate(playing) if place != best}
        behind.pop(playing[best], None)
        order = np.argsort(-pairs.means, kind="stable")
        beaten = pairs.beaten
        stopped |= {playing[place]: look for place in order if beaten[place]}
        kept = [place for place in order if not beaten[place]]
        playing = [playing[place] for place in kept]
        equal = len(playing) > 1 and pairs.within(margin, kept)
        if equal or len(playing) < 2:
            break
    return Verdict(
        looks=look,
        playing=tuple(playing),
        stopped=stopped,
        unscored=unscored,
        behind=behind,
        equal=equal,
        enough_examples=enough_examples,
    )


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """All pairs of settings at one look. Runs may be stacked along leading axes."""

    means: Floats
    """(..., settings): mean score of each."""
    half: Floats
    """(..., settings, settings): half the width of the interval of a difference at this look; infinite where nothing is tested."""

    @property
    def beaten(self) -> NDArray[np.bool_]:
        """(..., settings): whether the interval says that another setting is better."""
        better = self.means[..., :, None] - self.means[..., None, :] > self.half
        beaten: NDArray[np.bool_] = np.logical_or.reduce(better, axis=-2)
        return beaten

    def behind(self, best: int, other: int) -> Behind:
        """Return how far a setting is behind another one, with the interval of this look."""
        mean, half = float(self.means[best] - self.means[other]), float(self.half[best, other])
        return Behind(mean, mean - half, mean + half)

    def within(self, margin: float, among: Sequence[int]) -> bool:
        """Return whether the intervals of all pairs of some settings lie between -margin and +margin."""
        furthest = np.abs(self.means[:, None] - self.means) + self.half
        return bool((furthest[np.ix_(among, among)] <= margin).all())


def compare(scores: Floats, level: float) -> Pairs:
    """Compare settings by their scores, (..., settings, seeds, examples), with none missing, at a two-sided level."""
    settings, seeds, examples = scores.shape[-3:]
    if not level or seeds < 2 or examples < significance.FEWEST_EXAMPLES:
        means = scores.mean(axis=(-2, -1)) if scores.size else np.zeros(scores.shape[:-2])
        return Pairs(means=means, half=np.full((*means.shape, settings), np.inf))
    effects = significance.effects(scores)
    squares = []
    for part in effects.parts:
        centred = part - part.mean(axis=-2, keepdims=True)  # a common offset would cost precision
        sums, products = np.square(centred).sum(axis=-1), centred @ np.swapaxes(centred, -1, -2)
        squares.append(np.maximum(sums[..., :, None] + sums[..., None, :] - 2 * products, 0))
    pooled = [square.sum(axis=(-2, -1), keepdims=True) / (settings * (settings - 1)) for square in squares]
    average = significance.components(pooled, effects.shape)._replace(freedom=(settings - 1) * (seeds - 1))
    spread = ranking.at_least(significance.components(squares, effects.shape), average)
    half = significance.half_width(spread, level) * (1 - np.eye(settings))
    return Pairs(means=scores.mean(axis=(-2, -1)), half=half)
