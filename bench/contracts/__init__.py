"""All that an author of a part needs, on one page.

A part is a file on a shelf (`tasks/`, `strategies/`, `metrics/`, `profilers/`, `models/`, `texts/`, `executors/`) that holds one class
derived from one of the bases below. It is found by its file name; adding it edits no other file.

A part is a frozen, strict value: its fields are its settings, documented under the field, unit in the name. Making one
touches no file, network or device. What costs something happens in the one method that its base names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from pydantic import Field

from bench.contracts.part import Compact, Decoding, Layers, ModelLabel, Names, Part, Precision, TextLabel
from bench.contracts.recipe import NoTally, R, Recipe, Tally, Workbench, identify
from bench.contracts.values import (
    Bill,
    Charge,
    Direction,
    Example,
    Limit,
    Meter,
    PaidBy,
    Phase,
    Progress,
    Reading,
    Score,
    Source,
    Splits,
    content_hash,
    fingerprint,
    no_progress,
)

__all__ = [
    "PARENT_PIPE",
    "Bill",
    "Charge",
    "Checkpoint",
    "Compact",
    "Decoding",
    "Direction",
    "Example",
    "Executor",
    "Instrument",
    "Job",
    "Layers",
    "Limit",
    "Meter",
    "Metric",
    "ModelLabel",
    "Names",
    "NoTally",
    "Outcome",
    "PaidBy",
    "Part",
    "Phase",
    "Precision",
    "Profiler",
    "Progress",
    "R",
    "Reading",
    "Recipe",
    "Rule",
    "Score",
    "Source",
    "Splits",
    "Strategy",
    "Tally",
    "Task",
    "Text",
    "TextLabel",
    "TokenMetric",
    "Workbench",
    "content_hash",
    "fingerprint",
    "identify",
    "no_progress",
]


# --- tasks ------------------------------------------------------------------------------------------------------------


Rule = Callable[[str], str]
"""A trivial rule: source -> prediction, without any model."""


class Task(Part, ABC):
    """Documents, their labels, and the trivial rules that any model has to beat."""

    shelf: ClassVar[str] = "tasks"

    prefix: str = ""
    """Put before every source that a model reads, such as 'summarize: '."""
    max_source_tokens: int = Field(default=512, ge=4)
    """Sources are cut here, counted in the model's own tokens."""
    max_target_tokens: int = Field(default=64, ge=2)
    """Labels are cut, and generation stops, here."""
    label_usd: float | None = Field(default=None, ge=0)
    """Price of one label of this task in dollars, where it differs from the suite's."""

    @abstractmethod
    def splits(self, cache: Path, progress: Progress) -> Splits:
        """Read the data. Slow work is kept under `cache`. Raises DataError."""

    @abstractmethod
    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """Name -> rule; the first is the lead baseline. train: labelled examples, for a rule such as 'the commonest label'."""


# --- pretrained checkpoints ------------------------------------------------------------------------------------------


class Checkpoint(Part, ABC):
    """A pretrained large model. Its making is sunk cost, charged to nobody."""

    shelf: ClassVar[str] = "models"

    @abstractmethod
    def folder(self, cache: Path) -> Path:
        """A local folder in the transformers layout (config.json, *.safetensors, tokenizer). Raises CheckpointError."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What a reader calls it, e.g. 'google/pegasus-large'."""


# --- texts ------------------------------------------------------------------------------------------------------------


class Text(Part, ABC):
    """Plain text to go on pretraining with. A suite names it under `texts`."""

    shelf: ClassVar[str] = "texts"

    @abstractmethod
    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        """Documents without targets. Slow work is kept under `cache`. Raises DataError."""


# --- metrics and profilers -------------------------------------------------------------------------------------------


class Metric(Part, ABC):
    """Predictions and references -> scores."""

    shelf: ClassVar[str] = "metrics"

    @property
    @abstractmethod
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores that `score` gives, known beforehand."""

    def prepare(self) -> None:
        """Called once before anything is spent. Raises BenchError where `score` could not work."""
        return

    def check(self, references: Sequence[str]) -> None:
        """Called with the references of every task before anything is spent. Raises BenchError where they cannot be scored."""

    @abstractmethod
    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        """Equally long sequences, at least one each. The same input always gives the same output."""


class TokenMetric(Metric):
    """How likely a model finds the references: for models too, that do not say anything of use yet."""

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:  # noqa: ARG002
        """Of what was said nothing is told."""
        return []

    @abstractmethod
    def score_tokens(self, log_probs: Sequence[Sequence[float]]) -> list[Score]:
        """log_probs: of each reference, the natural logarithm of each of its tokens' probability, the end token included, given the
        document and the tokens before it; at least one reference, at least one token each."""


class Instrument(Protocol):
    """Started and stopped once. `stop` is also called when the work in the window failed."""

    def start(self) -> None: ...

    def stop(self) -> list[Reading]: ...


class Profiler(Part, ABC):
    """Makes instruments. Slow set-up belongs in `prepare`, which is called once, outside every window."""

    shelf: ClassVar[str] = "profilers"

    def prepare(self) -> None:
        """Warm up whatever the first window would otherwise pay for."""
        return

    @abstractmethod
    def instrument(self) -> Instrument:
        """A fresh instrument for one window."""


# --- strategies ------------------------------------------------------------------------------------------------------


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


# --- executors -------------------------------------------------------------------------------------------------------


PARENT_PIPE = "BENCH_PARENT_PIPE"
"""Environment variable that an executor sets where a process gets a pipe from it as standard input: when that closes, the
executor is gone, and the process ends too."""


class Executor(Part, ABC):
    """Where fresh processes run."""

    shelf: ClassVar[str] = "executors"

    @abstractmethod
    def run(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Callable[[str, int], None]) -> None:
        """Run every command (id -> argv), its output to its log; call ended(id, exit status) as each ends.

        A negative status is the number of the signal that killed it.
        """
