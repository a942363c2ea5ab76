"""Whether the hours and the dollars allow another look. All limits count what earlier runs in the results folder took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from bench.execution.record import Record
from bench.forecast import suite as forecasting
from bench.forecast.arm import Forecast
from bench.report.analysis import leaderboard
from bench.suite.arms import Arm, Key
from bench.suite.suite_file import Suite


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a run with --until-decided. None is no limit."""

    max_seeds: int | None = None
    max_hours: float | None = None
    max_usd: float | None = None
    margin: float = 1.0
    """In units of the score that ranks."""
    planned: Mapping[Arm, Forecast] = field(default_factory=dict)
    """Forecasts of the suite's arms, where there is a limit in dollars. Another seed costs what the same arms of one of its seeds cost."""

    def refusal(self, suite: Suite, arms: Sequence[Arm], missing: Sequence[Arm], records: Sequence[Record]) -> str:
        """Return why the next look may not be made; '' where it may.

        arms: those of this look and of all before. missing: those of them that have to run. records: those of the arms that have ended.
        """
        if self.max_usd is not None and (usd := self._usd(suite, arms)) > self.max_usd + 0.005:
            return f"the next look would raise the dollars to {usd:,.2f}, above --max-usd {self.max_usd:g}"
        if self.max_hours is not None and (hours := _hours(missing, records)) > self.max_hours:
            return f"the next look would raise the hours to about {hours:.2f}, above --max-hours {self.max_hours:g}"
        return ""

    def _usd(self, suite: Suite, arms: Sequence[Arm]) -> float:
        """Return the most that arms cost, with work that arms of one seed share counted once."""
        representatives = {arm.key: arm for arm in reversed([*self.planned])}
        by_seed: dict[int, dict[Arm, Forecast]] = {}
        for arm in arms:
            like = representatives[arm.key]
            by_seed.setdefault(arm.seed, {})[like] = self.planned[like]
        return math.fsum(forecasting.suite_forecast(suite, of_seed, None, 1).deduplicated.at_most_usd for of_seed in by_seed.values())


def _hours(new: Sequence[Arm], records: Sequence[Record]) -> float:
    """Return the hours in which arms ran so far, and in which new ones will have ended.

    New arms take as long as ended arms of their setting and budget, and as many run at a time as before. Before any arm has ended, nothing
    is known, and new ones count as 0.
    """
    spans = sorted(span for record in records if (span := _span(record)))
    if not spans:
        return 0.0
    busy, until = 0.0, -math.inf
    for begun, ended in spans:
        busy += max(ended - max(begun, until), 0.0)
        until = max(until, ended)
    took: dict[Key, list[float]] = {}
    for record in records:
        if span := _span(record):
            column = leaderboard.label(record.strategy, record.setting)
            took.setdefault((record.task, column, record.budget_usd), []).append(span[1] - span[0])
    average = float(np.mean([ended - begun for begun, ended in spans]))
    expected = [float(np.mean(took.get(arm.key, [average]))) for arm in new]
    at_a_time = max(math.fsum(ended - begun for begun, ended in spans) / busy, 1.0) if busy else 1.0
    return (busy + max(math.fsum(expected) / at_a_time, *expected)) / 3600


def _span(record: Record) -> tuple[float, float] | None:
    """Return when an arm began and ended, in seconds; None where its record does not say. The clock may have been set while it ran."""
    if not record.started or not record.ended:
        return None
    begun, ended = (datetime.fromisoformat(when).timestamp() for when in (record.started, record.ended))
    return begun, begun + (max(0.0, ended - begun) if record.duration_s is None else record.duration_s)
