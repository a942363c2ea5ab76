"""A results folder as one object: its tables, its leaderboard, other prices, recommendations, and the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, validate_call
from rich.console import RenderableType

from bench import report as reporting
from bench.api import places
from bench.api.answers import Answer, Leaderboard, Recommendation, Serving
from bench.api.shown import Shown
from bench.contracts import Progress, no_progress
from bench.execution import shared_folder
from bench.report import up_to_date
from bench.report.analysis import merge
from bench.report.analysis.serving_cost import Use
from bench.results import folders, repricing, table
from bench.results.repricing import Quotes
from bench.results.table import Results as Read
from bench.system import leases

if TYPE_CHECKING:
    import pandas as pd

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True, repr=False)
class Results(Shown):
    """The results of a suite, at the prices of the run or at others."""

    folder: Path
    found: Read
    """What the folder holds, at the prices of the run."""
    quotes: Quotes | None = None
    """Other prices than those of the run; None: those of the run."""

    @cached_property
    def priced(self) -> Read:
        """The results at the chosen prices."""
        return repricing.reprice(self.found, self.quotes) if self.quotes else self.found

    @property
    def table(self) -> pd.DataFrame:
        """Every number that was recorded, one in each row, as in table.parquet: scores, readings, charges, facts and records."""
        return self.priced.table.copy()

    @property
    def arms(self) -> pd.DataFrame:
        """One row for each arm, indexed by its id: what it is, how it ended, its scores, dollars and readings. Columns name their unit."""
        return self.priced.by_arm.copy()

    @property
    def statuses(self) -> dict[str, int]:
        """Status -> number of arms that ended with it. An arm without a record is `unfinished`."""
        records = self.found.table[self.found.table["row"] == "record"]
        return {str(status): int(count) for status, count in records["status"].value_counts().items()}

    @property
    def suite(self) -> Mapping[str, Any]:
        """What suite.json says of the suite."""
        return self.priced.suite

    @property
    def answer(self) -> Answer:
        """Who wins at each task and budget, at the prices and with the budgets of the run."""
        return Answer.of(self.found)

    def leaderboard(self, rank_by: str = "", *, best: bool = False) -> Leaderboard:
        """Return the settings of each task and budget, best first.

        rank_by: metric to rank by; '' for that of the suite. best: keep only settings that share the first rank. Raises BenchError
        where no arm has that metric.
        """
        found = {str(self.suite.get("suite", self.folder.name)): self.priced}
        return Leaderboard(merged=merge.together(found, rank_by, best, no_progress))

    @validate_call
    def price(
        self,
        label_usd: float | Mapping[str, float] | None = None,
        *,
        gpu_hour_usd: Dollars | None = None,
        kwh_usd: Dollars | None = None,
        prompt_usd_per_1m_tokens: Dollars | None = None,
        output_usd_per_1m_tokens: Dollars | None = None,
        meter: str | None = None,
        flops_per_second: Positive | None = None,
        unit_usd: Mapping[str, float] | None = None,
    ) -> Self:
        """Return the same results at other prices, in dollars. A price that is not given does not change.

        label_usd: for one label of every task, or task -> price. unit_usd: meter -> price of one unit, for meters without a price of
        their own. meter: quantity by which compute is paid. flops_per_second: speed of the training device, for the meter `flops`.

        Raises BenchError where a price is wrong, or where the ledgers do not count what the meter counts.
        """
        by_task = label_usd if isinstance(label_usd, Mapping) else {} if label_usd is None else {"": label_usd}
        quotes = (self.quotes or repricing.asked(self.found)).changed(
            by_task,
            device_hour_usd=gpu_hour_usd,
            kwh_usd=kwh_usd,
            usd_per_1m_prompt_tokens=prompt_usd_per_1m_tokens,
            usd_per_1m_output_tokens=output_usd_per_1m_tokens,
            meter=meter,
            device_flops_per_second=flops_per_second,
            usd_per_unit=unit_usd,
        )
        found = replace(self, quotes=quotes)
        _ = found.priced  # raises where the ledgers lack a quantity
        return found

    @validate_call
    def recommend(self, budget_usd: Positive | None = None, *, target: float | None = None, task: str | None = None) -> Recommendation:
        """Recommend how to spend a budget in dollars, or the smallest budget that reaches a score.

        Give `budget_usd` or `target`. target: score to reach, in the unit of the metric that ranks. task: None for each task.

        Raises ValueError unless one of the two is given, and BenchError where there is no score or no such task.
        """
        if (budget_usd is None) == (target is None):
            raise ValueError("give either budget_usd or target")
        quotes = self.quotes or repricing.asked(self.found)
        fields = reporting.fields(self.found, task, quotes)
        suite = self.found.suite_path
        return Recommendation(fields=tuple(fields), quotes=quotes, budget_usd=budget_usd, target=target, suite_path=suite)

    @validate_call
    def cheapest_serving(self, target: float, *, task: str | None = None) -> Serving:
        """Return the cheapest way to answer with at least a score, where unsure documents may be passed on to the teacher.

        target: score to reach, in the unit of the metric that ranks. task: None for each task. Raises BenchError as `recommend` does.
        """
        quotes = self.quotes or repricing.asked(self.found)
        tasks = [field.task for field in reporting.fields(self.found, task, quotes)]
        found, boards = reporting.at_prices(self.found, quotes, tasks)
        return Serving(found=found, boards=tuple(boards), quotes=quotes, target=target)

    @validate_call
    def report(self, out: Path | None = None, *, requests_per_month: Positive | None = None, months: Positive = 12) -> Path:
        """Write the report, and return the path of report.md. report.html lies beside it.

        out: folder to write to; by default that of the results, or `priced` in it at other prices. requests_per_month, months: use of
        the model, which adds the cost of serving it.
        """
        use = Use(requests_per_month, months) if requests_per_month else None
        where = out or (self.folder / "priced" if self.quotes else self.folder)
        return reporting.write(self.folder, self.quotes, use, where, self.found)

    def document(self) -> dict[str, Any]:
        prices = self.quotes or (repricing.asked(self.found) if "prices" in self.suite else None)
        return {
            "results": self.folder,
            "suite": self.suite.get("suite", self.folder.name),
            "question": self.suite.get("question", ""),
            "prices": {**prices.book.model_dump(mode="json", exclude_none=True), "label_usd_by_task": prices.label_usd} if prices else None,
            "arms": self.statuses,
            "answer": self.answer.document()["boards"],
            "leaderboard": self.leaderboard().document()["settings"],
        }

    def blocks(self, width: int, notes: Sequence[str] = ()) -> Iterator[RenderableType]:
        """See Shown.blocks. `notes` are lines between leaderboard and answer."""
        yield reporting.terminal(self.priced, width, notes=notes)


@validate_call
def read(results: Path, *, parent: Path = places.RESULTS) -> Results:
    """Read a results folder, or the one that a suite file writes to.

    parent: folder of all results folders, for a suite file. Raises BenchError where there is no such folder, or where no arm in it
    has ended.
    """
    folder = places.results_folder(results, parent)
    return Results(folder=folder, found=folders.read(folder))


def with_report(folder: Path) -> tuple[Results, bool]:
    """Return the results of a run, and whether its report was kept. It is written where it would change; see `up_to_date`.

    Runs that share a folder write it one at a time.
    """
    with leases.hold(folder / shared_folder.REPORT, renewed=False):  # a thread would make the forks unsafe that draw the plots
        made_from = up_to_date.inputs(folder)
        found = Results(folder=folder, found=table.read(folder))
        if kept := up_to_date.unchanged(folder, made_from):
            return found, kept
        found.report()
        up_to_date.remember(folder, made_from)
        return found, kept


def leaderboard(results: Iterable[Path], rank_by: str, best: bool, progress: Progress) -> Leaderboard:
    """Return several results folders in one leaderboard. Raises BenchError where no arm has the metric `rank_by`."""
    found, left_out = folders.read_all([*results], progress)
    return Leaderboard(merged=merge.together(found, rank_by, best, progress), left_out=tuple(left_out))
