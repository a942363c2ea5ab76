"""Simulates how often intervals and tests of a report are right. Prints the tables of docs/statistics.md.

    python -m benchmarks.statistics          two to three minutes on one core

Suites are simulated from crossed random effects: score = setting + example + seed + setting x example +
setting x seed + residual. Some standard deviations were measured on real results. Other scores are like ROUGE
with many zeros, or right and wrong answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.report.analysis import significance
from bench.report.analysis.ranking import Ranking
from bench.report.analysis.significance import Floats

Kind = Literal["normal", "many zeros", "right or wrong"]
Drawn = NDArray[np.float32]


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

        def normal(shape: tuple[int, int, int, int]) -> Drawn:
            return generator.standard_normal(shape, dtype=np.float32)

        luck = normal((number, settings, seeds, 1))
        luck[:, 1:] = math.sqrt(1 - self.shared) * luck[:, 1:] + math.sqrt(self.shared) * normal((number, 1, seeds, 1))
        luck[:, 0] *= self.unlike
        drawn = 25 + self.examples * normal((number, 1, 1, examples)) + self.own_seeds * luck
        drawn = drawn + self.own_examples * normal((number, settings, 1, examples))
        scores: Floats = (drawn + self.cells * normal((number, settings, seeds, examples))).astype(np.float64)
        if self.kind == "many zeros":
            scores = np.maximum(scores, 0)
        elif self.kind == "right or wrong":
            scores = np.where(scores > 25, 100.0, 0.0)
        return scores


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


FAR = 40.0
"""How far below the best settings all others are, where they are, in points."""


class Called(NamedTuple):
    """Shares of suites, or of settings."""

    winner: float
    """Suites in which a setting is called the winner and is not the only best one."""
    left_out: float
    """Best settings, over all suites, that are not among those that may be best."""
    wrongly: float
    """Suites in which a pair is called significantly different, among all pairs, and is not."""
    found: float
    """Suites in which the setting that leads is called the winner."""


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


def calls(
    world: World, settings: int, seeds: int, examples: int, number: int, *, best: int | None = None, lead: float = 0.0, seed: int = 0
) -> Called:
    """Return what a report calls the best, and significant.

    The first `best` settings are equally good, by default all; the others are far below. Where there is a `lead`, in points, the first is
    better than all others by at least that much.
    """
    truth = np.where(np.arange(settings) < (best or settings), 0.0, -FAR)
    truth[0] += lead
    scores = world.suites(np.random.default_rng(seed), number, settings, seeds, examples) + truth[:, None, None]
    return Called(*(float(np.mean(column)) for column in zip(*(_calls(suite, truth) for suite in scores), strict=True)))


def promised(world: World, settings: int, seeds: int, examples: int, number: int, seed: int = 0) -> float:
    """Return the lead in points that a report says it finds 4 times in 5, averaged over many suites."""
    suites = world.suites(np.random.default_rng(seed), number, settings, seeds, examples)
    return float(np.mean([ranking(suite).detectable() for suite in suites]))


def ranking(suite: Floats) -> Ranking:
    """Rank scores, settings x seeds x examples. The name of a setting is its index."""
    means = suite.mean(axis=(1, 2))
    order = np.argsort(-means)
    return Ranking(names=tuple(map(str, order)), means=means[order], effects=significance.effects(suite[order]))


def _calls(suite: Floats, truth: Floats) -> Called:
    ranked, best = ranking(suite), np.flatnonzero(truth == truth.max())
    order = np.array([*map(int, ranked.names)])
    false = (ranked.p_values < significance.LEVEL) & (truth[order][:, None] <= truth[order])
    won, alone = len(ranked.may_be_best) == 1, len(best) == 1 and ranked.names[0] == str(best[0])
    kept = sum(str(place) in ranked.may_be_best for place in best)
    return Called(winner=won and not alone, left_out=1 - kept / len(best), wrongly=bool(false.any()), found=won and alone)


SIZES = ((2, 200), (2, 1000), (3, 100), (3, 200), (3, 1000), (5, 200))
"""Seeds and examples."""

BOARDS = ((2, 2), (4, 2), (8, 2), (2, 3), (4, 3), (8, 3), (4, 5))
"""Settings and seeds."""

BOARDS_OF_TWO_BEST = ((4, 2), (8, 2), (4, 3), (8, 3), (4, 5))


def main() -> None:
    """Print the tables."""
    _row("coverage (%): mean / difference", *(f"{seeds} seeds, {examples:,} examples" for seeds, examples in SIZES))
    _row(*["---"] * (1 + len(SIZES)))
    for world in WORLDS:
        _row(world.name, *(_covered(world, seeds, examples, 4000 if examples < 1000 else 2000) for seeds, examples in SIZES))
    for title, best, boards in (("all settings are equal", None, BOARDS), ("two are best, all others far below", 2, BOARDS_OF_TWO_BEST)):
        _row(f"\n{title}; false (%): winner / best left out / pair", *(f"{settings} settings, {seeds} seeds" for settings, seeds in boards))
        _row(*["---"] * (1 + len(boards)))
        for world in WORLDS + STRAINED:
            _row(world.name, *(_false(calls(world, settings, seeds, 200, 1000, best=best)) for settings, seeds in boards))
    _row("\nsettings", "seeds", "examples", "lead found 4 times in 5, according to the report", "found")
    _row(*["---"] * 5)
    for settings, seeds, examples in ((2, 3, 1000), (4, 2, 1000), (4, 3, 200), (4, 3, 1000), (4, 5, 1000), (8, 3, 1000)):
        lead = promised(WORLDS[0], settings, seeds, examples, 100)
        found = calls(WORLDS[0], settings, seeds, examples, 400, best=2, lead=lead, seed=1).found
        _row(str(settings), str(seeds), f"{examples:,}", f"{lead:.1f} points", f"{found:.0%}")


def _covered(world: World, seeds: int, examples: int, number: int) -> str:
    return " / ".join(f"{100 * coverage(world, seeds, examples, number, paired=paired):.1f}" for paired in (False, True))


def _false(called: Called) -> str:
    return " / ".join(f"{100 * share:.1f}" for share in (called.winner, called.left_out, called.wrongly))


def _row(*cells: str) -> None:
    first, *rest = cells
    print("\n" * first.startswith("\n") + "| " + " | ".join([first.strip(), *rest]) + " |", flush=True)


if __name__ == "__main__":
    main()
