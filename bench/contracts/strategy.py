"""A way to spend the budget, the job that it sees, and what it hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field

from bench.contracts.bases import Checkpoint, Task
from bench.contracts.part import Compact, Decoding, ModelLabel, Part, Precision, TextLabel
from bench.contracts.recipe import R, Recipe
from bench.contracts.values import Example, Phase


class Job(ABC):
    """All that a strategy sees of an arm. There is no test split in it."""

    task: Task
    unlabelled: tuple[Example, ...]
    dev: tuple[Example, ...]
    large: Checkpoint
    compact: Compact
    decoding: Decoding
    precision: Precision
    budget_usd: float

    @abstractmethod
    def seed_for(self, purpose: str) -> int:
        """A seed that depends on the arm's seed and the purpose alone: the same for every strategy and budget."""

    @abstractmethod
    def labels(self, share: float) -> tuple[Example, ...]:
        """Buy labels for `share` of the budget; the starting labels and the bought ones, in drawing order.

        Smaller purchases are prefixes of larger ones. Raises NotEnough, OverBudget.
        """

    @abstractmethod
    def model(self, label: ModelLabel) -> Checkpoint:
        """A pretrained model that the suite names under `models`."""

    @abstractmethod
    def text(self, label: TextLabel) -> tuple[Example, ...]:
        """A text that the suite names under `texts`, without what holds a document of dev or test; or `pool`, the unlabelled pool."""

    @abstractmethod
    def left_usd(self) -> float:
        """Dollars left in the purse."""

    @abstractmethod
    def check(self, recipe: Recipe) -> None:
        """Raises BenchError where it cannot be made, whatever it may cost: of a student, before its teacher is paid."""

    @abstractmethod
    def make(self, recipe: R, phase: Phase, shorten: bool = False, at_most_usd: float | None = None) -> R:
        """Have it made, or find it made, and pay for it either way; the recipe as it was made.

        at_most_usd: of the money left, what this may take; None: all of it.
        shorten: where that does not cover it, make as much of it as it buys; the recipe made then has a `limit`.
        Raises OverBudget where the charge, or with `shorten` its first step, does not fit.
        """

    @abstractmethod
    def read(self, recipe: Recipe) -> Any:
        """What was made, as `recipe.read` gives it."""


@dataclass(frozen=True)
class Outcome:
    """What a strategy hands back.

    facts: figures for the table, such as labels and pseudo-labels used.
    answers: how the teacher answers, where it does not read documents as the student does, or is no model of ours: documents
    without labels -> a recipe whose artifact reads as one text for each, in order.
    """

    student: Recipe
    teacher: Recipe | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    answers: Callable[[tuple[Example, ...]], Recipe] | None = None


class Strategy(Part, ABC):
    """A way to spend the money."""

    shelf: ClassVar[str] = "strategies"

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels, before the rest buys compute. A list in a suite is a grid."""
    compact: Compact | None = None
    """The compact model of this strategy, where it is not the suite's."""

    @abstractmethod
    def run(self, job: Job) -> Outcome:
        """Spend the purse; the compact model. Raises Stop."""
