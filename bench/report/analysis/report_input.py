"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.errors import BenchError
from bench.report.analysis import arms, leaderboard, pareto
from bench.report.analysis.active_arms import current
from bench.report.analysis.arms import Arm, Missing
from bench.report.analysis.break_even import BreakEven, break_evens
from bench.report.analysis.budget_curves import Field, fields
from bench.report.analysis.decision import DecisionMap, decision_map
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.looks import UntilDecided, until_decided
from bench.report.analysis.metric import Metric
from bench.report.analysis.pareto import TradeOff
from bench.report.analysis.serving_cost import Use
from bench.results import repricing
from bench.results.repricing import Quotes
from bench.results.table import Results

ALWAYS_LEADING = ("rouge2", "rougeL")
"""Metrics that the leaderboard shows wherever they exist, as the tables of Shleifer and Rush 2020 do."""


@dataclass(frozen=True, kw_only=True)
class Priced:
    """The results at given prices."""

    asked: Quotes
    """Prices at which the arms were run."""
    quotes: Quotes
    """Prices of the report."""
    fields: Sequence[Field]
    """Curves of quality over dollars, by task."""
    maps: Sequence[DecisionMap]
    break_evens: Mapping[str, Sequence[BreakEven]]
    """Task -> break-even points of two strategies, at each budget."""
    limited: Mapping[str, str]
    """Arm -> how money limited its work. At other prices it would have done other work."""


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """Everything that sections are made from, at the prices of the report."""

    folder: Path
    """Folder of the arms."""
    found: Results
    """The arms that the suite holds."""
    everything: Results
    """Also the arms that the suite no longer holds."""
    metrics: Sequence[Metric]
    """The first one ranks."""
    boards: Sequence[Board]
    priced: Priced | None = None
    """None where the results do not hold their prices."""
    use: Use | None = None
    """How much the compact model will be used, if it is known."""

    @property
    def leading(self) -> list[Metric]:
        """The metrics for which the leaderboard has room."""
        return [metric for place, metric in enumerate(self.metrics) if place < 2 or metric.name in ALWAYS_LEADING]

    @cached_property
    def trade_offs(self) -> list[TradeOff]:
        return [found for board in self.boards if (found := pareto.trade_off(board))]

    @cached_property
    def until_decided(self) -> UntilDecided | None:
        """What a run with --until-decided decided; None where the run was another one."""
        return until_decided(self.found)

    @cached_property
    def every_arm(self) -> list[Arm]:
        """Every arm of `everything`."""
        return arms.arms(self.found, self.everything, self.metrics[0] if self.metrics else None)

    @cached_property
    def missing(self) -> list[Missing]:
        return arms.missing(self.found)


def priced(found: Results, boards: Sequence[Board], quotes: Quotes | None = None) -> Priced | None:
    """Evaluate the results at `quotes`, or at the prices of the arms by default.

    `found` is at the prices of the arms, and so are `boards`. The result is None where the results do not hold their prices.
    """
    try:
        asked = repricing.asked(found)
    except BenchError:
        return None
    quotes = quotes or asked
    known = fields(found, boards, None if quotes == asked else quotes)
    return Priced(
        asked=asked,
        quotes=quotes,
        fields=known,
        maps=[drawn for field in known if (drawn := decision_map(field, quotes))],
        break_evens={field.task: break_evens(field, field.budgets_usd, quotes) for field in known},
        limited=repricing.set_by_money(found),
    )


def boards(found: Results) -> tuple[list[Metric], list[Board]]:
    """Return the metrics of the results, and their boards."""
    metrics = leaderboard.metrics(found)
    return metrics, leaderboard.boards(found, metrics)


def brief(results: Results) -> ReportInput:
    """Return what a terminal shows: the arms that the suite holds, in the metric that ranks and the next one."""
    found = current(results)
    metrics = leaderboard.metrics(found)[:2]
    return ReportInput(folder=Path(), found=found, everything=results, metrics=metrics, boards=leaderboard.boards(found, metrics))
