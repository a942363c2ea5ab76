"""An arm -> what it will buy and cost, and the work that it will have made: its strategy run over a store that makes nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.contracts import Charge, Example, Splits
from bench.errors import BenchError, Stop
from bench.execution.evaluation import Evaluation
from bench.execution.job import ArmJob, Work
from bench.execution.ledger import LIMITED
from bench.execution.purse import Purse
from bench.execution.store import DryStore
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.training.generated import Outputs
from bench.training.recipes import Trained


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What an arm will buy and cost, if every output that is not made yet is as long as allowed. What seconds and kWh of work cost is not
    known before it is done.

    works: in order, evaluation last. steps: of training, over all models. stops: why the arm ends without a score; empty where it
    does not. labels: that one owns, to tell from how long outputs will be.
    """

    facts: dict[str, float]
    charges: tuple[Charge, ...]
    works: tuple[Work, ...] = ()
    steps: int = 0
    stops: str = ""
    labels: tuple[Example, ...] = ()
    fails: bool = False
    """Whether it stops by an error, and not because money or labels end."""

    @property
    def usd(self) -> float:
        """Dollars from the purse."""
        return math.fsum(charge.usd for charge in self.charges if charge.paid_by == "purse")

    @property
    def exact(self) -> bool:
        """Whether nothing that is paid depends on what a model will say: then the dollars are those of the ledger, else a ceiling.

        What a model has said, and a store keeps, is known.
        """
        paid = [work for work in self.works if work.phase != "evaluation" and not work.shared]
        return not any(isinstance(work.recipe, Outputs) or not work.recipe.on_device for work in paid)

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
    facts, stops, fails = dict[str, float](), "", False
    try:
        outcome = arm.cell.strategy.run(job)
        facts = dict(outcome.facts)
        for recipe in Evaluation(suite=suite, arm=arm, splits=splits, job=job, outcome=outcome).recipes():
            job.make(recipe, "evaluation")
    except BenchError as error:  # one arm that cannot be must not hide what the others cost
        stops, fails = str(error), not isinstance(error, Stop)
    steps = sum(work.recipe.steps(job.bench) for work in job.works if isinstance(work.recipe, Trained))
    return Forecast(
        facts={**job.facts, **facts},
        charges=tuple(purse.charges),
        works=job.works,
        steps=steps,
        stops=stops,
        fails=fails,
        labels=job.start_labels() or splits.dev,
    )
