"""Results in an experiment tracker: one run for each arm that has ended. A tracker is one file.

runs(results)                the arms as parameters, metrics and tags, the same for every tracker
export(results, tracker)     writes what the tracker does not hold yet
mlflow.MLflow                an experiment behind a tracking URI
trackio.Trackio              a project in trackio's local store

A run is found again by its arm. It is left alone where it holds the same content, and replaced where it does not, so results can be
exported as often as one likes. Nothing is uploaded: MLflow writes to the URI that the user names, and trackio to this machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Protocol

from bench.contracts import Progress
from bench.errors import BenchError
from bench.execution.record import Record
from bench.report.analysis import leaderboard
from bench.report.analysis.active_arms import current
from bench.report.analysis.differences import flat
from bench.results import arm_columns
from bench.results.table import Results, rows

ARM, CONTENT = "bench.arm", "bench.content"
"""Tags that hold the id of the arm, and the fingerprint of the run."""

Value = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """One arm, as trackers hold it. A name with a slash belongs to the group before the slash."""

    arm: str
    status: str
    """How the arm ended: done, infeasible, skipped or failed."""
    started: str
    """ISO 8601; '' where it is not known."""
    ended: str
    params: Mapping[str, Value]
    """Where the arm stands in its suite, and the settings of its strategy. Settings that are not set are left out."""
    metrics: Mapping[str, float]
    """Names end in their unit. What was not measured is left out."""
    tags: Mapping[str, str]
    """Suite, arm, status, fingerprints, and `missing/METRIC`: why a metric has no value."""

    @property
    def content(self) -> str:
        """Fingerprint of the run: 16 hex digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


class Tracker(Protocol):
    """A place where a tracker keeps the runs of one suite."""

    where: str
    """Name of the place, for readers."""

    def held(self) -> Mapping[str, str]:
        """Return arm -> content of each run; '' where the run was not written to its end. Raises BenchError."""
        ...

    def write(self, run: Run) -> None:
        """Write a run in place of all runs that the tracker holds of this arm. Raises BenchError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What an export did."""

    where: str
    written: int
    """Number of runs that are new, or had another content."""
    unchanged: int


def export(results: Results, tracker: Tracker, progress: Progress) -> Sent:
    """Write the arms of the results to a tracker. Runs with the same content are left alone. Raises BenchError."""
    all_runs, held = runs(results), tracker.held()
    new = [run for run in all_runs if held.get(run.arm) != run.content]
    for done, run in enumerate(new):
        progress("writing runs", done, len(new))
        tracker.write(run)
    progress("writing runs", 1, 1)
    return Sent(where=tracker.where, written=len(new), unchanged=len(all_runs) - len(new))


def library(name: str) -> Any:
    """Return the module of a tracker. Raises BenchError where it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise BenchError(f"{error.name} is not installed; run: pip install 'costbench[{name.partition('.')[0]}]'") from None


def runs(results: Results) -> list[Run]:
    """Return a run for each arm of the suite that has ended."""
    found = current(results)
    metrics: dict[str, dict[str, float]] = defaultdict(dict)
    for arm, name, value in _numbers(found):
        if not math.isnan(value):
            metrics[arm][name] = value
    reasons: dict[str, dict[str, str]] = defaultdict(dict)
    for arm, name, reason in _reasons(found):
        if name not in metrics[arm]:
            reasons[arm].setdefault(f"missing/{name}", reason)
    return [
        Run(
            arm=arm,
            status=record.status,
            started=record.started,
            ended=record.ended,
            params=_params(record, found),
            metrics=metrics[arm],
            tags={**_tags(record), **reasons[arm]},
        )
        for arm, record in found.records.items()
    ]


def _params(record: Record, found: Results) -> dict[str, Value]:
    place = {
        "task": record.task,
        "strategy": record.strategy,
        "use": record.use,
        "setting": record.setting,
        "budget_usd": record.budget_usd,
        "seed": record.seed,
        "large": found.suite.get("large"),
    }
    return {_name(name): _plain(value) for name, value in [*place.items(), *flat(record.settings)] if value is not None}


def _plain(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _tags(record: Record) -> dict[str, str]:
    """Return what identifies the arm and how it ended. What is not known is left out."""
    known = {
        ARM: record.arm,
        "bench.suite": record.suite,
        "bench.status": record.status,
        "bench.reason": record.reason,
        "bench.data_fingerprint": record.data_fingerprint,
        "bench.inputs_fingerprint": record.inputs_fingerprint,
        "bench.metrics_fingerprint": record.metrics_fingerprint,
    }
    return {name: value for name, value in known.items() if value}


def _numbers(found: Results) -> Iterator[tuple[str, str, float]]:
    """Yield (arm, metric, value): scores, dollars, readings and facts. A value may be NaN."""
    for arm, subject, metric, unit, value in _each(found, "score", "arm", "subject", "quantity", "unit", "value"):
        yield arm, _score(subject, metric, unit), value
    for arm, fact, value in _each(found, "fact", "arm", "quantity", "value"):
        if not fact.startswith(arm_columns.LLM_CONFUSED):
            yield arm, _name(fact), value
    view, usd = found.by_arm, arm_columns.paid_usd("")
    columns = {arm_columns.reading(*pair): _reading(*pair) for pair in _each(found, "reading", "quantity", "unit")}
    columns |= {column: _name("usd", column.removeprefix(usd)) for column in map(str, view) if column.startswith(usd)}
    columns |= {arm_columns.SPEED_UP: arm_columns.SPEED_UP}
    for column in columns.keys() & set(view.columns):
        for arm, value in view[column].items():
            yield str(arm), columns[column], float(value)


def _reasons(found: Results) -> Iterator[tuple[str, str, str]]:
    """Yield (arm, metric, why it has no value)."""
    for arm, subject, metric, unit, reason in _each(found, "score", "arm", "subject", "quantity", "unit", "reason"):
        if reason:
            yield arm, _score(subject, metric, unit), reason
    for arm, quantity, unit, reason in _each(found, "reading", "arm", "quantity", "unit", "reason"):
        if reason:
            yield arm, _reading(quantity, unit), reason


def _each(found: Results, kind: str, *names: str) -> Iterator[tuple[Any, ...]]:
    return rows(found.table, kind, *names).itertuples(index=False, name=None)


def _score(subject: str, metric: str, unit: str) -> str:
    """Return the name of a score: 'student/rouge2_points', 'baseline_lead/rouge2_points'."""
    who = subject.replace(leaderboard.BASELINE, "baseline ") if subject.startswith(leaderboard.BASELINE) else subject
    return _name(who, f"{metric} {unit}")


def _reading(quantity: str, unit: str) -> str:
    return _name(f"{quantity} {unit}")


def _name(*groups: str) -> str:
    """Return a name that every tracker accepts: letters, digits, '_', '-', '.', and '/' between groups."""
    return "/".join(re.sub(r"[^\w.-]+", "_", group).strip("_.") for group in groups)
