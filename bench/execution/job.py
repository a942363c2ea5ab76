"""The Job of one arm: buys labels, has recipes made, and pays for both from one purse.

The same code runs for real, over the store, and as a forecast, over the dry store. `bench plan` therefore
cannot drift from `bench run`.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from bench.contracts import (
    POOL,
    Bill,
    BuildContext,
    Charge,
    Checkpoint,
    Example,
    Fact,
    Job,
    Limit,
    ModelLabel,
    Phase,
    Progress,
    R,
    Recipe,
    Splits,
    Text,
    TextLabel,
    fingerprint,
    no_progress,
    phase_named,
)
from bench.data.held_out import labelled, without
from bench.errors import MeasureError, NotEnough, OverBudget
from bench.execution.known_paths import content
from bench.execution.ledger import LIMITED, Ledger
from bench.execution.purse import Purse
from bench.execution.store import ArtifactBuilder
from bench.suite.arms import Arm, models_of, named
from bench.suite.suite_file import Suite
from bench.system.fingerprints import of_folder

ROUNDING = 1e-9
"""Share by which work may exceed its forecast, because it adds up steps one by one and the forecast all at once."""

REPEATED = "repeated_s"
"""Name of a fact: machine time of training steps that a kill made this arm repeat. No charge holds it."""

MOST_LABELS = 10**15
"""Upper bound on the number of labels. Almost free labels would otherwise be bought without end."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A piece of work that an arm had made, and its bill."""

    phase: Phase
    recipe: Recipe
    bill: Bill
    shared: bool = False
    """Whether another arm or an earlier run had made it before."""


