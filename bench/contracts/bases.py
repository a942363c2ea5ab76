"""What a part derives from: Task, Checkpoint, Text, Metric, Profiler, Executor; `strategy.py` has Strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, Self

from pydantic import Field

from bench.contracts.normal_form import Form
from bench.contracts.part import Part
from bench.contracts.values import Example, Progress, Reading, Score, Splits

Rule = Callable[[str], str]
"""A trivial rule: source -> prediction, without any model."""


class Task(Part, ABC):
    """Documents, their labels, and the trivial rules that any model has to beat."""

    shelf: ClassVar[str] = "tasks"

    classes: ClassVar[tuple[str, ...]] = ()
    """Names of the classes that the labels are; empty where labels are texts, or only the data tell."""

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


class Text(Part, ABC):
    """Plain text to go on pretraining with. A suite names it under `texts`."""

    shelf: ClassVar[str] = "texts"

    @abstractmethod
    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        """Documents without targets. Slow work is kept under `cache`. Raises DataError."""


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

    def folder(self) -> Path | None:
        """Return the local folder whose files decide the scores, whether or not it is there; None where the metric reads none."""
        return None

    def check(self, references: Sequence[str]) -> None:
        """Called with the references of every task before anything is spent. Raises BenchError where they cannot be scored."""

    def in_form(self, form: Form) -> Self:  # noqa: ARG002
        """Return this metric with the texts among its settings, such as classes, in the form that `score` is given texts in."""
        return self

    @abstractmethod
    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        """Equally long sequences, at least one each. The same input always gives the same output."""


class TokenMetric(Metric):
    """How likely a model finds the references: for models too, that do not say anything of use yet."""

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:  # noqa: ARG002
        """Generated text is not scored; see `score_tokens`."""
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
