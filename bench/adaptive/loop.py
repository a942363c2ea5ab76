"""One look after the other: run the next arms, read their scores, decide, and choose the arms of the next look.

Nothing is remembered but the looks that were made. A run that goes on after it was stopped makes the same looks again from records and
scores, runs the arms that are missing, and so comes to the same decision.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bench.adaptive import looks as looks_made
from bench.adaptive.decide import Behind, Verdict, decide
from bench.adaptive.limits import Limits
from bench.adaptive.looks import Looks
from bench.contracts import Executor
from bench.execution import runner
from bench.execution.prepare import Fetched
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Record, read_record
from bench.execution.runner import Screen
from bench.report.analysis import leaderboard, samples, significance
from bench.report.analysis.looks import ENTRY, Decision, UntilDecided
from bench.report.analysis.significance import Floats
from bench.report.text import count, listed
from bench.results import table
from bench.results.table import Results
from bench.suite import arms as planning
from bench.suite.arms import Arm, Key


def run(
    prepared: PreparedSuite,
    executor: Executor,
    screen: Screen,
    *,
    retry: bool,
    fetched: Fetched | None,
    limits: Limits,
    say: Callable[[str], object],
) -> list[Record]:
    """Run the suite until every task and budget is decided, or a limit is reached. Return the records of all arms of all looks.

    The first look has the seeds of the suite, and the settings and budgets of `prepared.arms`. `say` gets a line after each look for which
    arms ran. Raises BenchError where the looks in the results folder do not fit, or another process runs there.
    """
    question = _Question(prepared=prepared, settings=tuple(dict.fromkeys(arm.key for arm in prepared.arms)), limits=limits)
    made = looks_made.planned(prepared.results, prepared.suite.spec.seeds, limits.max_seeds)
    looks, held, stop = made.first(0), list[Arm](), ""
    decided = question.undecided(looks)
    for number in itertools.count(1):
        following = made.first(number) if number <= len(made.looks) else looks.with_next()
        new = question.arms(decided, following)
        here = replace(prepared, arms=tuple(new))
        kept = runner.kept(here, retry)
        missing = [arm for arm in new if kept[arm.id] is None]
        stop = question.refusal(following, held, new, missing)
        if not new or stop:
            break
        held += new
        if number > len(made.looks):
            following.write(prepared.results)
        if missing:
            runner.run(here, executor, screen, retry=retry, fetched=fetched, question=_entries(held, decided))
        else:
            runner.describe(here, fetched, _entries(held, decided))
        looks = following
        decided = question.decided(table.read(prepared.results), looks, held)
        if missing:
            say(_line(decided))
    ended = replace(decided, decisions=tuple(one if one.closed else replace(one, open=stop) for one in decided.decisions))
    runner.describe(prepared, fetched, _entries(held, ended))
    return [record for arm in held if (record := read_record(prepared.results / arm.id))]


def _entries(held: Sequence[Arm], decided: UntilDecided) -> dict[str, Any]:
    """Return the entries of suite.json that a plain run has otherwise, or not at all."""
    seeds = [seed for look in decided.looks for seed in look]
    return {"arms": [arm.id for arm in held], **({"seeds": seeds} if seeds else {}), ENTRY: decided.entry}


def _line(decided: UntilDecided) -> str:
    open_ = [f"{one.task}, {one.budget_usd:g} USD" for one in decided.decisions if not one.closed]
    seeds = sum(map(len, decided.looks))
    return f"look {len(decided.looks)}, {count(seeds, 'seed')}: " + (f"open at {listed(open_, 8)}" if open_ else "all is decided")


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked: which setting is best at each task and budget."""

    prepared: PreparedSuite
    settings: tuple[Key, ...]
    """Task, setting and budget of all arms of the first look."""
    limits: Limits

    def arms(self, decided: UntilDecided, looks: Looks) -> list[Arm]:
        """Return the arms of the last of `looks`: those of settings in play where nothing is decided."""
        playing = {(one.task, name, one.budget_usd) for one in decided.decisions if not one.closed for name in one.playing}
        return [arm for arm in planning.arms(self.prepared.suite, looks.looks[-1]) if arm.key in playing]

    def refusal(self, looks: Looks, held: Sequence[Arm], new: Sequence[Arm], missing: Sequence[Arm]) -> str:
        """Return why the last of `looks` may not be made; '' where it may. `missing` are those of its `new` arms that have to run."""
        most = min(looks.max_seeds, self.limits.max_seeds or looks.max_seeds)
        if len(looks.looks) > 1 and looks.counts[-1] > most:
            return f"the largest number of seeds, {most}, is reached"
        if not missing:
            return ""
        records = [record for arm in (*held, *new) if arm not in missing and (record := read_record(self.prepared.results / arm.id))]
        return self.limits.refusal(self.prepared.suite, [*held, *new], missing, records)

    def undecided(self, looks: Looks) -> UntilDecided:
        """Return the state before the first look."""
        nothing = Verdict(looks=0, playing=(), stopped={}, unscored={}, behind={}, equal=False, enough_examples=True)
        boards = dict.fromkeys((task, budget) for task, _, budget in self.settings)
        found = [replace(self._decision(board, nothing, ()), playing=self._names(board), open="") for board in boards]
        return self._state(looks, found)

    def decided(self, found: Results, looks: Looks, held: Sequence[Arm]) -> UntilDecided:
        """Return what the looks decide at every task and budget, from the scores that the results hold."""
        boards = dict.fromkeys((task, budget) for task, _, budget in self.settings)
        decisions = []
        for board in boards:
            scores = self._scores(found, board, looks, held)
            verdict = decide(scores, looks.counts, looks.levels, self.limits.margin)
            decisions.append(self._decision(board, verdict, looks.levels))
        return self._state(looks, decisions)

    def _state(self, looks: Looks, decisions: Sequence[Decision]) -> UntilDecided:
        return UntilDecided(
            looks=looks.looks, levels=looks.levels, max_seeds=looks.max_seeds, margin=self.limits.margin, decisions=tuple(decisions)
        )

    def _names(self, board: tuple[str, float]) -> tuple[str, ...]:
        return tuple(name for task, name, budget in self.settings if (task, budget) == board)

    def _scores(self, found: Results, board: tuple[str, float], looks: Looks, held: Sequence[Arm]) -> Floats:
        """Return the scores that rank, (settings, seeds, examples). More is better; NaN is missing."""
        names, seeds = self._names(board), [seed for look in looks.looks for seed in look]
        ids = {(arm.column, arm.seed): arm.id for arm in held if (arm.task_label, arm.budget_usd) == board}
        wanted = [ids.get((name, seed), "") for name in names for seed in seeds]
        metric = next((one for one in leaderboard.metrics(found) if one.name == found.suite["primary_metric"]), None)
        done = pd.Index([arm for arm in wanted if arm in found.examples], dtype=object)
        frames = samples.scores(found, done, [metric.name]) if metric else {}
        if metric is None or ("student", metric.name) not in frames:
            return np.full((len(names), len(seeds), 1), np.nan)
        scores = frames["student", metric.name].reindex(wanted).to_numpy(dtype=np.float64)
        return (-1.0 if metric.direction == "lower" else 1.0) * scores.reshape(len(names), len(seeds), -1)

    def _decision(self, board: tuple[str, float], verdict: Verdict, levels: Sequence[float]) -> Decision:
        names = self._names(board)
        return Decision(
            task=board[0],
            budget_usd=board[1],
            looks=verdict.looks,
            level=levels[verdict.looks - 1] if verdict.looks else 0.0,
            winner="" if verdict.winner is None else names[verdict.winner],
            equal=verdict.equal,
            playing=tuple(names[place] for place in verdict.playing),
            stopped={names[place]: look for place, look in verdict.stopped.items()},
            unscored={names[place]: look for place, look in verdict.unscored.items()},
            behind={names[place]: _finite(gap) for place, gap in verdict.behind.items()},
            open=_hopeless(verdict),
        )


def _hopeless(verdict: Verdict) -> str:
    """Return why no further seed can decide anything; '' where one can, or all is decided."""
    if verdict.winner is not None or verdict.equal:
        return ""
    if len(verdict.playing) < 2:
        return "fewer than two settings have scores by test example for every seed"
    return "" if verdict.enough_examples else f"fewer than {significance.FEWEST_EXAMPLES} test examples have scores"


def _finite(gap: Behind) -> tuple[float, float | None, float | None]:
    """Return a difference for JSON, which knows no infinity."""
    return (gap.mean, gap.low, gap.high) if np.isfinite(gap.low) else (gap.mean, None, None)
