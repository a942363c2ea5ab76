"""The leaderboard: for each task and budget, the settings from best to worst, and what they have to beat."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from bench import results
from bench.report import stats
from bench.report.stats import Estimate
from bench.results import Results

Kind = Literal["setting", "teacher", "floor"]

FLOOR = "floor: "

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


@dataclass(frozen=True)
class Line:
    """One line of a board.

    scores: metric -> mean and interval. samples: metric -> scores, seeds x examples, for pairing.
    statuses: how many arms ended how. facts: means over the arms with a score, or over all of them where none has one;
    columns of `results.arms`.
    """

    name: str
    kind: Kind
    scores: Mapping[str, Estimate]
    samples: Mapping[str, pd.DataFrame]
    statuses: Mapping[str, int]
    facts: Mapping[str, float]


@dataclass(frozen=True)
class Board:
    """One task at one budget. settings: best first, those without a score last. references: the teacher, then the floors."""

    task: str
    budget_usd: float
    primary: Metric
    settings: tuple[Line, ...]
    references: tuple[Line, ...]

    @property
    def scored(self) -> tuple[Line, ...]:
        return tuple(line for line in self.settings if self.primary.name in line.scores)

    @property
    def floors(self) -> tuple[Line, ...]:
        """Best first."""
        return tuple(line for line in self.references if line.kind == "floor")

    def difference(self, better: Line, worse: Line) -> Estimate | None:
        """By how much `better` is better in the primary metric, paired; None where nothing can be paired."""
        name = self.primary.name
        if name not in better.samples or name not in worse.samples:
            return None
        first, second = (better, worse) if self.primary.direction != "lower" else (worse, better)
        return stats.difference(first.samples[name], second.samples[name])


def metrics(found: Results) -> list[Metric]:
    """Every metric that gave a score, the primary one first, then rouge2 and rougeL, then in alphabetical order."""
    scores = found.table[found.table["row"] == "score"].drop_duplicates("quantity")
    known = [Metric(str(n), str(u), str(d)) for n, u, d in zip(scores["quantity"], scores["unit"], scores["direction"], strict=True)]
    order = {name: place for place, name in enumerate([str(found.suite.get("primary_metric", "rouge2")), "rouge2", "rougeL"][::-1])}
    return sorted(known, key=lambda metric: (-order.get(metric.name, -1), metric.name))


def label(strategy: str, setting: str) -> str:
    """What a line is called: 'strategy' or 'strategy (setting)'."""
    return f"{strategy} ({setting})" if setting else strategy


def superseded(found: Results) -> list[str]:
    """Arms that the suite, as it was run last, does not hold; they enter no mean."""
    return sorted(set(found.records) - set(found.suite.get("arms", found.records)))


def boards(found: Results, shown: Sequence[Metric], resamples: int = stats.RESAMPLES) -> list[Board]:
    """One board for each task and budget, for the metrics `shown`; the first of them ranks."""
    arms = results.arms(found.table)
    arms = arms[arms["task"].ne("") & ~arms.index.isin(superseded(found))]
    arms["name"] = [label(s, t) for s, t in zip(arms["strategy"], arms["setting"], strict=True)]
    if not shown:
        shown = [Metric(str(found.suite.get("primary_metric", "score")), "", "none")]
    samples = _samples(found.examples, arms, [metric.name for metric in shown])
    return [
        _board(str(task), float(str(budget)), group, arms[arms["task"] == task], _Scorer(samples, shown, resamples))
        for (task, budget), group in arms.groupby(["task", "budget_usd"])
    ]


Samples = Mapping[tuple[str, str, str], pd.DataFrame]
"""(task, subject, metric) -> scores, arms x examples."""


def _samples(examples: pd.DataFrame, arms: pd.DataFrame, names: Sequence[str]) -> Samples:
    kept = examples[examples["metric"].isin(names) & examples["arm"].isin(arms.index)]
    tasks = kept["arm"].map(arms["task"])
    return {
        (str(task), str(subject), str(metric)): rows.pivot(index="arm", columns="id", values="value")
        for (task, subject, metric), rows in kept.groupby([tasks, "subject", "metric"])
    }


@dataclass(frozen=True)
class _Scorer:
    samples: Samples
    metrics: Sequence[Metric]
    resamples: int

    def line(self, name: str, kind: Kind, subject: str, task: str, arms: pd.DataFrame, facts: Mapping[str, float]) -> Line:
        drawn = {m.name: self._sample((task, subject, m.name), arms) for m in self.metrics}
        scores = {m.name: self._estimate(drawn[m.name], arms, f"{subject} {m.name}") for m in self.metrics}
        return Line(
            name=name,
            kind=kind,
            scores={metric: score for metric, score in scores.items() if score},
            samples={metric: sample for metric, sample in drawn.items() if not sample.empty},
            statuses=Counter(arms["status"]),
            facts=facts,
        )

    def _sample(self, key: tuple[str, str, str], arms: pd.DataFrame) -> pd.DataFrame:
        """Seeds x examples, the mean over the arms of a seed; only examples that every arm has a score for."""
        wide = self.samples.get(key, pd.DataFrame())
        rows = wide[wide.index.isin(arms.index)].dropna(axis=1)
        return rows.groupby(arms["seed"].reindex(rows.index).astype("int64")).mean() if len(rows) else pd.DataFrame()

    def _estimate(self, sample: pd.DataFrame, arms: pd.DataFrame, column: str) -> Estimate | None:
        """From scores of examples; a metric of the whole corpus has a mean over seeds and no interval."""
        if not sample.empty:
            return stats.estimate(sample.to_numpy(dtype=np.float64), self.resamples)
        values = arms[column].dropna() if column in arms else pd.Series(dtype="float64")
        by_seed = values.groupby(arms["seed"].reindex(values.index).astype("int64")).mean()
        return Estimate(float(by_seed.mean()), math.nan, math.nan, len(by_seed), 0) if len(by_seed) else None


def _board(task: str, budget_usd: float, arms: pd.DataFrame, of_task: pd.DataFrame, scorer: _Scorer) -> Board:
    primary = scorer.metrics[0]

    def worst_last(line: Line) -> tuple[bool, float, str]:
        score = line.scores.get(primary.name)
        return score is None, (score.mean if primary.direction == "lower" else -score.mean) if score else 0.0, line.name

    settings = [scorer.line(str(name), "setting", "student", task, rows, _facts(rows)) for name, rows in arms.groupby("name")]
    subjects = sorted({subject for of, subject, _ in scorer.samples if of == task and subject.startswith(FLOOR)})
    floors = [scorer.line(s.removeprefix(FLOOR), "floor", s, task, of_task, {}) for s in subjects]
    teacher = scorer.line("teacher", "teacher", "teacher", task, arms, _large(arms))
    references = [*([teacher] if teacher.scores else []), *sorted(floors, key=worst_last)]
    return Board(task, budget_usd, primary, tuple(sorted(settings, key=worst_last)), tuple(references))


def _facts(arms: pd.DataFrame) -> dict[str, float]:
    scored = arms[arms["status"] == "done"]
    means = (scored if len(scored) else arms).drop(columns=["seed", "label_share"]).mean(numeric_only=True)
    return {str(name): float(value) for name, value in means.dropna().items()}


def _large(arms: pd.DataFrame) -> dict[str, float]:
    """Size and speed of the large model, in the words used for the student."""
    facts = _facts(arms)
    names = {"teacher_parameters": "student_parameters", "large_ms": "student_ms"}
    return {student: facts[large] for large, student in names.items() if large in facts}
