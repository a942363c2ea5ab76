"""The leaderboard: for each task and budget the settings from best to worst, and the baselines and teachers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from bench.report.analysis import ranking, significance
from bench.report.analysis.arm_facts import TeacherFacts, of_lines, taught_by
from bench.report.analysis.line import Kind, Line
from bench.report.analysis.looks import Stop, until_decided
from bench.report.analysis.metric import Metric
from bench.report.analysis.ranking import Ranking
from bench.report.analysis.samples import WHOLE, Scores, by_line, scores
from bench.report.analysis.significance import Estimate, Floats, Spread
from bench.results.table import Results, rows

BASELINE, ON_DEV = "floor: ", "baseline on dev: "
"""How the subjects of a baseline's scores on test and on dev begin in ledgers and tables."""
NAMED = 6
"""Number of settings that are named in a line that stands for several."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """The lines of one task at one budget."""

    task: str
    budget_usd: float
    primary: Metric
    settings: tuple[Line, ...]
    """Best first. Those that lack seeds come after the others, and those without a score come last."""
    references: tuple[Line, ...]
    """Teachers, then baselines, each best first."""
    lead: str = ""
    """Name of the lead baseline, '' where there is none."""
    best_on_dev: str = ""
    """Name of the baseline with the best score on dev, '' where none has one there. Results before 2026-12 have none."""
    _differences: dict[tuple[str, ...], Estimate | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    _against_baseline: dict[str, dict[str, float]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _behind_teachers: dict[str, dict[str, Estimate | None]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def scored(self) -> tuple[Line, ...]:
        """The settings with a score that ranks them."""
        return tuple(line for line in self.settings if self.primary.sign and self.primary.name in line.scores)

    @cached_property
    def compared(self) -> tuple[Line, ...]:
        """The settings with scores for the same seeds, best first: those that are as complete as the best."""
        return tuple(line for line in self.scored if line.complete == self.scored[0].complete)

    @cached_property
    def tied(self) -> tuple[Line, ...]:
        """The compared settings that are not significantly worse than the best. Without a test only equal means tie."""
        gaps = [(line, self.difference(self.compared[0], line)) for line in self.compared[1:]]
        return tuple(line for line, gap in gaps if gap is None or (not gap.significant if gap.tested else gap.mean == 0))

    @property
    def baselines(self) -> tuple[Line, ...]:
        return tuple(line for line in self.references if line.kind == "baseline")

    @cached_property
    def baseline(self) -> Line | None:
        """The baseline that settings are compared with: the best on dev. Without scores on dev it is the best on test."""
        return next((line for line in self.baselines if line.name == self.best_on_dev), next(iter(self.baselines), None))

    @cached_property
    def ranking(self) -> Ranking:
        """The compared settings in the primary metric, with corrected p-values."""
        samples = {line.name: line.samples[self.primary.name] for line in self.compared}
        return ranking.ranking(samples, self.primary.direction != "lower")

    @cached_property
    def best_strategy(self) -> str:
        """The strategy of all settings that may be best; see `only_strategy`. '' where nothing was tested."""
        untested = [line.name for line in self.scored if line.name not in self.ranking.places]
        return self.only_strategy([*self.ranking.may_be_best, *untested]) if self.ranking.tested else ""

    def only_strategy(self, names: Collection[str]) -> str:
        """Return the strategy that all settings in `names` share, '' where they share none or no other strategy has a score."""
        strategies = {line.strategy for line in self.scored if line.name in names}
        return strategies.pop() if len(strategies) == 1 and len({line.strategy for line in self.scored}) > 1 else ""

    def rank(self, line: Line) -> tuple[int, int] | None:
        """Return the best and the worst rank that a setting may have; see `Ranking.rank`. None where it was not tested against others."""
        return self.ranking.rank(line.name) if self._ranked(line) and self.ranking.tested else None

    def difference(self, better: Line, worse: Line, metric: Metric | None = None) -> Estimate | None:
        """Return how much better `better` is in a metric, by default the primary one. None: nothing can be paired.

        The interval is for this one comparison. The p-value is corrected. For two ranked settings see `Ranking.difference`. For a setting
        and the baseline that is best on dev it is corrected by Holm over all settings. Otherwise it is multiplied by the number of
        comparisons of its kind, which is Holm's first and strictest step: of all pairs of settings, or of each setting with each baseline
        and with its teacher.
        """
        metric = metric or self.primary
        key = (better.kind, better.name, worse.kind, worse.name, metric.name)
        if key in self._differences:  # every part of a report asks for differences
            return self._differences[key]
        if metric == self.primary and self._ranked(better) and self._ranked(worse):
            found: Estimate | None = self.ranking.difference(better.name, worse.name)
        else:
            found = self._behind_teacher(worse, metric) if worse.teacher is better else _differences([(better, worse)], metric)[0]
            found = found and replace(found, p=self._corrected(found.p, better, worse, metric))
        found = found and metric.cut_difference(found)
        self._differences[key] = found
        return found

    def spread(self, one: Line, other: Line) -> Spread | None:
        """Return the variances behind the difference of two settings in the primary metric. None: nothing can be paired."""
        if self._ranked(one) and self._ranked(other):
            return self.ranking.spread(one.name, other.name)
        gaps = significance.paired(one.samples[self.primary.name], other.samples[self.primary.name])
        return None if gaps is None else significance.spread(significance.effects(gaps.to_numpy()))

    def _corrected(self, p: float, better: Line, worse: Line, metric: Metric) -> float:
        """Return the corrected p-value of a pair that is not one of two ranked settings."""
        settings, baseline = len(self.scored), self.baseline
        if baseline and baseline.name == self.best_on_dev and baseline in (better, worse):
            if metric.name not in self._against_baseline:
                others = _differences([(line, baseline) for line in self.scored], metric)
                found = {line.name: other.p for line, other in zip(self.scored, others, strict=True) if other}
                corrected = significance.holm(np.array([*found.values()])).tolist()
                self._against_baseline[metric.name] = dict(zip(found, corrected, strict=True))
            setting = better if worse is baseline else worse
            if setting.name in self._against_baseline[metric.name]:  # a teacher is compared with it in another family
                return self._against_baseline[metric.name][setting.name]
        comparisons = math.comb(settings, 2) if better.kind == worse.kind else settings * (len(self.baselines) + 1)
        return float(np.minimum(p * (comparisons or 1), 1))

    def _behind_teacher(self, line: Line, metric: Metric) -> Estimate | None:
        """Return how much better the teacher of a setting is, not corrected. Those of all settings are computed together."""
        if metric.name not in self._behind_teachers:
            pairs = {one.name: (one.teacher, one) for one in self.settings if one.teacher}
            self._behind_teachers[metric.name] = dict(zip(pairs, _differences([*pairs.values()], metric), strict=True))
        return self._behind_teachers[metric.name][line.name]

    def _ranked(self, line: Line) -> bool:
        return line.kind == "setting" and line.name in self.ranking.places


def _differences(pairs: Sequence[tuple[Line, Line]], metric: Metric) -> list[Estimate | None]:
    """Return how much better the first of each pair is, not corrected. None: nothing can be paired."""
    gaps: dict[int, Floats] = {}
    for place, pair in enumerate(pairs):
        first, second = pair if metric.direction != "lower" else pair[::-1]
        if metric.name in first.samples and metric.name in second.samples:
            gap = significance.paired(first.samples[metric.name], second.samples[metric.name])
            gaps |= {} if gap is None else {place: gap.to_numpy()}
    found = dict(zip(gaps, significance.estimates([*gaps.values()]), strict=True))
    return [found.get(place) for place in range(len(pairs))]


def metrics(found: Results) -> list[Metric]:
    """Return every metric that the suite scores: the primary one first, then rouge2 and rougeL, then in alphabetical order."""
    scores = _scores(found).drop_duplicates("quantity")
    known = [Metric(str(n), str(u), str(d)) for n, u, d in zip(scores["quantity"], scores["unit"], scores["direction"], strict=True)]
    order = {name: place for place, name in enumerate([str(found.suite.get("primary_metric", "rouge2")), "rouge2", "rougeL"][::-1])}
    return sorted(known, key=lambda metric: (-order.get(metric.name, -1), metric.name))


def label(strategy: str, setting: str) -> str:
    """Return the name of a line: 'strategy' or 'strategy (setting)'."""
    return f"{strategy} ({setting})" if setting else strategy


def boards(found: Results, shown: Sequence[Metric]) -> list[Board]:
    """Return one board for each task and budget, in the metrics `shown`. The first of these ranks."""
    arms = found.by_arm
    arms = arms[arms["task"].ne("")]
    arms["name"] = [label(s, t) for s, t in zip(arms["strategy"].tolist(), arms["setting"].tolist(), strict=True)]
    if not shown:
        shown = [Metric(str(found.suite.get("primary_metric", "score")), "", "none")]
    scored, drawn, run = _scores(found), [], until_decided(found)
    for task, of_task in arms.groupby("task"):
        scorer = _Scorer(scores(found, of_task.index, [metric.name for metric in shown]), shown)
        subjects = map(str, scored.loc[scored["arm"].isin(of_task.index), "subject"].unique())
        names = sorted(subject.removeprefix(BASELINE) for subject in subjects if subject.startswith(BASELINE))
        of_names = [scorer.lines("baseline", BASELINE + name, of_task, pd.Series(name, index=of_task.index)) for name in names]
        baselines = sorted((line for lines in of_names for line in lines), key=scorer.rank)
        lead = str(found.suite.get("lead", {}).get(task, ""))
        lead = lead if lead in names else next(iter(names), "")
        best_on_dev = _best_on_dev(scored[scored["arm"].isin(of_task.index)], names, shown[0])
        for budget, group in of_task.groupby("budget_usd"):
            settings = _settings(group, scorer, run.stops(str(task), float(str(budget))) if run else {})
            references = (*_teachers(found, settings, group, scorer), *baselines)
            drawn.append(
                Board(
                    task=str(task),
                    budget_usd=float(str(budget)),
                    primary=shown[0],
                    settings=settings,
                    references=references,
                    lead=lead,
                    best_on_dev=best_on_dev,
                )
            )
    return drawn


def _best_on_dev(scored: pd.DataFrame, names: Sequence[str], metric: Metric) -> str:
    """Return the one of `names` with the best mean over the arms in a metric on dev; '' where none has a score."""
    on_dev = scored[scored["quantity"].eq(metric.name) & scored["subject"].str.startswith(ON_DEV)]
    means = on_dev.groupby(on_dev["subject"].str.removeprefix(ON_DEV))["value"].mean().reindex(pd.Index(names)).dropna()
    if means.empty or not metric.sign:
        return ""
    return str((metric.sign * means).idxmax())


def _scores(found: Results) -> pd.DataFrame:
    """Return the scores of arms that are done. Other arms may have left scores behind."""
    scores = rows(found.table, "score", "arm", "status", "subject", "quantity", "value", "unit", "direction")
    return scores[scores["status"] == "done"]


@dataclass(frozen=True)
class _Scorer:
    """Makes the lines of one task."""

    scores: Scores
    metrics: Sequence[Metric]

    def lines(self, kind: Kind, subject: str, arms: pd.DataFrame, names: pd.Series[str]) -> list[Line]:
        """Return the lines of one subject over `arms`. Only arms that are done count. `names` holds the name of the line of each arm."""
        done, primary = arms["status"] == "done", self.metrics[0].name
        found = {m.name: by_line(self.scores, subject, m.name, arms[done], names[done]) for m in self.metrics}
        statuses: dict[str, Counter[str]] = {name: Counter() for name in names.unique()}
        for name, status in zip(names.tolist(), arms["status"].tolist(), strict=True):  # faster than iterating over the columns
            statuses[name][status] += 1
        scored = {
            metric.name: dict(zip(found[metric.name], estimates([*found[metric.name].values()]), strict=True)) for metric in self.metrics
        }
        lines = []
        for name, ended in statuses.items():
            samples = {metric: of[name] for metric, of in found.items() if name in of}
            shown = {metric.name: metric.cut(scored[metric.name][name]) for metric in self.metrics if metric.name in samples}
            seeds = len(samples.get(primary, ()))
            lines.append(Line(name=name, kind=kind, scores=shown, samples=samples, statuses=ended, facts={}, seeds=seeds))
        return lines

    def rank(self, line: Line) -> tuple[bool, bool, int, float, str]:
        """Return the sort key: best first. Lines that stopped or lack seeds come last, because their means are over other seeds."""
        score = line.scores.get(self.metrics[0].name)
        reached = -self.metrics[0].sign * score.mean if score else 0.0
        return score is None, not line.complete, line.stopped, reached, line.name


def estimates(samples: Sequence[pd.DataFrame]) -> list[Estimate]:
    """Return scores, not cut to possible ones. A metric of the whole test set has a mean over seeds and no interval."""
    found = zip(significance.estimates([sample.to_numpy() for sample in samples], tested=False), samples, strict=True)
    return [replace(one, examples=0) if sample.shape[1] == 1 and sample.columns[0] == WHOLE else one for one, sample in found]


def _settings(arms: pd.DataFrame, scorer: _Scorer, stops: Mapping[str, Stop]) -> tuple[Line, ...]:
    lines = scorer.lines("setting", "student", arms, arms["name"])
    teachers = {line.name: line for line in scorer.lines("teacher", "teacher", arms, arms["name"]) if line.scores}
    facts, primary = of_lines(arms), scorer.metrics[0].name
    strategies = dict(zip(arms["name"].tolist(), arms["strategy"].tolist(), strict=True))
    wanted = {seed for line in lines if primary in line.samples for seed in line.samples[primary].index}
    known = []
    for line in lines:
        stop = stops.get(line.name, Stop(0, frozenset(wanted)))
        known.append(
            replace(
                line,
                strategy=strategies[line.name],
                facts=facts[line.name],
                wanted_seeds=len(wanted & stop.seeds),
                stopped=stop.look,
                teacher=teachers.get(line.name),
            )
        )
    return tuple(sorted(known, key=scorer.rank))


def _teachers(found: Results, settings: Sequence[Line], arms: pd.DataFrame, scorer: _Scorer) -> list[Line]:
    """Return one line for all settings whose teachers have the same scores. Such teachers were tuned on the same labels, or were shown the
    same ones."""
    groups: dict[tuple[bytes, ...], tuple[Line, list[str]]] = {}
    for line in settings:
        if line.teacher:
            same = [part for sample in line.teacher.samples.values() for part in (sample.index, sample.to_numpy())]
            key = tuple(np.asarray(part).tobytes() for part in same)
            groups.setdefault(key, (line.teacher, []))[1].append(line.name)
    lines, facts, places = [], TeacherFacts.of(arms), arms.groupby("name").indices
    for teacher, taught in groups.values():
        names = tuple(sorted(taught))
        of_group = np.sort(np.concatenate([places[name] for name in names]))
        who, is_large = taught_by(found, str(arms.index[of_group[0]]))
        listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        known = facts.means(of_group, is_large)
        lines.append(replace(teacher, name=f"teacher of {listed}", taught=names, facts=known, who=who))
    return sorted(lines, key=scorer.rank)
