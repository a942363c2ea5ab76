"""A suite with its arms and data, ready to run or to be planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.contracts import Progress, Splits
from bench.execution.defaults import CHECKPOINT_MINUTES
from bench.execution.job import models_fingerprint
from bench.execution.store import Store
from bench.suite.arms import Arm, Key
from bench.suite.suite_file import Suite
from bench.system import machine


@dataclass(frozen=True, kw_only=True)
class PreparedSuite:
    """A suite with its arms and data, and the folders and device that it uses."""

    suite: Suite
    arms: tuple[Arm, ...]
    """The arms chosen, in running order."""
    splits: Mapping[str, Splits]
    """Label of a task -> its data."""
    results: Path
    """The suite's own results folder."""
    cache: Path
    """Folder for data and checkpoints, which are made once."""
    device: str
    """'cpu' or 'cuda'; 'auto' where it does not matter, as no arm has to run."""
    checkpoint_minutes: float = CHECKPOINT_MINUTES
    """Minutes between two checkpoints of a training. It changes no result."""
    gpu_bytes: Mapping[Key, float] = field(default_factory=dict)
    """GPU memory in bytes that the process of an arm takes at its peak, where it is forecast."""

    @property
    def data_fingerprint(self) -> str:
        """Fingerprints of all tasks' data."""
        return "-".join(splits.fingerprint for splits in self.splits.values())

    def without_examples(self) -> PreparedSuite:
        """Return the same suite without documents and labels, for the process that starts the arms. Fingerprints and notes stay."""
        return replace(self, splits={label: found.without_examples() for label, found in self.splits.items()})

    def on_device(self) -> PreparedSuite:
        """Return the same suite with the device that 'auto' stands for on this machine. Imports torch."""
        return replace(self, device=machine.device(self.device))

    @property
    def store_folder(self) -> Path:
        """Folder of the artifacts; it does not exist before the first run."""
        return self.results / "store"

    def store(self, arm: Arm, progress: Progress, before_waiting: Callable[[], object] = lambda: None) -> Store:
        """Return the store that keeps the artifacts of this arm. Raises CheckpointError where one of its
        models is missing."""
        models = models_fingerprint(self.suite, arm, self.cache)
        return Store(
            self.store_folder,
            self.cache,
            self.device,
            self.suite.profilers,
            progress,
            models,
            before_waiting,
            self.checkpoint_minutes,
            arm=arm.id,
        )
