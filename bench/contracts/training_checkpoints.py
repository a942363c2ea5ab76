"""What a recipe needs to keep the state of a long training, so that a killed process loses little of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class TrainingCheckpoints(Protocol):
    """The training checkpoints of one unfinished artifact."""

    @property
    def folder(self) -> Path:
        """Folder for files that grow while a training lasts. It need not exist, and is removed once the artifact is made."""
        ...

    def restore(self, read: Callable[[Path], None]) -> None:
        """Have `read` restore the newest checkpoint from its folder, where there is one.

        `read` raises any Exception but BenchError where the checkpoint does not fit, and has changed nothing by then. Where it has changed
        something it raises BenchError, which ends the work.
        """
        ...

    def step_done(self, steps: int, write: Callable[[Path], None]) -> None:
        """Note that so many steps are done. Where the interval has passed, have `write` write the state into an empty folder.

        `write` raises OSError where the disk is full. The training goes on without this checkpoint.
        """
        ...
