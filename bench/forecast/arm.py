"""Forecasts one arm: its purchases, its cost and its work. Its strategy runs over a store that makes nothing."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from bench.contracts import FLOPS, Charge, Example, Phase, Splits, numbers
from bench.errors import BenchError
from bench.execution.evaluation import Evaluation
from bench.execution.job import ArmJob, Work
from bench.execution.ledger import LIMITED
from bench.execution.purse import Purse
from bench.execution.record import Status, status_of
from bench.execution.store import DryStore
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What an arm will buy and cost, if every output not made yet is as long as allowed.

    The cost of seconds and kWh is unknown before the work is done.
    """

    facts: dict[str, float]
    """Facts of the arm, as in its ledger."""
    charges: tuple[Charge, ...]
    """Everything that is bought or computed, with known prices."""
    works: tuple[Work, ...] = ()
    """All pieces of work in order, evaluation last."""
    steps: int = 0
    """Training steps, over all models."""
    status: Status = "done"
    stops: str = ""
    """Why the arm ends without a score; empty where it has one."""
    more_usd: float = 0.0
    """Dollars that trainings may cost beyond the forecast. With fewer useful outputs than documents,
    `min_steps` repeats those outputs, which may be the most expensive ones."""
    labels: tuple[Example, ...] = ()
    """Labels owned. The lengths of outputs are estimated from them."""

    @property
    def usd(self) -> float:
        """Dollars from the purse."""
        return math.fsum(charge.usd for charge in self.charges if charge.paid_by == "purse")

    @property
    def exact(self) -> bool:
        """Whether no cost depends on text that a model has yet to generate. Then the dollars equal those of the ledger; otherwise they are
        an upper bound. Text that a model generated and a store keeps is known."""
        return not any(map(_generates, self.works))

    @property
    def limited(self) -> bool:
        """Whether the budget ended some of the work. Then shorter outputs may lead to more work for the same money."""
        return bool(self.facts.get(LIMITED))

    @property
    def writes_more(self) -> bool:
        """Whether the budget ended work that generates text, within it or before its next part. Then shorter outputs lead to more of them
        for the same money, and to more training on them."""
        cut = [work for work in self.works if work.recipe.limit is not None]
        return self.limited and (not cut or any(map(_generates, cut)))

    @property
    def begun(self) -> bool:
        """Whether some of the work was done before, so that parts of this are not a forecast."""
        return any(work.shared and (work.bill.flops or work.bill.output_tokens) for work in self.works)


def forecast(suite: Suite, arm: Arm, splits: Splits, store: DryStore) -> Forecast:
    """Run an arm's strategy, and request its evaluation, without making anything."""
    purse = Purse(arm.budget_usd)
    job = ArmJob(suite, arm, splits, purse, store)
    facts, stops = dict[str, float](), ""
    status: Status = "done"
    try:
        outcome = arm.cell.strategy.run(job)
        facts = numbers(outcome.facts)
        for recipe in Evaluation(suite=suite, arm=arm, splits=splits, job=job, outcome=outcome).recipes():
            job.make(recipe, Phase.EVALUATION)
    except BenchError as error:  # an arm that is impossible must not hide what the others cost
        stops, status = str(error), status_of(error)
    taught = itertools.dropwhile(lambda work: not _generates(work), job.works if suite.spec.prices.paying is FLOPS else ())
    more = [
        (ceiling - work.bill.flops) * FLOPS.unit_price_usd(suite.spec.prices, "", work.phase)
        for work in taught
        if suite.spec.pays.who(work.phase) == "purse" and not work.shared
        if (ceiling := work.recipe.ceiling_flops(job.context)) is not None
    ]
    return Forecast(
        facts={**numbers(job.facts), **facts},
        charges=tuple(purse.charges),
        works=job.works,
        steps=sum(work.recipe.training_steps(job.context) for work in job.works),
        status=status,
        stops=stops,
        more_usd=math.fsum(more),
        labels=job.start_labels() or splits.dev,
    )


def _generates(work: Work) -> bool:
    """Return whether the result of this work is text that a model has yet to generate."""
    return work.recipe.generates_text and work.phase != Phase.EVALUATION and not work.shared
