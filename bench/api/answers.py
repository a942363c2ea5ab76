"""What results say: who leads, how to spend a budget, and the leaderboard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from bench.api.shown import Shown
from bench.report.analysis import cascade, decision, targets
from bench.report.analysis.budget_curves import Field, Mixture
from bench.report.analysis.merge import Together
from bench.report.analysis.report_input import ReportInput, brief
from bench.report.analysis.significance import Estimate
from bench.report.analysis.standing import standing
from bench.report.blocks import Block, Paragraph, Section, unmarked
from bench.report.render import terminal
from bench.report.sections import card, merged, recommendation
from bench.report.sections import cascade as cascade_sections
from bench.report.sections import targets as target_sections
from bench.results import arm_columns, table
from bench.results.repricing import Quotes

if TYPE_CHECKING:
    import pandas as pd

    from bench.report.analysis.leaderboard import Board
    from bench.report.analysis.line import Line


@dataclass(frozen=True, kw_only=True, repr=False)
class Answer(Shown):
    """Who wins at each task and budget."""

    given: ReportInput

    @classmethod
    def of(cls, results: table.Results) -> Answer:
        """Return the answer of results."""
        return cls(given=brief(results))

    @property
    def table(self) -> pd.DataFrame:
        """One row for each task and budget. `winner` is missing where no setting is significantly better than all others that have a score
        for every seed."""
        import pandas as pd

        return pd.json_normalize([self._board(board) for board in self.given.boards], sep="_").drop(columns="text", errors="ignore")

    def document(self) -> dict[str, Any]:
        return {"boards": [self._board(board) for board in self.given.boards]}

    def _board(self, board: Board) -> dict[str, Any]:
        run = self.given.until_decided
        leads, metric, rule = standing(board, run), board.primary, board.baseline
        decided = run.at(board.task, board.budget_usd) if run else None
        best = leads.best
        return {
            "task": board.task,
            "budget_usd": board.budget_usd,
            "metric": metric.name,
            "unit": metric.unit,
            "direction": metric.direction,
            "winner": best.name if best and leads.wins else None,
            "equal_within_margin": bool(decided and decided.equal),
            "best": best.name if best else None,
            "score": self._reached(best, metric.name),
            "labels_bought": best.facts.get(arm_columns.LABELS_BOUGHT) if best else None,
            "spent_usd": best.facts.get(arm_columns.SPENT_USD) if best else None,
            "best_strategy": leads.strategy or None,
            "next": leads.pair.second if leads.pair else None,
            "ahead_of_next": _difference(leads.pair.gap if leads.pair else None),
            "baseline": rule.name if rule else None,
            "baseline_score": self._reached(rule, metric.name),
            "ahead_of_baseline": _difference(board.difference(best, rule) if best and rule else None),
            "text": " ".join(map(unmarked, card.sentences(board, "At", self.given))),
        }

    def _reached(self, line: Line | None, metric: str) -> dict[str, Any] | None:
        return _score(line.scores.get(metric) if line else None)

    def blocks(self, width: int) -> Iterator[RenderableType]:
        yield terminal.page([card.section(self.given)], width)


@dataclass(frozen=True, kw_only=True, repr=False)
class Leaderboard(Shown):
    """The settings of each task and budget, best first."""

    merged: Together
    left_out: tuple[str, ...] = ()
    """Why some results folders are in no table."""

    @property
    def table(self) -> pd.DataFrame:
        """One row for each setting, with unrounded numbers. What is missing is missing. Baselines have no row."""
        return merged.frame(self.merged)

    @property
    def sections(self) -> list[Section]:
        """The tables for readers."""
        return merged.sections(self.merged, self.left_out)

    def document(self) -> dict[str, Any]:
        rows = self.table.astype(object).to_dict("records")
        return {"settings": rows, "notes": self.merged.notes, "left_out": self.left_out}

    def blocks(self, width: int) -> Iterator[RenderableType]:
        yield terminal.page(self.sections, width)


@dataclass(frozen=True, kw_only=True, repr=False)
class Recommendation(Shown):
    """How to spend a budget, or what to spend for a score. One of `budget_usd` and `target` is given."""

    fields: tuple[Field, ...]
    """Curves of quality over dollars, one for each task."""
    quotes: Quotes
    budget_usd: float | None
    target: float | None
    suite_path: str
    """Path of the suite file, for commands."""

    @property
    def table(self) -> pd.DataFrame:
        """For a budget, one row for each setting with a score there, best first. For a target, one row for each strategy, the cheapest
        first."""
        import pandas as pd

        tasks = self.document()["tasks"]
        rows = [{"task": one["task"], **row} for one in tasks for row in one["settings" if self.target is None else "strategies"]]
        return pd.json_normalize(rows, sep="_")

    def document(self) -> dict[str, Any]:
        tasks = [self._to_reach(field, self.target) if self.target is not None else self._to_spend(field) for field in self.fields]
        return {"budget_usd": self.budget_usd, "target": self.target, "tasks": tasks}

    def _to_spend(self, field: Field) -> dict[str, Any]:
        found = decision.verdict(field, self.budget_usd or 0.0, self.quotes)
        ahead = dict(zip([mixture.name for mixture in found.candidates[1:]], found.ahead, strict=False))
        settings = [
            {
                "setting": mixture.name,
                "score": _score(field.reached(mixture)),
                "best_is_ahead_by": _difference(ahead.get(mixture.name)),
                **_purchase(mixture),
                "interpolated": not mixture.measured,
            }
            for mixture in found.candidates
        ]
        return {
            **self._about(field),
            "winner": found.best.name if found.best and found.has_winner else None,
            "best": found.best.name if found.best else None,
            "tied": [mixture.name for mixture in found.tied],
            "settings": settings,
            "without_score": found.not_covered,
            "text": unmarked(recommendation.recommend(field, self.budget_usd or 0.0, self.quotes, self.suite_path)),
        }

    def _to_reach(self, field: Field, target: float) -> dict[str, Any]:
        needs = targets.needs(field, targets.paths(field, self.quotes), target)
        strategies = [
            {
                "strategy": need.strategy,
                "setting": need.setting,
                "budget_usd": need.usd,
                "budget_low_usd": need.low,
                "budget_high_usd": need.high,
                "labels": need.bought.amount("label") if need.bought else None,
                "best_score": _score(need.best),
                "run_from_usd": need.least,
                "run_to_usd": need.most,
            }
            for need in needs
        ]
        return {**self._about(field), "strategies": strategies}

    def _about(self, field: Field) -> dict[str, Any]:
        return {
            "task": field.task,
            "metric": field.metric.name,
            "unit": field.metric.unit,
            "direction": field.metric.direction,
            "label_usd": self.quotes.price("label", field.task),
        }

    def blocks(self, width: int) -> Iterator[RenderableType]:
        blocks: list[Block] = []
        for field in self.fields:
            if self.target is not None:
                blocks += target_sections.answer(field, self.quotes, self.target)
            elif self.budget_usd is not None:
                blocks.append(Paragraph(recommendation.recommend(field, self.budget_usd, self.quotes, self.suite_path)))
        yield terminal.page([Section(id="recommendation", title="", blocks=tuple(blocks))], width)


@dataclass(frozen=True, kw_only=True, repr=False)
class Serving(Shown):
    """The cheapest way to answer with a score: a compact model alone, its teacher alone, or both together."""

    found: table.Results
    boards: tuple[Board, ...]
    quotes: Quotes
    target: float

    def document(self) -> dict[str, Any]:
        return {"target": self.target, "tasks": [self._task(task) for task in dict.fromkeys(board.task for board in self.boards)]}

    def _task(self, task: str) -> dict[str, Any]:
        known = [one for board in self.boards if board.task == task for one in cascade.cascades(self.found, board, self.quotes)]
        best = cascade.cheapest(known, self.target)
        if best is None:
            return {"task": task, "measured": bool(known), "cheapest": None}
        of, point = best
        shown = {
            "setting": of.line.name,
            "budget_usd": of.board.budget_usd,
            "teacher": of.teacher,
            "confidence_below": point.threshold,
            "passed_on": point.passed_on,
            "answer_usd": point.usd,
            "score": _score(point.quality),
        }
        return {"task": task, "measured": True, "cheapest": shown}

    def blocks(self, width: int) -> Iterator[RenderableType]:
        found = cascade_sections.recommend(self.found, self.boards, self.quotes, self.target)
        yield terminal.page([Section(id="serving", title="", blocks=tuple(found))], width)


def _purchase(mixture: Mixture) -> dict[str, float]:
    return {"labels": mixture.amount("label"), "cost_usd": mixture.dollars}


def _score(found: Estimate | None) -> dict[str, Any] | None:
    """Return a mean with its interval. Its p-value says nothing, because no score is 0 by hypothesis."""
    return {name: value for name, value in asdict(found).items() if name != "p"} if found else None


def _difference(found: Estimate | None) -> dict[str, Any] | None:
    return {**asdict(found), "significant": found.significant} if found else None
