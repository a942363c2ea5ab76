"""An arm -> what it will buy and cost, and the work that it will have made: its strategy run over a store that makes nothing."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from bench.contracts import Charge, Example, Splits
from bench.errors import BenchError
from bench.execution.evaluation import Evaluation
from bench.execution.job import ArmJob, Work
from bench.execution.ledger import LIMITED
from bench.execution.purse import Purse
from bench.execution.record import Status, status_of
from bench.execution.store import DryStore
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.training.generated import Outputs
from bench.training.recipes import Finetuned, Trained


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What an arm will buy and cost, if every output that is not made yet is as long as allowed. What seconds and kWh of work cost is not
    known before it is done.
    """

    facts: dict[str, float]
    charges: tuple[Charge, ...]
    works: tuple[Work, ...] = ()
    """In order, evaluation last."""
    steps: int = 0
    """Training steps, over all models."""
    status: Status = "done"
    """How the arm ends."""
    stops: str = ""
    """Why it ends without a score; empty where it has one."""
    more_usd: float = 0.0
    """Dollars that trainings may take beyond those foreseen where fewer outputs than documents are of use: `min_steps` repeats those."""
    labels: tuple[Example, ...] = ()
    """Labels owned, to tell from how long outputs will be."""

    @property
    def usd(self) -> float:
        """Dollars from the purse."""
        return math.fsum(charge.usd for charge in self.charges if charge.paid_by == "purse")

    @property
    def exact(self) -> bool:
        """Whether nothing that is paid depends on what a model will say: then the dollars are those of the ledger, else a ceiling.

        What a model has said, and a store keeps, is known.
        """
        return not any(map(_says, self.works))

    @property
    def limited(self) -> bool:
        """Whether money ended some of its work. Where outputs come out shorter, more of it is done for the same money."""
        return bool(self.facts.get(LIMITED))

    @property
    def begun(self) -> bool:
        """Whether some of its work was done before, so that this is not all foreseen."""
        return any(work.shared and (work.bill.flops or work.bill.output_tokens) for work in self.works)


def forecast(suite: Suite, arm: Arm, splits: Splits, store: DryStore) -> Forecast:
    """Run an arm's strategy, and ask for what scores it, without making anything."""
    purse = Purse(arm.budget_usd)
    job = ArmJob(suite, arm, splits, purse, store)
    facts, stops = dict[str, float](), ""
    status: Status = "done"
    try:
        outcome = arm.cell.strategy.run(job)
        facts = dict(outcome.facts)
        for recipe in Evaluation(suite=suite, arm=arm, splits=splits, job=job, outcome=outcome).recipes():
            job.make(recipe, "evaluation")
    except BenchError as error:  # one arm that cannot be must not hide what the others cost
        stops, status = str(error), status_of(error)
    steps = sum(work.recipe.steps(job.bench) for work in job.works if isinstance(work.recipe, Trained))
    return Forecast(
        facts={**job.facts, **facts},
        charges=tuple(purse.charges),
        works=job.works,
        steps=steps,
        status=status,
        stops=stops,
        more_usd=_more_usd(suite, job) if suite.spec.prices.meter == "flops" else 0.0,
        labels=job.start_labels() or splits.dev,
    )


def _more_usd(suite: Suite, job: ArmJob) -> float:
    """What trainings on a model's outputs may cost beyond their forecast."""
    taught = itertools.dropwhile(lambda work: not _says(work), job.works)
    paid = [work for work in taught if suite.spec.pays.who(work.phase) == "purse" and not work.shared]
    more = [(work.phase, work.recipe.ceiling_flops(job.bench) - work.bill.flops) for work in paid if isinstance(work.recipe, Finetuned)]
    return math.fsum(flops * suite.spec.prices.unit_price_usd("flops", "", phase) for phase, flops in more)


def _says(work: Work) -> bool:
    """Whether what this makes is known only once a model has said it."""
    return work.phase != "evaluation" and not work.shared and (isinstance(work.recipe, Outputs) or not work.recipe.on_device)
