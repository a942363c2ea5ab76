"""Everything in a report that depends on prices: the best setting for each budget, break-even points, cost of
use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.errors import BenchError
from bench.report.analysis.break_even import BreakEven, break_evens
from bench.report.analysis.budget_curves import Field, fields
from bench.report.analysis.decision import DecisionMap
from bench.report.analysis.decision import decision_map as mapped
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.serving_cost import Use
from bench.report.markdown import escape
from bench.report.plots import decision_map as picture
from bench.report.plots import style
from bench.report.plots.style import Plot
from bench.report.sections import decision_map, recommendation, serving_cost
from bench.results import repricing
from bench.results.repricing import Quotes
from bench.results.table import Results

ARMS_NAMED = 12


@dataclass(frozen=True, kw_only=True)
class Priced:
    """The results at given prices."""

    asked: Quotes
    """Prices at which the arms were run."""
    quotes: Quotes
    """Prices at which the results are evaluated."""
    boards: Sequence[Board]
    """Leaderboards at `quotes`."""
    fields: Sequence[Field]
    maps: Sequence[DecisionMap]
    ties: Mapping[str, Sequence[BreakEven]]
    """Task -> break-even points of two strategies, at each budget."""
    set_by_money: Mapping[str, str]
    """Arm -> how money limited its work. At other prices it would have done other work."""
    use: Use | None = None

    @property
    def changed(self) -> bool:
        return self.quotes != self.asked

    def plots(self, folder: Path) -> dict[Path, Plot]:
        """Return the path of each decision map -> the function that draws it."""
        return {style.path(folder, "decision", found.field.task): partial(picture.draw, found) for found in self.maps}

    def decision(self, plots: Sequence[Path]) -> list[str]:
        """Return Markdown: decision maps and break-even points."""
        return decision_map.section(self.maps, [*self.ties.items()], plots)

    def use_section(self) -> list[str]:
        """Return Markdown: the cost of using the models."""
        return serving_cost.section(self.boards, self.quotes, self.use)

    def at_these_prices(self) -> list[str]:
        """Return Markdown on what other prices change; empty at the prices at which the arms were run."""
        if not self.changed:
            return []
        verdicts = [f"- {recommendation.paragraph(field, budget, self.quotes)}" for field in self.fields for budget in field.budgets_usd]
        return [_changes(self.asked, self.quotes), "\n".join(verdicts), *_stopped(self.set_by_money)]


def priced(found: Results, boards: Sequence[Board], quotes: Quotes | None = None, use: Use | None = None) -> Priced | None:
    """Evaluate the results at `quotes`, or at the prices of the arms by default.

    `found` and `boards` are at the prices of the arms. The result is None where the results do not hold their
    prices.
    """
    from bench.report.analysis import leaderboard as boarding

    try:
        asked = repricing.asked(found)
    except BenchError:
        return None
    quotes = quotes or asked
    at_quotes = boards if quotes == asked else boarding.boards(repricing.reprice(found, quotes), boarding.metrics(found))
    told = fields(found, boards, None if quotes == asked else quotes)
    maps = [drawn for field in told if (drawn := mapped(field, quotes))]
    ties = {field.task: break_evens(field, field.budgets_usd, quotes) for field in told}
    return Priced(
        asked=asked, quotes=quotes, boards=at_quotes, fields=told, maps=maps, ties=ties, set_by_money=repricing.set_by_money(found), use=use
    )


def _changes(asked: Quotes, quotes: Quotes) -> str:
    """Return the prices that differ from those at which the arms were run."""
    before, now = asked.book.model_dump(exclude={"label_usd"}), quotes.book.model_dump(exclude={"label_usd"})
    moved = [f"{escape(name)} {escape(before[name])} → {escape(now[name])}" for name in now if before[name] != now[name]]
    labels = [(task, asked.label_usd[task], usd) for task, usd in quotes.label_usd.items()]
    moved += [f"a label of {escape(task)} {old:g} → {usd:g} USD" for task, old, usd in labels if old != usd]
    return (
        f"Counted at other prices than the arms were run at: {'; '.join(moved)}. Dollars of what was done are exact. What a budget buys is "
        "another thing at these prices: it is told from what the arms did, interpolated between them and never beyond."
    )


def _stopped(set_by_money: Mapping[str, str]) -> list[str]:
    """Return the arms that would have done other work at these prices."""
    if not set_by_money:
        return ["No arm was stopped by the old prices: each would have done the same."]
    named = [f"- {escape(arm)}: {escape(what)}" for arm, what in list(set_by_money.items())[:ARMS_NAMED]]
    rest = len(set_by_money) - len(named)
    more = [f"- and {rest:,} more"] if rest > 0 else []
    said = "Money at the old prices set what these arms did; at these prices they would have done more, or less:"
    return ["\n".join([f"{said}\n", *named, *more])]
