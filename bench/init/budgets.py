"""Labels to own and to buy, budgets and label shares; and what the suite has to compute for them.

A label can only be scored with where somebody wrote it, so what is bought are labels of the file: the suite begins with some of them and
buys from the rest. FLOPs are those of `bench.training.flops`, for documents and labels of mean length; what arms share counts once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.contracts import Compact, Decoding
from bench.init.defaults import Methods

LABEL_SHARE = 0.9
"""Of a budget, for labels where nothing but one compact model is trained (suites/pegasus.yaml)."""

SHARE_BESIDE_A_TEACHER = 0.8
"""Where a teacher is tuned as well."""

OWNED = 1 / 2
"""Labels that the suite begins with, where no budget is given, of those to train on."""

OWNED_AT_LEAST = 1 / 3
"""The same where a budget is given that could buy more than the rest."""

SMALL_BUDGET = 1 / 4
"""Of the large one."""

MARGIN = 1.2
"""Compute is estimated for mean lengths, so a budget has room for more."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """What computes, and what it costs: assumed, except the speed of a core, which is that of results/reference/pegasus."""

    name: str
    hour_usd: float
    flops_per_second: float
    workers: int
    hours_at_most: float
    is_gpu: bool

    @property
    def flop_usd(self) -> float:
        """Dollars."""
        return self.hour_usd / 3600 / self.flops_per_second

    def hours(self, flops: float) -> float:
        """On all of its workers."""
        return flops / self.flops_per_second / self.workers / 3600


@dataclass(frozen=True, kw_only=True)
class Costs:
    """FLOPs an example: of tuning, over all epochs, and of answering."""

    tune_large: float
    tune_compact: float
    tune_distilled: float
    tune_shrunk: float
    ask_large: float
    ask_compact: float

    def annotate(self, labels: int) -> float:
        """FLOPs of an arm, its test documents aside."""
        return labels * self.tune_compact

    def distill(self, labels: int, pool: int) -> float:
        """The same."""
        return labels * self.tune_large + pool * self.ask_large + (pool + labels) * self.tune_distilled

    def sft(self, labels: int) -> float:
        """The same."""
        return labels * (self.tune_large + self.tune_shrunk)


def costs(config: Any, compact: Compact, methods: Methods, decoding: Decoding, source: float, target: float) -> Costs:
    """For documents of `source` and labels of `target` tokens, cut as the task cuts them. config: the large model's."""
    from bench.training.flops import flop_model
    from bench.training.shrinking import shrunk_config

    read, said = max(round(source), 1), max(round(target), 1)
    large, small = flop_model(config), flop_model(shrunk_config(config, compact))
    teacher, student, distilled, shrunk = methods.teacher, methods.student, methods.distilled, methods.shrunk
    return Costs(
        tune_large=teacher.epochs * large.training(read, said, teacher.freeze),
        tune_compact=student.epochs * small.training(read, said, student.freeze),
        tune_distilled=distilled.epochs * small.training(read, said, distilled.freeze),
        tune_shrunk=shrunk.epochs * small.training(read, said, shrunk.freeze),
        ask_large=large.generation(read, said, decoding.beams),
        ask_compact=small.generation(read, said, decoding.beams),
    )


