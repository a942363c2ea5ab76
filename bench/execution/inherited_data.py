"""Data of tasks that is read once, by the process of which those of arms are forks.

The forks share its memory. It is read in a process of its own, whose threads would make forks unsafe.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from bench.contracts import Progress, Splits, Task, no_progress
from bench.system.processes import in_child

_read: dict[tuple[str, str], Splits] = {}


def read_before_fork(tasks: Iterable[Task], cache: Path) -> None:
    """Read the data of all tasks. Raises DataError."""
    for task in tasks:
        _read[_key(task)] = in_child(partial(task.splits, cache, no_progress))


def splits(task: Task, cache: Path, progress: Progress) -> Splits:
    """Return the data of a task, which is read now unless that was done before the fork. Raises DataError."""
    return _read.get(_key(task)) or task.splits(cache, progress)


def _key(task: Task) -> tuple[str, str]:
    return task.kind(), task.model_dump_json()
