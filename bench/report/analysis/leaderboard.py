"""The leaderboard: for each task and budget, the settings from best to worst, and what they have to beat."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from bench.report.analysis import ranking, significance
from bench.report.analysis.arm_facts import TeacherFacts, of_lines, taught_by
from bench.report.analysis.ranking import Ranking
from bench.report.analysis.samples import WHOLE, Scores, by_line, scores
from bench.report.analysis.significance import Estimate
from bench.results.table import Results

Kind = Literal["setting", "teacher", "floor"]

FLOOR = "floor: "

NAMED = 6
"""A line that stands for several settings names so many of them."""

ARROWS = {"higher": " ↑", "lower": " ↓"}
"""After a unit: which way is better."""


@dataclass(frozen=True)
class Metric:
    """What a score is called, its unit, and which way is better."""

    name: str
    unit: str
    direction: str

    @property
    def title(self) -> str:
        """With unit and direction, for a column's head: 'rouge2 (points) ↑'."""
        return f"{self.name} ({self.unit}){ARROWS.get(self.direction, '')}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a board.

    scores: metric -> mean and interval. samples: metric -> scores, seeds x examples, for pairing; one column where a metric
    gives no score for each example.
    statuses: how many arms ended how. facts: means over the arms that are done, or over all of them where none is;
    columns of `results.arms`. seeds, wanted_seeds: those that gave a score, and those that gave one to any setting of the board.
    teacher: of a setting, its own teachers. taught: of a teacher, the settings it taught. who: of a teacher, what it is.
    """

    name: str
    kind: Kind
    scores: Mapping[str, Estimate]
    samples: Mapping[str, pd.DataFrame]
    statuses: Mapping[str, int]
    facts: Mapping[str, float]
    seeds: int = 0
    wanted_seeds: int = 0
    teacher: Line | None = None
    taught: tuple[str, ...] = ()
    who: str = ""

    @property
    def complete(self) -> bool:
        """Whether it has a score for every seed for which another setting has one."""
        return self.seeds >= self.wanted_seeds


@dataclass(frozen=True, kw_only=True)
class Board:
    """One task at one budget.

    settings: best first; those without all seeds after those with, those without a score last.
    references: teachers, then floors, best first. lead: name of the floor that is the lead baseline, '' where there is none.
    """

    task: str
    budget_usd: float
    primary: Metric
    settings: tuple[Line, ...]
    references: tuple[Line, ...]
    lead: str = ""

    @cached_property
    def scored(self) -> tuple[Line, ...]:
        return tuple(line for line in self.settings if self.primary.name in line.scores)

    @cached_property
    def compared(self) -> tuple[Line, ...]:
        """The settings with scores for the same seeds, best first: those that are as complete as the best."""
        return tuple(line for line in self.scored if line.complete == self.scored[0].complete)

    @property
    def floors(self) -> tuple[Line, ...]:
        """Best first."""
        return tuple(line for line in self.references if line.kind == "floor")

    @cached_property
    def ranking(self) -> Ranking:
        """The settings compared, in the primary metric, with corrected p-values."""
        samples = {line.name: line.samples[self.primary.name] for line in self.compared}
        return ranking.ranking(samples, self.primary.direction != "lower")

    def rank(self, line: Line) -> tuple[int, int] | None:
        """The best and the worst rank that a setting may have, see `Ranking.rank`; None where it was not tested against others."""
        return self.ranking.rank(line.name) if self._ranked(line) and self.ranking.tested else None

    def difference(self, better: Line, worse: Line, metric: Metric | None = None) -> Estimate | None:
        """By how much `better` is better in a metric, the primary one by default, paired; None where nothing can be paired.

        The interval is for this one comparison. The p-value is corrected: of two settings compared by rank, by Holm over all
        pairs, see `ranking`; else for the number of comparisons of its kind, which is Holm's first and strictest step.
        """
        metric = metric or self.primary
        key = (better.kind, better.name, worse.kind, worse.name, metric.name)
        if key not in self._differences:  # every part of a report asks for them
            self._differences[key] = self._difference(better, worse, metric)
        return self._differences[key]

    @cached_property
    def _differences(self) -> dict[tuple[str, ...], Estimate | None]:
        return {}

    def _difference(self, better: Line, worse: Line, metric: Metric) -> Estimate | None:
        if metric.name not in better.samples or metric.name not in worse.samples:
            return None
        if metric == self.primary and self._ranked(better) and self._ranked(worse):
            return self.ranking.difference(better.name, worse.name)
        found = significance.difference(*_by_worth(better, worse, metric))
        return found and replace(found, p=float(np.minimum(found.p * self._family(better, worse), 1)))

    def _ranked(self, line: Line) -> bool:
        return line.kind == "setting" and line.name in self.ranking.places

    def _family(self, first: Line, second: Line) -> int:
        """How many comparisons there are of this kind: pairs of settings; each setting with each floor and with its teacher."""
        if first.kind == second.kind:
            return math.comb(len(self.scored), 2) or 1
        return len(self.scored) * (len(self.floors) + 1) or 1


def _by_worth(better: Line, worse: Line, metric: Metric) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples, the greater one first where `better` is better."""
    first, second = (better, worse) if metric.direction != "lower" else (worse, better)
    return first.samples[metric.name], second.samples[metric.name]