@dataclass(frozen=True, kw_only=True)
class Spending:
    """How money is spent. train: labels to learn from, of which `start` are owned and the rest can be bought. costs: None where nobody
    knows what the model computes."""

    train: int
    pool: int
    start: int
    label_usd: float
    budgets: tuple[float, ...]
    costs: Costs | None
    flop_usd: float

    @property
    def to_buy(self) -> int:
        """Labels that there are to buy."""
        return self.train - self.start

    def share(self, wanted: float) -> float:
        """The part of a budget that buys labels: `wanted`, or less where the largest budget would buy more than there are."""
        if self.label_usd == 0 or self.to_buy == 0:
            return 0.0
        most = self.to_buy * self.label_usd / max(self.budgets)
        return wanted if wanted <= most else math.floor(most * 10_000) / 10_000

    def bought(self, wanted: float, budget: float) -> int:
        """Labels that a budget buys."""
        return math.floor(round(self.share(wanted) * budget / self.label_usd, 9)) if self.label_usd else 0

    def short(self) -> list[str]:
        """The settings that cannot pay what they compute, in words."""
        if self.costs is None:
            return []
        found = []
        for budget in self.budgets:
            for name, wanted, flops in self._arms(budget):
                left = budget - self.bought(wanted, budget) * self.label_usd
                if flops * self.flop_usd * MARGIN > left:
                    needs = flops * self.flop_usd
                    told = f"computing takes about {needs:.2g} USD, {left:.2g} are left beside the labels"
                    found.append(f"{name} with {budget:g} USD: {told}")
        return found

    def _arms(self, budget: float) -> list[tuple[str, float, float]]:
        """(strategy, label share wanted, FLOPs that the purse pays)."""
        if self.costs is None:
            return []
        most, some = (self.start + self.bought(share, budget) for share in (LABEL_SHARE, SHARE_BESIDE_A_TEACHER))
        return [
            ("annotate", LABEL_SHARE, self.costs.annotate(most)),
            ("distill", SHARE_BESIDE_A_TEACHER, self.costs.distill(some, self.pool)),
            ("sft", SHARE_BESIDE_A_TEACHER, self.costs.sft(some)),
        ]

    def computing_usd(self, budget: float) -> dict[str, float]:
        """What each strategy pays for computing, where it buys labels with this budget; empty where nobody knows."""
        return {name: flops * self.flop_usd for name, _, flops in self._arms(budget)}

    def flops(self, test: int) -> float | None:
        """Of the whole suite for one seed, test documents included; None where nobody knows."""
        if self.costs is None:
            return None
        teachers = {self.start, *(self.start + self.bought(SHARE_BESIDE_A_TEACHER, budget) for budget in self.budgets)}
        students = [flops for budget in self.budgets for flops in self._students(budget)]
        taught = self.costs.distill(self.start, self.pool) - self.start * self.costs.tune_large - self.pool * self.costs.ask_large
        asked = len(teachers) * (self.pool + test) * self.costs.ask_large + (len(students) + 1) * test * self.costs.ask_compact
        return math.fsum([*students, taught, asked, *(labels * self.costs.tune_large for labels in teachers)])

    def _students(self, budget: float) -> list[float]:
        if self.costs is None:
            return []
        most, some = (self.start + self.bought(share, budget) for share in (LABEL_SHARE, SHARE_BESIDE_A_TEACHER))
        return [most * self.costs.tune_compact, (self.pool + some) * self.costs.tune_distilled, some * self.costs.tune_shrunk]


def spending(train: int, pool: int, label_usd: float, budgets: Sequence[float], costs: Costs | None, flop_usd: float) -> Spending:
    """Labels to own, and the budgets where none are given: the larger one buys what there is to buy, and has enough for computing."""
    if budgets:
        return Spending(
            train=train,
            pool=pool,
            start=_owned(train, label_usd, max(budgets)),
            label_usd=label_usd,
            budgets=tuple(sorted(set(budgets))),
            costs=costs,
            flop_usd=flop_usd,
        )
    if label_usd == 0:
        needs = max(
            (
                flops
                for _, _, flops in Spending(
                    train=train, pool=pool, start=train, label_usd=0, budgets=(1.0,), costs=costs, flop_usd=flop_usd
                )._arms(1.0)
            ),
            default=0.0,
        )
        return Spending(
            train=train,
            pool=pool,
            start=train,
            label_usd=0,
            budgets=(nice(MARGIN * needs * flop_usd) or 10.0,),
            costs=costs,
            flop_usd=flop_usd,
        )
    start = train - math.floor(train * (1 - OWNED))
    large = nice((train - start) * label_usd / LABEL_SHARE, down=True) or 1.0
    found = Spending(
        train=train,
        pool=pool,
        start=start,
        label_usd=label_usd,
        budgets=(nice(large * SMALL_BUDGET), large),
        costs=costs,
        flop_usd=flop_usd,
    )
    while found.short():
        large = nice(large * 1.25)
        found = Spending(
            train=train,
            pool=pool,
            start=start,
            label_usd=label_usd,
            budgets=(nice(large * SMALL_BUDGET), large),
            costs=costs,
            flop_usd=flop_usd,
        )
    return found


def _owned(train: int, label_usd: float, budget: float) -> int:
    """Labels to begin with: all but those that the largest budget buys, and a third at least."""
    if label_usd == 0:
        return train
    return max(train - math.floor(round(LABEL_SHARE * budget / label_usd, 9)), math.ceil(train * OWNED_AT_LEAST))


def nice(value: float, down: bool = False) -> float:
    """Two digits, rounded up or down."""
    if value <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    steps = round(value / unit, 6)
    return float(f"{(math.floor(steps) if down else math.ceil(steps)) * unit:.6g}")
