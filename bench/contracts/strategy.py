"""The base class of strategies, the job that a strategy sees, and the outcome that it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from bench.contracts.bases import Checkpoint, Task
from bench.contracts.engine import Engine
from bench.contracts.part import Compact, Decoding, ModelLabel, Part, Precision, TextLabel
from bench.contracts.phases import Phase
from bench.contracts.recipe import R, Recipe
from bench.contracts.values import Example, Fact


class Job(ABC):
    """Everything that a strategy sees of an arm. It does not include the test split."""

    task: Task
    unlabelled: Sequence[Example]
    """The pool. A large one is read from the disk in parts, and so are its slices."""
    dev: tuple[Example, ...]
    large: Checkpoint
    compact: Compact
    decoding: Decoding
    engine: Engine
    precision: Precision
    budget_usd: float

    @abstractmethod
    def seed_for(self, purpose: str) -> int:
        """Return a seed that depends only on the arm's seed and the purpose. It is the same for every
        strategy and budget."""

    @abstractmethod
    def labels(self, share: float) -> tuple[Example, ...]:
        """Buy labels for `share` of the budget. Return the starting labels and the bought ones, in drawing
        order.

        Smaller purchases are prefixes of larger ones. Raises NotEnough and OverBudget.
        """

    @abstractmethod
    def model(self, label: ModelLabel) -> Checkpoint:
        """Return a pretrained model that the suite names under `models`."""

    @abstractmethod
    def text(self, label: TextLabel) -> Sequence[Example]:
        """Return a text that the suite names under `texts`, or with `pool` the unlabelled pool.

        Text that contains a document of dev or test is left out.
        """

    @abstractmethod
    def labelled_text(self, label: TextLabel) -> tuple[Sequence[Example], int]:
        """Return the documents of a text that have a label, and how many more are left out because they are documents of dev or test.

        Documents are the same if their `content_hash` is.
        """

    @abstractmethod
    def left_usd(self) -> float:
        """Return the dollars left in the purse."""

    @abstractmethod
    def charged_usd(self, phase: Phase) -> float:
        """Return the dollars of the work of a phase until now, whoever pays for it."""

    @abstractmethod
    def check(self, recipe: Recipe) -> None:
        """Raise BenchError where the recipe cannot be made at any price.

        Use it for a student before its teacher is paid for.
        """

    @abstractmethod
    def make(self, recipe: R, phase: Phase, allow_partial: bool = False, max_usd: float | None = None) -> R:
        """Make an artifact, or find it, and pay for it in both cases. Return the recipe as it was made.

        `max_usd` is the part of the money left that it may take, together with inputs that were not made
        before. None: all of it. With `allow_partial`, an artifact that costs more is made as far as the money
        goes, and the returned recipe has a `limit`.
        Raises OverBudget where the charge does not fit, or with `allow_partial` its first step.
        """

    @abstractmethod
    def read(self, recipe: Recipe) -> Any:
        """Return the content of an artifact, as `recipe.read` does."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a strategy returns."""

    student: Recipe
    """The compact model."""
    teacher: Recipe | None = None
    """The model that taught the student, if there is one."""
    facts: tuple[Fact, ...] = ()
    """Numbers for the table, such as the number of pseudo-labels used."""
    answers: Callable[[tuple[Example, ...]], Recipe] | None = None
    """Documents without labels -> a recipe whose artifact reads as one text for each, in order.

    It is set where the teacher does not read documents as the student does, or is not a model on this
    machine.
    """


class Strategy(Part, ABC):
    """A way to spend the budget."""

    shelf: ClassVar[str] = "strategies"

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels. The rest buys compute afterwards. A list in a suite is a grid."""
    compact: Compact | None = None
    """The compact model of this strategy, where it differs from the suite's."""

    def needed_prices(self) -> Mapping[str, str]:
        """Return field of the suite's `prices` -> the setting that is paid by it. A suite that does not set the field is refused."""
        return {}

    @abstractmethod
    def run(self, job: Job) -> Outcome:
        """Spend the purse and return the compact model. Raises Stop."""