class ArmJob(Job):
    """The Job of one arm: buys labels, has recipes made, and pays for both."""

    def __init__(
        self, suite: Suite, arm: Arm, splits: Splits, purse: Purse, builder: ArtifactBuilder, ledger: Ledger | None = None
    ) -> None:
        self.task, self.unlabelled, self.dev = arm.task, splits.unlabelled, splits.dev
        self.large, self.compact = suite.large, arm.cell.strategy.compact or suite.spec.compact
        self.decoding, self.precision, self.budget_usd = suite.spec.decoding, suite.spec.precision, arm.budget_usd
        self.engine = suite.engine
        self._facts: dict[str, Fact] = {}
        self._suite, self._seed, self._train = suite.spec, arm.seed, splits.train
        self._models, self._texts, self._task_label = suite.models, suite.texts, arm.task_label
        self._held_out = splits.dev + splits.test
        self._purse, self._builder, self._ledger = purse, builder, ledger
        self._works: dict[str, Work] = {}
        self._bought = 0
        self._label_usd = suite.spec.prices.label_usd if arm.task.label_usd is None else arm.task.label_usd

    def seed_for(self, purpose: str) -> int:
        return int(hashlib.sha256(f"{purpose}:{self._seed}".encode()).hexdigest()[:8], 16)

    def model(self, label: ModelLabel) -> Checkpoint:
        return self._models[label]

    def text(self, label: TextLabel) -> Sequence[Example]:
        if label == POOL:
            return self.unlabelled
        return _documents(self._texts[label], self.context.cache, self._held_out, self.context.progress)

    def labelled_text(self, label: TextLabel) -> tuple[Sequence[Example], int]:
        found = self._texts.get(label)
        return labelled(found, self.context.cache, self._held_out, self.context.progress) if found else ((), 0)

    def left_usd(self) -> float:
        return self._purse.left_usd

    def charged_usd(self, phase: Phase) -> float:
        return math.fsum(charge.usd for charge in self._purse.charges if charge.phase == phase and charge.paid_by != "other meter")

    def start_labels(self) -> tuple[Example, ...]:
        """Return the labels owned at the start, in drawing order."""
        return self._drawn()[: self._suite.start_labels]

    def _drawn(self) -> tuple[Example, ...]:
        order = list(self._train)
        random.Random(self.seed_for("labels")).shuffle(order)  # noqa: S311 - a draw, not a secret
        return tuple(order)

    def labels(self, share: float) -> tuple[Example, ...]:
        owned, bought = self._suite.start_labels, self._bought
        wanted = self._affordable_labels(share)
        if owned + wanted > len(self._train):
            raise NotEnough(f"{owned} labels owned and {wanted} bought make {owned + wanted}, the data holds {len(self._train)}")
        if wanted > bought:
            self._purse.pay(
                Charge(
                    kind="labels", quantity=wanted - bought, unit="label", unit_price_usd=self._label_usd, paid_by="purse", phase="labels"
                )
            )
            self._bought = wanted
        self._note(Fact(name="labels_owned", value=owned, unit="labels"))
        self._note(Fact(name="labels_bought", value=self._bought, unit="labels"))
        return self._drawn()[: owned + self._bought]

    def _affordable_labels(self, share: float) -> int:
        if self._label_usd == 0:
            return round(share * (len(self._train) - self._suite.start_labels))
        return math.floor(round(min(share * self.budget_usd / self._label_usd, MOST_LABELS), 9))

    def read(self, recipe: Recipe) -> Any:
        return self._builder.value(recipe)

    def has_made(self, recipe: Recipe) -> bool:
        """Return whether this arm had the recipe made, and paid for it."""
        return recipe.key in self._works

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Facts about what the arm bought, and whether its budget limited it."""
        return tuple(self._facts.values())

    def _note(self, fact: Fact) -> None:
        self._facts[fact.name] = fact

    def _note_limited(self) -> None:
        self._note(Fact(name=LIMITED, value=1))

    @property
    def works(self) -> tuple[Work, ...]:
        """All work that this arm had made, in order."""
        return tuple(self._works.values())

    @property
    def context(self) -> BuildContext:
        """The context in which artifacts are read."""
        return self._builder.context

    def check(self, recipe: Recipe) -> None:
        recipe.forecast_flops(self.context)

    def make(self, recipe: R, phase: Phase, allow_partial: bool = False, max_usd: float | None = None) -> R:
        phase = phase_named(phase)  # strategies of other packages may pass the name
        before_usd = self.left_usd()
        for needed in recipe.inputs():
            self.make(needed, phase)
        if self.has_made(recipe):
            return recipe
        left_of_max = None if max_usd is None else max_usd - (before_usd - self.left_usd())
        try:
            recipe, bill, shared = self._made(recipe, phase, allow_partial, left_of_max)
            self._pay(recipe, bill, phase)
        except OverBudget:
            self._note_limited()
            raise
        self._works[recipe.key] = Work(phase=phase, recipe=recipe, bill=bill, shared=shared)
        if self._ledger:
            for reading in bill.readings:
                self._ledger.reading(phase, reading, shared)
        for fact in self._builder.facts(recipe):
            self._note(fact)
        if seconds := self._builder.repeated_s(recipe):
            before = self._facts[REPEATED].value if REPEATED in self._facts else 0.0
            self._note(Fact(name=REPEATED, value=before + seconds, unit="s"))
        return recipe

    def _made(self, recipe: R, phase: Phase, allow_partial: bool, max_usd: float | None) -> tuple[R, Bill, bool]:
        """Return the recipe, shortened where money is short, its bill, and whether the work had been done before. Work that a limit in
        seconds or kWh cuts off midway is charged the whole limit."""
        if self._suite.pays.who(phase) == "free":
            return recipe, *self._builder.bill_for(recipe, Limit(meter=self._suite.prices.paying))
        recipe, limit = self._fitted(recipe, phase, allow_partial, max_usd)
        try:
            bill, shared = self._builder.bill_for(recipe, limit)
        except OverBudget:
            if not limit.meter.known_in_advance and 0 < limit.amount < math.inf:
                self._cut_off("compute", limit.amount, limit.meter.unit, self._unit_price_usd(phase), phase)
            raise
        if bill.cut_short:
            self._note_limited()
        return recipe, bill, shared

    def _unit_price_usd(self, phase: Phase) -> float:
        return self._suite.prices.paying.unit_price_usd(self._suite.prices, self._task_label, phase)

    def _cut_off(self, kind: str, amount: float, unit: str, price_usd: float, phase: Phase) -> None:
        self._purse.pay(Charge(kind=f"{kind} cut off", quantity=amount, unit=unit, unit_price_usd=price_usd, paid_by="purse", phase=phase))

    def _fitted(self, recipe: R, phase: Phase, allow_partial: bool, max_usd: float | None) -> tuple[R, Limit]:
        """Return the recipe, shortened where it has to be and may be, and how much of the meter it may use."""
        meter, price = self._suite.prices.paying, self._unit_price_usd(phase)
        money = self.left_usd() if max_usd is None else max(0.0, min(max_usd, self.left_usd()))
        beforehand = self._suite.prices.set_up_usd(self._task_label, phase) if recipe.on_device else self._tokens_usd(recipe)
        if beforehand > money:
            self._refuse(beforehand, money, phase)
        if not (price and recipe.on_device):
            return recipe, Limit(meter=meter)
        amount = (money - beforehand) / price
        limit = Limit(
            meter=meter, amount=round(amount, 6) if meter.whole else amount
        )  # 2.17 USD at 4.34 per thousand buy exactly 500 items
        if meter.forecast is not None:
            needs = meter.forecast(recipe, self.context)
            usd = round(needs * price + beforehand, 9)
            if usd <= money:
                return recipe, Limit(meter=meter, amount=max(limit.amount, needs * (1 + ROUNDING)))
            if not allow_partial:
                self._refuse(usd, money, phase)
        return (self._shortened(recipe, phase, limit, money) if allow_partial else recipe), limit

    def _shortened(self, recipe: R, phase: Phase, limit: Limit, money: float) -> R:
        """Limit a recipe to an amount of the meter. Raises OverBudget where it is known that not even its first step fits."""
        shortened = recipe.limited_to(limit)
        if limit.meter.forecast is None:  # whether the limit cuts the work short is known afterwards
            return shortened
        self._note_limited()
        try:
            limit.meter.forecast(shortened, self.context)
        except OverBudget:
            raise OverBudget(
                f"the first step of {phase.words} costs more than the ${money:.2f} that are left of ${self.budget_usd:.2f}"
            ) from None
        return shortened

    def _tokens_usd(self, recipe: Recipe) -> float:
        tokens = recipe.forecast_tokens(self.context)
        charges = [*self._suite.prices.token_charges(*tokens, "", "purse"), *recipe.own_charges("", "purse")]
        return math.fsum(charge.usd for charge in charges)

    def _refuse(self, usd: float, money: float, phase: Phase) -> NoReturn:
        raise OverBudget(f"{phase.words} costs ${usd:.2f}, ${money:.2f} of ${self.budget_usd:.2f} are left")

    def _pay(self, recipe: Recipe, bill: Bill, phase: Phase) -> None:
        prices, payer = self._suite.prices, self._suite.pays.who(phase)
        if prices.paying.quantity(bill) is None:
            raise MeasureError(f"the suite pays by {prices.meter}, and {phase.words} could not be measured by it")
        charges = prices.compute_charges(bill, self._task_label, phase, payer) if recipe.on_device else []
        charges += prices.token_charges(bill.prompt_tokens, bill.output_tokens, phase, payer)
        for charge in charges + recipe.own_charges(phase, payer):
            known_before = charge.unit != "token" and prices.paying.known_in_advance
            if charge.paid_by == "purse" and not known_before and not self._purse.fits(charge.usd):
                self._cut_off(charge.kind, self.left_usd() / charge.unit_price_usd, charge.unit, charge.unit_price_usd, phase)
            self._purse.pay(charge)


def inputs_fingerprint(suite: Suite, arm: Arm, cache: Path, progress: Progress) -> str:
    """Return the fingerprint of the checkpoints and texts that an arm uses. Raises BenchError.

    Their names alone do not show what a folder holds today.
    """
    texts = [part for names, _, part in named(suite, arm.cell.strategy) if names.under == "texts"]
    contents = [fingerprint(text.documents(cache, progress)) for text in texts if isinstance(text, Text)]
    return hashlib.sha256(" ".join([models_fingerprint(suite, arm, cache, progress), *contents]).encode()).hexdigest()[:16]


def metrics_fingerprint(suite: Suite, cache: Path, progress: Progress) -> str:
    """Return the fingerprint of the folders that the metrics read; '' where they read none, or one is missing."""
    contents = [content(folder, cache, progress) for metric in suite.metrics.values() if (folder := metric.folder())]
    return hashlib.sha256(" ".join(contents).encode()).hexdigest()[:16] if contents and all(contents) else ""


def models_fingerprint(suite: Suite, arm: Arm, cache: Path, progress: Progress = no_progress) -> str:
    """Return the fingerprint of the checkpoints alone. Raises CheckpointError."""
    folders = [model.folder(cache) for model in models_of(suite, arm.cell.strategy)]
    return "-".join(dict.fromkeys(of_folder(folder, cache, progress) for folder in folders))


@lru_cache(maxsize=8)  # a plan requests the same text in every arm
def _documents(text: Text, cache: Path, held_out: tuple[Example, ...], progress: Progress) -> tuple[Example, ...]:
    return without(text.documents(cache, progress), held_out)
