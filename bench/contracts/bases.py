"""Base classes of parts: Task, Checkpoint, Text, Metric, Profiler, Executor. `strategy.py` has Strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

from pydantic import Field

from bench.contracts.normal_form import Form
from bench.contracts.part import Part
from bench.contracts.values import Example, Progress, Reading, Score, Splits

Rule = Callable[[str], str]
"""A baseline that needs no model: source -> prediction."""


class Task(Part, ABC):
    """Documents, their labels, and baselines that any model has to beat."""

    shelf: ClassVar[str] = "tasks"

    classes: ClassVar[tuple[str, ...]] = ()
    """Names of the classes that the labels are; empty where labels are texts, or only the data tell."""

    @property
    def hub_datasets(self) -> tuple[str, ...]:
        """Ids of the data sets on the hub from which the documents come."""
        return ()

    prefix: str = ""
    """Text put before every source that a model reads, such as 'summarize: '."""
    max_source_tokens: int = Field(default=512, ge=4)
    """Longest source, in the model's own tokens. Longer ones are cut."""
    max_target_tokens: int = Field(default=64, ge=2)
    """Longest label, in the model's own tokens. Longer ones are cut, and generation stops here."""
    label_usd: float | None = Field(default=None, ge=0, le=1e9)
    """Price of one label of this task in dollars, where it differs from the suite's."""

    @abstractmethod
    def splits(self, cache: Path, progress: Progress) -> Splits:
        """Read the data. Results of slow work are kept under `cache`. Raises DataError."""

    @abstractmethod
    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """Return name -> baseline. The first one is the main baseline, such as the lead of the document.

        `train` holds labelled examples, for a baseline such as 'the most frequent label'.
        """


class Checkpoint(Part, ABC):
    """A pretrained large model. Making it is sunk cost, which nobody pays."""

    shelf: ClassVar[str] = "models"

    @abstractmethod
    def folder(self, cache: Path) -> Path:
        """Return a local folder in the transformers layout: config.json, *.safetensors, tokenizer. Raises
        CheckpointError."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Name for readers, such as 'google/pegasus-large'."""

    def licence(self, cache: Path) -> str:  # noqa: ARG002
        """Return the licence of the weights as the hub names it, such as 'apache-2.0'; '' where it is not known. Nothing is downloaded."""
        return ""


class Text(Part, ABC):
    """Text for continued pretraining, or text that an LLM labelled. A suite names it under `texts`."""

    shelf: ClassVar[str] = "texts"

    @abstractmethod
    def documents(self, cache: Path, progress: Progress) -> tuple[Example, ...]:
        """Return documents. Most texts have no targets. Results of slow work are kept under `cache`. Raises DataError."""


class Metric(Part, ABC):
    """Computes scores from predictions and references."""

    shelf: ClassVar[str] = "metrics"

    uses_gpu: ClassVar[bool] = False
    """Whether `score` may compute on the GPU. Its memory is not forecast, so each arm then has a GPU of its own."""

    @property
    @abstractmethod
    def score_names(self) -> tuple[str, ...]:
        """Names of the scores that `score` returns."""

    @property
    def unranked(self) -> tuple[str, ...]:
        """Those of `score_names` by which no suite can rank, because neither a higher nor a lower one is better."""
        return ()

    @property
    def not_means(self) -> tuple[str, ...]:
        """Those of `score_names` that are no mean over documents. Their values by example, such as linearised ones, depend on all outputs
        together. Values of two models therefore cannot be mixed."""
        return ()

    def prepare(self) -> None:
        """Prepare to score. Called once before anything is spent. Raises BenchError where `score` could not
        work."""
        return

    def folder(self) -> Path | None:
        """Return the local folder whose files decide the scores, whether or not it is there; None where the metric reads none."""
        return None

    def absent(self) -> Mapping[str, str]:
        """Return the scores that cannot be had on this machine, each with its reason. Asked before anything is spent."""
        return {}

    def check(self, references: Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """Check the references of a task, and return warnings, one line each. Called for every task before anything is spent.

        Raises BenchError where the references cannot be scored.
        """
        return ()

    def in_form(self, form: Form) -> Self:  # noqa: ARG002
        """Return this metric with the texts among its settings, such as classes, in the form that `score` is given texts in."""
        return self

    @abstractmethod
    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        """Return scores. Both sequences have the same length, 1 or more. The same input always gives the same
        output."""


class TokenMetric(Metric):
    """Computes scores from the likelihood of the references. It suits models whose generated text is not yet
    useful."""

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:  # noqa: ARG002
        """Return nothing: generated text is not scored; see `score_tokens`."""
        return []

    @abstractmethod
    def score_tokens(self, log_probs: Sequence[Sequence[float]]) -> list[Score]:
        """Return scores for one or more references, each with one or more tokens.

        `log_probs` has one list for each reference: the natural logarithm of the probability of each token,
        including the end token. The probability is given the document and the tokens before it.
        """


class Instrument(Protocol):
    """Measures one window of work. It is started and stopped once.

    `stop` is also called when the work in the window failed.
    """

    def start(self) -> None: ...

    def stop(self) -> list[Reading]: ...


@runtime_checkable
class RunningInstrument(Instrument, Protocol):
    """An instrument that can also be read while it runs, so that a limit in its quantity can end the work."""

    quantity: str
    """Name of the reading, which is the name of a meter."""

    def so_far(self) -> float | None:
        """Return the amount since the start. None: unknown."""
        ...


class Profiler(Part, ABC):
    """Makes instruments. Slow set-up belongs in `prepare`, which is called once, outside every window."""

    shelf: ClassVar[str] = "profilers"

    def import_libraries(self) -> None:
        """Import what `prepare` needs. The processes of arms may be forks of the one that calls this, so it uses no GPU, opens
        no connection and leaves no thread."""
        return

    def prepare(self) -> None:
        """Do what would otherwise slow down the first window."""
        return

    @abstractmethod
    def instrument(self) -> Instrument:
        """Return a new instrument for one window."""


PARENT_PIPE = "BENCH_PARENT_PIPE"
"""Environment variable that an executor sets for a process whose standard input is a pipe from the executor.

When the pipe closes, the executor is gone, and the process ends too.
"""


AGAIN = 75
"""Exit status of a command that asks to be started again, after the commands that wait. sysexits.h calls it EX_TEMPFAIL."""


class Executor(Part, ABC):
    """A place where fresh processes run."""

    shelf: ClassVar[str] = "executors"

    @property
    def device(self) -> Literal["cpu", "cuda"] | None:
        """Device on which the processes compute, where they run on other machines. None: that of this machine."""
        return None

    @abstractmethod
    def run(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Mapping[str, Path],
        ended: Callable[[str, int], None],
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """Run every command (id -> argv) with its output in its log. Call ended(id, exit status) as each
        ends. gpu_bytes: id -> GPU memory that the command takes at its peak, in bytes, where that is known.

        A negative status is the number of the signal that killed the process. A command whose status is AGAIN
        has not ended: it is started again.
        """
