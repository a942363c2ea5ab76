"""Simulates runs with --until-decided. Prints the tables of docs/statistics.md.

    python -m benchmarks.until_decided          about five minutes on one core

A run begins with some seeds and adds one seed a look. A fixed run has one look with all of its seeds, at the level of 5 % for every pair.
Their numbers of arms are compared where both find the best setting equally often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.adaptive.decide import compare
from bench.adaptive.levels import nominal_levels
from bench.report.analysis.significance import LEVEL, Floats
from benchmarks.statistics import STRAINED, WORLDS, World

MEASURED = WORLDS[0]
EXAMPLES = 200
STACKED = 8_000_000
"""Scores that are simulated at a time."""


class Shares(NamedTuple):
    """What simulated runs came to."""

    false: float
    """Share of runs with a winner that is not better than every other setting."""
    right: float
    """Share of runs whose winner is the one best setting."""
    arms: float
    """Mean number of arms."""


def runs(world: World, truth: Sequence[float], first: int, looks: int, number: int, seed: int = 0, examples: int = EXAMPLES) -> Shares:
    """Return what runs come to. truth: true score of each setting, in points. first: seeds of the first look."""
    seeds = tuple(range(first, first + looks))
    return _shares(world, truth, seeds, nominal_levels(seeds, seeds[-1]), number, seed, examples)


def fixed(world: World, truth: Sequence[float], seeds: int, number: int, seed: int = 0, examples: int = EXAMPLES) -> Shares:
    """Return what fixed runs come to."""
    return _shares(world, truth, (seeds,), (LEVEL,), number, seed, examples)


def _shares(
    world: World,
    truth: Sequence[float],
    seeds: Sequence[int],
    levels: Sequence[float],
    number: int,
    seed: int,
    examples: int,
) -> Shares:
    generator, best, winners, arms = np.random.default_rng(seed), np.flatnonzero(np.equal(truth, max(truth))), list[int](), 0
    while len(winners) < number:
        stacked = min(number - len(winners), max(1, STACKED // (len(truth) * seeds[-1] * examples)))
        scores = world.suites(generator, stacked, len(truth), seeds[-1], examples) + np.array(truth)[:, None, None]
        found, ran = winners_of(scores, seeds, levels)
        winners, arms = [*winners, *found], arms + ran
    right = sum(winner == best[0] for winner in winners) if len(best) == 1 else 0
    return Shares((sum(winner >= 0 for winner in winners) - right) / number, right / number, arms / number)


def winners_of(scores: Floats, seeds: Sequence[int], levels: Sequence[float]) -> tuple[list[int], int]:
    """Return the winner of each run, -1 where there is none, and the number of arms of all runs.

    It decides as `decide` without a margin does, for many runs at once. scores: (runs, settings, seeds, examples).
    """
    playing = np.ones(scores.shape[:2], dtype=bool)
    arms, before = 0, 0
    for number, level in zip(seeds, levels, strict=True):
        left = playing.sum(axis=1)
        arms += int(left[left > 1].sum()) * (number - before)
        for settings in range(2, scores.shape[1] + 1):
            of_runs = np.flatnonzero(left == settings)
            if len(of_runs):
                mask = playing[of_runs]
                of_settings = scores[of_runs][mask].reshape(len(of_runs), settings, *scores.shape[2:])
                mask[mask] = ~compare(of_settings[:, :, :number], level).beaten.ravel()
                playing[of_runs] = mask
        before = number
    return [int(mask.argmax()) if mask.sum() == 1 else -1 for mask in playing], arms


def arms_of_fixed(world: World, truth: Sequence[float], power: float, number: int, seed: int = 1) -> float:
    """Return the number of arms of a fixed run with this power, interpolated between numbers of seeds."""
    low, high, below, above = 1, 2, 0.0, fixed(world, truth, 2, number, seed).right
    while above < power:
        low, high, below, above = high, 2 * high, above, fixed(world, truth, 2 * high, number, seed).right
    while high - low > 1:
        middle = (low + high) // 2
        found = fixed(world, truth, middle, number, seed).right
        low, high, below, above = (middle, high, found, above) if found < power else (low, middle, below, found)
    return len(truth) * (low + (power - below) / max(above - below, 1e-9))


def equal_steps(settings: int, step: float) -> list[float]:
    """Return true scores with the same step between neighbours."""
    return [-step * place for place in range(settings)]


def one_ahead(settings: int, step: float) -> list[float]:
    """Return true scores of which one is higher and all others are equal."""
    return [0.0, *[-step] * (settings - 1)]


def false_winners(settings: int) -> dict[str, list[float]]:
    """Name -> true scores under which a winner is false, or one setting alone may win."""
    return {
        "all equal": [0.0] * settings,
        "two best, others 20 below": [0.0, 0.0, *[-20.0] * (settings - 2)],
        "two best, others 1 below": [0.0, 0.0, *[-1.0] * (settings - 2)],
        "steps of 0.1": equal_steps(settings, 0.1),
    }


LOOKS = (5, 20)


def main() -> None:
    """Print the tables."""
    _row("false winners (%)", *(f"{settings} settings, {looks} looks" for settings in (2, 4, 8) for looks in LOOKS))
    _row(*["---"] * (1 + 3 * len(LOOKS)))
    for name in false_winners(3):
        shares = [
            runs(MEASURED, false_winners(settings)[name], 3, looks, 6000 // settings, examples=100).false
            for settings in (2, 4, 8)
            for looks in LOOKS
        ]
        _row(name, *(f"{100 * share:.1f}" for share in shares))
    _row("\nfalse winners (%), all equal", "2 settings, 10 looks", "4 settings, 10 looks")
    _row(*["---"] * 3)
    for world in WORLDS + STRAINED:
        shares = [runs(world, [0.0] * settings, 3, 10, 3000, examples=100).false for settings in (2, 4)]
        _row(world.name, *(f"{100 * share:.1f}" for share in shares))
    _row("\nsettings", "true scores", "power", "arms", "arms of a fixed run", "share")
    _row(*["---"] * 6)
    for settings in (2, 4, 8):
        for shape in (one_ahead, equal_steps)[: 1 if settings == 2 else 2]:
            for step in (1.75, 2.25):
                found = runs(MEASURED, shape(settings, step), 3, 18, 2400 // settings)
                whole = arms_of_fixed(MEASURED, shape(settings, step), found.right, 2400 // settings)
                names = f"{shape.__name__.replace('_', ' ')}, {step:g} points"
                _row(str(settings), names, f"{found.right:.0%}", f"{found.arms:.1f}", f"{whole:.1f}", f"{found.arms / whole:.0%}")


def _row(*cells: str) -> None:
    first, *rest = cells
    print("\n" * first.startswith("\n") + "| " + " | ".join([first.strip(), *rest]) + " |", flush=True)


if __name__ == "__main__":
    main()
