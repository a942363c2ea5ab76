"""Simulates how often intervals and tests of a report are right. Prints the tables of docs/statistics.md.

    python -m benchmarks.statistics          about a minute on one core

Suites are simulated from crossed random effects: score = setting + example + seed + setting x example +
setting x seed + residual. Some standard deviations were measured on real results. Other scores are like ROUGE
with many zeros, or right and wrong answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from bench.report.analysis import significance
from bench.report.analysis.ranking import Ranking
from bench.report.analysis.significance import Floats

Kind = Literal["normal", "many zeros", "right or wrong"]


@dataclass(frozen=True)
class World:
    """Standard deviations of the random effects, in points."""

    name: str
    examples: float
    """Between examples, shared by all settings."""
    own_seeds: float
    """Between seeds, for each setting separately."""
    own_examples: float
    """Between examples, for each setting separately."""
    cells: float
    """Standard deviation of the residual."""
    kind: Kind = "normal"
    unlike: float = 1.0
    """Factor on `own_seeds` for the first setting."""
    shared: float = 0.0
    """Share of the variance between seeds that all but the first setting have in common.

    It is above 0 if one teacher teaches them.
    """

    def suites(self, generator: np.random.Generator, number: int, settings: int, seeds: int, examples: int) -> Floats:
        """Return scores, (number, settings, seeds, examples). No setting is better than another."""
        normal = partial(generator.standard_normal, dtype=np.float32)
        luck = normal((number, settings, seeds, 1))
        luck[:, 1:] = math.sqrt(1 - self.shared) * luck[:, 1:] + math.sqrt(self.shared) * normal((number, 1, seeds, 1))
        luck[:, 0] *= self.unlike
        scores = 25 + self.examples * normal((number, 1, 1, examples)) + self.own_seeds * luck
        scores = scores + self.own_examples * normal((number, settings, 1, examples))
        scores = (scores + self.cells * normal((number, settings, seeds, examples))).astype(np.float64)
        if self.kind == "many zeros":
            return np.maximum(scores, 0)
        return np.where(scores > 25, 100.0, 0.0) if self.kind == "right or wrong" else scores


WORLDS = (
    World("ROUGE-L, distillation", 21.0, 0.65, 3.2, 13.0),
    World("ROUGE-2, distillation", 13.0, 0.25, 3.2, 10.2),
    World("ROUGE-L, shapes", 2.0, 1.0, 5.6, 6.0),
    World("seeds hardly differ", 15.0, 0.1, 6.0, 10.0),
    World("seeds differ a lot", 15.0, 3.0, 6.0, 10.0),
    World("half are zero", 18.0, 1.0, 4.0, 13.0, "many zeros"),
    World("right or wrong", 18.0, 1.0, 4.0, 13.0, "right or wrong"),
)
"""The first three were measured on `names`: two seeds of suites/distillation.yaml and suites/shapes.yaml."""

STRAINED = (
    World("one setting's seeds differ 3 times as much", 15.0, 2.0, 3.2, 10.0, unlike=3.0),
    World("all but one share 9/10 of their luck", 15.0, 2.0, 3.2, 10.0, shared=0.9),
)
"""Cases that break an assumption of the correction: settings vary equally and independently between seeds."""


class Called(NamedTuple):
    """Shares of suites."""

    winner: float
    """One setting is called significantly better than all others."""
    wrongly: float
    """At least one difference is called significant and is not true."""
    found: float
    """Share of the true differences that are called significant."""


def coverage(world: World, seeds: int, examples: int, number: int, *, paired: bool, seed: int = 0) -> float:
    """Return how often a 95 % interval covers the truth, for one setting's mean or the difference of two.

    The mean of all simulated suites stands for the true mean: it is far more precise than that of one.
    """
    scores = world.suites(np.random.default_rng(seed), number, 2 if paired else 1, seeds, examples)
    sample = scores[:, 0] - scores[:, 1] if paired else scores[:, 0]
    means = sample.mean(axis=(1, 2))
    low, high = significance.interval(means, significance.spread(significance.effects(sample)))
    truth = 0.0 if paired else means.mean()
    return float(((low <= truth) & (truth <= high)).mean())


def calls(world: World, settings: int, seeds: int, examples: int, number: int, ahead: float = 0.0, seed: int = 0) -> Called:
    """Return what a report calls significant. The first setting is better by `ahead`; the others are equal."""
    scores = world.suites(np.random.default_rng(seed), number, settings, seeds, examples)
    scores[:, 0] += ahead
    winner, wrongly, found = (np.array(column) for column in zip(*(_calls(suite, ahead) for suite in scores), strict=True))
    return Called(float(winner.mean()), float(wrongly.mean()), float(found.mean()))


def promised(world: World, settings: int, seeds: int, examples: int, number: int, seed: int = 0) -> float:
    """Return the difference in points that a report says it finds 4 times in 5, averaged over many suites."""
    suites = world.suites(np.random.default_rng(seed), number, settings, seeds, examples)
    return float(np.mean([ranking(suite).detectable() for suite in suites]))


def ranking(suite: Floats) -> Ranking:
    """Rank scores, settings x seeds x examples. The name of a setting is its index."""
    means = suite.mean(axis=(1, 2))
    order = np.argsort(-means)
    return Ranking(names=tuple(map(str, order)), means=means[order], effects=significance.effects(suite[order]))


def _calls(suite: Floats, ahead: float) -> tuple[bool, bool, float]:
    ranked = ranking(suite)
    significant = ranked.p_values < significance.LEVEL
    right = significant[ranked.places["0"]].sum() if ahead else 0
    return bool(significant[0, 1:].all()), bool(significant.sum() > right), float(right / (len(suite) - 1))


SIZES = ((2, 200), (2, 1000), (3, 100), (3, 200), (3, 1000), (5, 200))
"""Seeds and examples."""

BOARDS = ((2, 2), (4, 2), (8, 2), (2, 3), (4, 3), (8, 3), (4, 5))
"""Settings and seeds."""


def main() -> None:
    """Print the tables."""
    _row("coverage (%): mean / difference", *(f"{seeds} seeds, {examples:,} examples" for seeds, examples in SIZES))
    _row(*["---"] * (1 + len(SIZES)))
    for world in WORLDS:
        _row(world.name, *(_covered(world, seeds, examples, 4000 if examples < 1000 else 2000) for seeds, examples in SIZES))
    _row("\nfalse (%): winner / anything", *(f"{settings} settings, {seeds} seeds" for settings, seeds in BOARDS))
    _row(*["---"] * (1 + len(BOARDS)))
    for world in WORLDS + STRAINED:
        _row(world.name, *(_false(calls(world, settings, seeds, 200, 1000)) for settings, seeds in BOARDS))
    _row("\nsettings", "seeds", "examples", "difference found 4 times in 5, according to the report", "found")
    _row(*["---"] * 5)
    for settings, seeds, examples in ((2, 3, 1000), (4, 2, 1000), (4, 3, 200), (4, 3, 1000), (4, 5, 1000), (8, 3, 1000)):
        ahead = promised(WORLDS[0], settings, seeds, examples, 100)
        found = calls(WORLDS[0], settings, seeds, examples, 400, ahead, seed=1).found
        _row(str(settings), str(seeds), f"{examples:,}", f"{ahead:.1f} points", f"{found:.0%}")


def _covered(world: World, seeds: int, examples: int, number: int) -> str:
    return " / ".join(f"{100 * coverage(world, seeds, examples, number, paired=paired):.1f}" for paired in (False, True))


def _false(called: Called) -> str:
    return f"{100 * called.winner:.1f} / {100 * called.wrongly:.1f}"


def _row(*cells: str) -> None:
    first, *rest = cells
    print("\n" * first.startswith("\n") + "| " + " | ".join([first.strip(), *rest]) + " |", flush=True)


if __name__ == "__main__":
    main()
