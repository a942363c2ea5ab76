"""Starting labels, labels to buy, budgets and label shares, and the FLOPs that the suite needs for them.

Only labels that someone wrote can be trained on, so the labels to buy are labels of the file. The suite starts with some of them and buys
from the rest. FLOPs come from `bench.init.costs`. Work that arms share counts once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.init.costs import ArmCost

LABEL_SHARE = 0.9
"""Share of a budget for labels, where only one compact model is trained (suites/pegasus.yaml)."""

SHARE_BESIDE_A_TEACHER = 0.8
"""The same, where a teacher is tuned as well."""

OWNED = 1 / 2
"""Share of the training labels that the suite starts with, where no budget is given."""

OWNED_AT_LEAST = 1 / 3
"""Smallest such share, where a given budget could buy all labels and more."""

SMALL_BUDGET = 1 / 4
"""The small budget as a share of the large one."""

MARGIN = 1.2
"""A budget must exceed the estimated compute cost by this factor, because the estimate assumes mean lengths."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """The hardware of the suite, its price and its speed.

    All values are assumed, except the speed of a CPU core, which was measured in results/reference/pegasus.
    """

    name: str
    """What the suite's comments call it."""
    hour_usd: float
    flops_per_second: float
    """FLOP/s of one worker."""
    workers: int
    """Arms that run at a time."""
    hours_at_most: float
    """Hours within which the whole suite should end."""
    is_gpu: bool

    @property
    def flop_usd(self) -> float:
        return self.hour_usd / 3600 / self.flops_per_second

    def hours(self, flops: float) -> float:
        """Return the hours that these FLOPs take on all workers."""
        return flops / self.flops_per_second / self.workers / 3600


@dataclass(frozen=True, kw_only=True)
class Spending:
    """How the money is spent."""

    train: int
    """Labels that can be trained on. `start` of these are owned, and the others can be bought."""
    pool: int
    """Documents without a label."""
    start: int
    label_usd: float
    budgets: tuple[float, ...]
    costs: Mapping[str, ArmCost] | None
    """Strategy -> its cost. None where the model's FLOPs are unknown."""
    flop_usd: float

    @property
    def to_buy(self) -> int:
        return self.train - self.start

    def share(self, wanted: float) -> float:
        """Return the part of a budget that buys labels. It is less than `wanted` where the largest budget would buy more than there are."""
        if self.label_usd == 0 or self.to_buy == 0:
            return 0.0
        most = self.to_buy * self.label_usd / max(self.budgets)
        return wanted if wanted <= most else math.floor(most * 10_000) / 10_000

    def bought(self, wanted: float, budget: float) -> int:
        """Return the number of labels that a budget buys."""
        return math.floor(round(self.share(wanted) * budget / self.label_usd, 9)) if self.label_usd else 0

    def short(self) -> list[str]:
        """Return sentences about the strategies and budgets whose compute costs more than the labels leave."""
        found = []
        for budget in self.budgets:
            for name, wanted, flops in self.arms(budget):
                left, needs = budget - self.bought(wanted, budget) * self.label_usd, flops * self.flop_usd
                if needs * MARGIN > left:
                    found.append(f"{name} needs about {needs:.2g} USD for compute; of {budget:g} USD, {left:.2g} are left after the labels")
        return found

    def arms(self, budget: float) -> list[tuple[str, float, float]]:
        """Return (strategy, wanted label share, FLOPs that the purse pays) of each strategy, or none where FLOPs are unknown."""
        if self.costs is None:
            return []
        shares = {"annotate": LABEL_SHARE, "distill": SHARE_BESIDE_A_TEACHER, "sft": SHARE_BESIDE_A_TEACHER}
        return [
            (label, share, self.costs[label].flops(self.start + self.bought(share, budget), self.pool)) for label, share in shares.items()
        ]

    def flops(self, test: int) -> float | None:
        """Return the FLOPs of the whole suite for one seed, including test documents. None where they are unknown."""
        if self.costs is None:
            return None
        annotate, distill, sft = (self.costs[label] for label in ("annotate", "distill", "sft"))
        annotated = [self.start + self.bought(LABEL_SHARE, budget) for budget in self.budgets]
        taught = [self.start + self.bought(SHARE_BESIDE_A_TEACHER, budget) for budget in self.budgets]
        teachers = {self.start, *taught}  # distill and sft share them
        students = [annotate.flops(labels, self.pool) for labels in annotated]
        students += [distill.student(labels, self.pool) for labels in (self.start, *taught)]
        students += [sft.student(labels, self.pool) for labels in taught]
        tested = len(students) * annotate.test_document + len(teachers) * (distill.test_document - annotate.test_document)
        teaching = [labels * distill.teacher_label + self.pool * distill.pooled_document for labels in teachers]
        return math.fsum([*students, *teaching, test * tested])


def spending(
    train: int, pool: int, label_usd: float, budgets: Sequence[float], costs: Mapping[str, ArmCost] | None, flop_usd: float
) -> Spending:
    """Return the starting labels, and the budgets where none are given. The larger of two budgets buys all labels that can be bought, and
    leaves enough for compute."""
    if label_usd == 0:
        start = train
    elif budgets:  # all but those that the largest budget buys, and at least a third
        start = max(train - math.floor(round(LABEL_SHARE * max(budgets) / label_usd, 9)), math.ceil(train * OWNED_AT_LEAST))
    else:
        start = train - math.floor(train * (1 - OWNED))
    amounts = tuple(sorted(set(budgets))) or (1.0,)
    found = Spending(train=train, pool=pool, start=start, label_usd=label_usd, budgets=amounts, costs=costs, flop_usd=flop_usd)
    if budgets:
        return found
    if label_usd == 0:
        needs = max((flops for _, _, flops in found.arms(1.0)), default=0.0)
        return replace(found, budgets=(nice(MARGIN * needs * flop_usd) or 10.0,))
    large = nice((train - start) * label_usd / LABEL_SHARE, down=True) or 1.0
    while (found := replace(found, budgets=(nice(large * SMALL_BUDGET), large))).short():
        large = nice(large * 1.25)
    return found


def nice(value: float, down: bool = False) -> float:
    """Round a value up, or down, to two digits."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    steps = round(value / unit, 6)
    return float(f"{(math.floor(steps) if down else math.ceil(steps)) * unit:.6g}")
