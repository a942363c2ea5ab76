"""All that an author of a part needs, on one page.

A part is a file on a shelf (`tasks/`, `strategies/`, `metrics/`, `profilers/`, `zoo/`, `executors/`) that holds one class
derived from one of the bases below. It is found by its file name; adding it edits no other file.

A part is a frozen, strict value: its fields are its settings, documented under the field, unit in the name. Making one
touches no file, network or device. What costs something happens in the one method that its base names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Source = Literal["counter", "polled", "modelled", "assumed", "computed"]
"""How a number was got: read off a counter, polled now and then, modelled from other numbers, assumed, or computed."""

Direction = Literal["higher", "lower", "none"]
"""Which way is better."""

Phase = Literal["teacher_tuning", "pseudo_labelling", "student_training", "evaluation"]
"""What work is for. The suite says of each phase whether the purse pays for it."""

Meter = Literal["flops", "wall", "energy"]
"""What compute is paid by; the quantities are FLOP, s and kWh."""


class Part(BaseModel):
    """A frozen, strict value whose fields are its settings."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True, validate_default=True
    )


# --- tasks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Example:
    """One document and, where somebody wrote one, its label."""

    id: str
    source: str
    target: str | None = None


@dataclass(frozen=True)
class Splits:
    """The data of a task. No id stands in two splits.

    train: labelled; the starting labels are drawn from here, and further ones bought.
    unlabelled: the pool, without targets.
    fingerprint: sha256 over all ids, sources and targets, split by split.
    notes: what was left out, and what a reader should know, a sentence each.
    """

    train: tuple[Example, ...]
    unlabelled: tuple[Example, ...]
    dev: tuple[Example, ...]
    test: tuple[Example, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()


Rule = Callable[[str], str]
"""A trivial rule: source -> prediction, without any model."""

Progress = Callable[[str, float, float], None]
"""Called as (what, done, total) while something takes long."""


class Task(Part, ABC):
    """Documents, their labels, and the trivial rules that any model has to beat."""

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
    def trivial_rules(self) -> Mapping[str, Rule]:
        """Name -> rule; the first is the lead baseline."""


# --- pretrained checkpoints ------------------------------------------------------------------------------------------


class Checkpoint(Part, ABC):
    """A pretrained large model. Its making is sunk cost, charged to nobody."""

    @abstractmethod
    def folder(self, cache: Path) -> Path:
        """A local folder in the transformers layout (config.json, *.safetensors, tokenizer). Raises CheckpointError."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What a reader calls it, e.g. 'google/pegasus-large'."""


class Compact(Part):
    """The shape of the compact model: how many layers of the large one it keeps. Missing: all of them."""

    encoder_layers: int | None = Field(default=None, ge=1)
    """Encoder layers kept."""
    decoder_layers: int | None = Field(default=None, ge=1)
    """Decoder layers kept."""


class Decoding(Part):
    """How outputs are generated, the same for every model of a suite."""

    beams: int = Field(default=1, ge=1)
    """Beam width; 1 is greedy."""
    length_penalty: float = 1.0
    """Exponent of the length in a beam's score."""
    batch_size: int = Field(default=64, ge=1)
    """Documents decoded at a time."""


Precision = Literal["bf16", "fp32"]
"""bf16 is autocast over fp32 weights. Never fp16: Pegasus and T5 overflow (transformers #12225, #11461)."""


# --- metrics and profilers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """What a metric gave. per_example: one value for each prediction, in order; None for corpus metrics."""

    name: str
    value: float
    unit: str
    direction: Direction
    per_example: tuple[float, ...] | None = None


class Metric(Part, ABC):
    """Predictions and references -> scores."""

    @abstractmethod
    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        """Equally long sequences, at least one each. The same input always gives the same output."""


@dataclass(frozen=True)
class Reading:
    """What an instrument saw in one window. value None: not measured, and `reason` says why."""

    quantity: str
    value: float | None
    unit: str
    source: Source
    direction: Direction = "lower"
    reason: str = ""


class Instrument(Protocol):
    """Started and stopped once. `stop` is also called when the work in the window failed."""

    def start(self) -> None: ...

    def stop(self) -> list[Reading]: ...


class Profiler(Part, ABC):
    """Makes instruments. Slow set-up belongs in `prepare`, which is called once, outside every window."""

    def prepare(self) -> None:
        """Warm up whatever the first window would otherwise pay for."""
        return

    @abstractmethod
    def instrument(self) -> Instrument:
        """A fresh instrument for one window."""


# --- money -----------------------------------------------------------------------------------------------------------

PaidBy = Literal["purse", "free", "other meter"]
"""Who bears a charge; 'other meter': the quantity is kept for re-pricing, the suite pays by another meter."""


@dataclass(frozen=True)
class Charge:
    """A quantity and its price. Dollars are derived, so that other prices re-price old results."""

    kind: str
    quantity: float
    unit: str
    unit_price_usd: float
    paid_by: PaidBy
    phase: str

    @property
    def usd(self) -> float:
        """Dollars, to a billionth."""
        return round(self.quantity * self.unit_price_usd, 9)


@dataclass(frozen=True)
class Bill:
    """What making an artifact took. kwh None: not measured."""

    flops: float
    wall_s: float
    kwh: float | None
    readings: tuple[Reading, ...] = ()

    def quantity(self, meter: Meter) -> float | None:
        """The amount that `meter` counts."""
        return {"flops": self.flops, "wall": self.wall_s, "energy": self.kwh}[meter]


# --- recipes ---------------------------------------------------------------------------------------------------------


class Tally(Protocol):
    """Counts what work takes while it runs."""

    def room_for(self, flops: float) -> bool:
        """Whether a next step of so many FLOPs may start; by other meters, whether one like the longest so far may.

        Where it may not, a recipe with a `limit` stops early, and one without raises OverBudget.
        """
        ...

    def fraction(self) -> float:
        """Share of the allowance used so far, 0 where nothing limits it."""
        ...

    def advance(self, flops: float) -> None:
        """A step of so many FLOPs is done."""
        ...


@dataclass(frozen=True)
class Workbench:
    """What a recipe may use while it makes something."""

    cache: Path
    device: str
    artifact: Callable[[Recipe], Path]
    """Folder of something made before."""
    tally: Tally
    progress: Progress


@dataclass(frozen=True)
class Recipe(ABC):
    """A frozen value that says how a thing is made. Its key is the hash of all that decides what it makes.

    `limit` is the amount of the paying meter after which a recipe that may stop early does so; None: no limit.
    """

    version: ClassVar[int] = 1
    """Raised whenever the same fields come to make something else."""

    @property
    def key(self) -> str:
        """Readable kind, then 16 hex digits of sha256."""
        text = json.dumps(self.identity(), sort_keys=True, separators=(",", ":"))
        return f"{type(self).__name__.lower()}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def identity(self) -> dict[str, Any]:
        """All that decides the outcome, as JSON."""
        fields = {f.name: identify(getattr(self, f.name)) for f in dataclasses.fields(self)}
        return {"recipe": type(self).__name__, "version": self.version, **fields}

    @abstractmethod
    def forecast_flops(self, bench: Workbench) -> float:
        """Model FLOPs that `make` will take, from shapes and token counts alone: no weights, nothing made."""

    @abstractmethod
    def make(self, folder: Path, bench: Workbench) -> None:
        """Make it, into an empty folder. Inputs have been made before."""

    def inputs(self) -> tuple[Recipe, ...]:
        """Recipes whose artifacts this one reads."""
        return tuple(v for f in dataclasses.fields(self) if isinstance(v := getattr(self, f.name), Recipe))

    def within(self, limit: float) -> Self:
        """The same, but stopping early once `limit` of the paying meter is used. Only for recipes that have that field."""
        return dataclasses.replace(self, limit=limit)  # type: ignore[call-arg]  # a field of some

    def read(self, folder: Path) -> Any:
        """What the artifact holds, for a strategy."""
        return folder

    def pretend(self) -> Any:
        """What `read` would give, guessed without making it: for `bench plan`."""
        return None


def identify(value: Any) -> Any:
    """A JSON value that is the same exactly where `value` means the same: recipes by key, texts by hash."""
    if isinstance(value, Recipe):
        return value.key
    if isinstance(value, BaseModel):
        return {"part": f"{type(value).__module__}.{type(value).__qualname__}", **value.model_dump(mode="json")}
    if isinstance(value, tuple) and value and isinstance(value[0], Example):
        return fingerprint(value)
    return value


def fingerprint(*groups: Sequence[Example]) -> str:
    """sha256 over examples, group by group, order included."""
    digest = hashlib.sha256()
    for group in groups:
        for e in group:
            digest.update(json.dumps([e.id, e.source, e.target]).encode())
        digest.update(b"\n")
    return digest.hexdigest()


# --- strategies ------------------------------------------------------------------------------------------------------


R = TypeVar("R", bound=Recipe)


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
    def left_usd(self) -> float:
        """Dollars left in the purse."""

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
    """What a strategy hands back. facts: figures for the table, such as labels and pseudo-labels used."""

    student: Recipe
    teacher: Recipe | None = None
    facts: Mapping[str, float] = field(default_factory=dict)


class Strategy(Part, ABC):
    """A way to spend the money."""

    label_share: float = Field(default=0.0, ge=0, le=1)
    """Part of the budget that buys labels, before the rest buys compute. A list in a suite is a grid."""

    @abstractmethod
    def run(self, job: Job) -> Outcome:
        """Spend the purse; the compact model. Raises Stop."""


# --- executors -------------------------------------------------------------------------------------------------------


class Executor(Part, ABC):
    """Where fresh processes run."""

    @abstractmethod
    def run(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Callable[[str, int], None]) -> None:
        """Run every command (id -> argv), its output to its log; call ended(id, exit status) as each ends.

        A negative status is the number of the signal that killed it.
        """