def metrics(found: Results) -> list[Metric]:
    """Every metric that was asked for a score, the primary one first, then rouge2 and rougeL, then in alphabetical order."""
    scores = _scores(found).drop_duplicates("quantity")
    known = [Metric(str(n), str(u), str(d)) for n, u, d in zip(scores["quantity"], scores["unit"], scores["direction"], strict=True)]
    order = {name: place for place, name in enumerate([str(found.suite.get("primary_metric", "rouge2")), "rouge2", "rougeL"][::-1])}
    return sorted(known, key=lambda metric: (-order.get(metric.name, -1), metric.name))


def label(strategy: str, setting: str) -> str:
    """What a line is called: 'strategy' or 'strategy (setting)'."""
    return f"{strategy} ({setting})" if setting else strategy


def boards(found: Results, shown: Sequence[Metric]) -> list[Board]:
    """One board for each task and budget, for the metrics `shown`; the first of them ranks."""
    arms = found.by_arm
    arms = arms[arms["task"].ne("")]
    arms["name"] = [label(s, t) for s, t in zip(arms["strategy"].tolist(), arms["setting"].tolist(), strict=True)]
    if not shown:
        shown = [Metric(str(found.suite.get("primary_metric", "score")), "", "none")]
    drawn = []
    for task, of_task in arms.groupby("task"):
        scorer = _Scorer(scores(found, of_task.index, [metric.name for metric in shown]), shown)
        floors = sorted((_floor(subject, of_task, scorer) for subject in _floors(found, of_task)), key=scorer.rank)
        lead = _lead(str(found.suite.get("lead", {}).get(task, "")), floors)
        for budget, group in of_task.groupby("budget_usd"):
            settings = _settings(group, scorer)
            references = (*_teachers(found, settings, group, scorer), *floors)
            drawn.append(
                Board(task=str(task), budget_usd=float(str(budget)), primary=shown[0], settings=settings, references=references, lead=lead)
            )
    return drawn


def _scores(found: Results) -> pd.DataFrame:
    """The rows that count: an arm that did not end well may have left scores behind."""
    return found.table[(found.table["row"] == "score") & (found.table["status"] == "done")]


def _floors(found: Results, of_task: pd.DataFrame) -> list[str]:
    rows = _scores(found)
    subjects = rows.loc[rows["arm"].isin(of_task.index), "subject"].unique()
    return sorted(subject for subject in map(str, subjects) if subject.startswith(FLOOR))


def _floor(subject: str, of_task: pd.DataFrame, scorer: _Scorer) -> Line:
    (line,) = scorer.lines("floor", subject, of_task, pd.Series(subject.removeprefix(FLOOR), index=of_task.index))
    return line


def _lead(name: str, floors: Sequence[Line]) -> str:
    """The floor that the suite names, or else the first by name."""
    names = sorted(floor.name for floor in floors)
    return name if name in names else next(iter(names), "")


@dataclass(frozen=True)
class _Scorer:
    """Makes the lines of one task."""

    scores: Scores
    metrics: Sequence[Metric]

    def lines(self, kind: Kind, subject: str, arms: pd.DataFrame, names: pd.Series[str]) -> list[Line]:
        """Scores of one subject over `arms`, of which those that are done count; names: of the line of each."""
        done = arms["status"] == "done"
        found = {m.name: by_line(self.scores, subject, m.name, arms[done], names[done]) for m in self.metrics}
        samples = {name: {metric: of[name] for metric, of in found.items() if name in of} for name in names.unique()}
        estimates = {metric: {name: _estimate(sample) for name, sample in of.items()} for metric, of in found.items()}
        statuses: dict[str, Counter[str]] = {name: Counter() for name in samples}
        for name, status in zip(names.tolist(), arms["status"].tolist(), strict=True):  # quicker than to go over the columns
            statuses[name][status] += 1
        return [self._line(name, kind, of, {m: estimates[m][name] for m in of}, statuses[name]) for name, of in samples.items()]

    def rank(self, line: Line) -> tuple[bool, bool, float, str]:
        """Best first; those that lack seeds after those that do not, as their means are over other seeds."""
        score = line.scores.get(self.metrics[0].name)
        lower = self.metrics[0].direction == "lower"
        return score is None, not line.complete, (score.mean if lower else -score.mean) if score else 0.0, line.name

    def _line(
        self, name: str, kind: Kind, samples: Mapping[str, pd.DataFrame], scores: Mapping[str, Estimate], statuses: Mapping[str, int]
    ) -> Line:
        return Line(
            name=name,
            kind=kind,
            scores=scores,
            samples=samples,
            statuses=statuses,
            facts={},
            seeds=len(samples.get(self.metrics[0].name, ())),
        )


def _estimate(sample: pd.DataFrame) -> Estimate:
    """A metric of the whole test set has a mean over seeds and no interval."""
    found = significance.estimate(sample.to_numpy())
    return replace(found, examples=0) if sample.shape[1] == 1 and sample.columns[0] == WHOLE else found


def _settings(arms: pd.DataFrame, scorer: _Scorer) -> tuple[Line, ...]:
    lines = scorer.lines("setting", "student", arms, arms["name"])
    teachers = {line.name: line for line in scorer.lines("teacher", "teacher", arms, arms["name"]) if line.scores}
    facts, primary = of_lines(arms), scorer.metrics[0].name
    wanted = len({seed for line in lines if primary in line.samples for seed in line.samples[primary].index})
    told = [replace(line, facts=facts[line.name], wanted_seeds=wanted, teacher=teachers.get(line.name)) for line in lines]
    return tuple(sorted(told, key=scorer.rank))


def _teachers(found: Results, settings: Sequence[Line], arms: pd.DataFrame, scorer: _Scorer) -> list[Line]:
    """One line for all settings whose teachers have the same scores: those were tuned on the same labels, or shown the same ones."""
    groups: dict[tuple[bytes, ...], list[Line]] = {}
    for line in settings:
        if line.teacher:
            same = [part for sample in line.teacher.samples.values() for part in (sample.index, sample.to_numpy())]
            groups.setdefault(tuple(np.asarray(part).tobytes() for part in same), []).append(line)
    lines, facts, places = [], TeacherFacts.of(arms), arms.groupby("name").indices
    for group in groups.values():
        names, one = tuple(sorted(line.name for line in group)), group[0].teacher
        if one:
            of_group = np.sort(np.concatenate([places[name] for name in names]))
            who, is_large = taught_by(found, str(arms.index[of_group[0]]))
            known = facts.means(of_group, is_large)
            lines.append(replace(one, name=f"teacher of {_listed(names)}", taught=names, facts=known, who=who))
    return sorted(lines, key=scorer.rank)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
