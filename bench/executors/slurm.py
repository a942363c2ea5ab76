"""Runs commands as tasks of SLURM job arrays, on nodes that share the results folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from bench.contracts import Executor
from bench.executors import _slurm_commands as slurm
from bench.executors._slurm_arrays import Arrays
from bench.system.processes import UTF_8, threads

Word = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$")]


class Slurm(Executor):
    """Runs each command as a task of a SLURM job array.

    The nodes see the results folder, the cache and the Python environment under the same paths. A command that SLURM stops, for time,
    for a job of higher priority or with its node, starts again.
    """

    partition: Word | None = None
    """Partition of the cluster. Missing: its default."""
    time_minutes: int | None = Field(default=None, ge=1)
    """Minutes after which SLURM stops a task. An arm that was training continues from its checkpoint. Missing: the partition's limit."""
    memory_gb: float | None = Field(default=None, gt=0, le=1e6)
    """Memory of one task in GiB. Missing: the cluster's default."""
    cpus: int = Field(default=1, ge=1)
    """CPU cores of one task, and its number of threads."""
    gpus: int = Field(default=0, ge=0)
    """GPUs of one task. With one or more, arms compute on a GPU; an arm uses one."""
    gpu_type: Word | None = None
    """Type of the GPUs as the cluster names it, such as 'a100'."""
    account: Word | None = None
    """Account that is charged for the jobs."""
    qos: Word | None = None
    """Quality of service, as the cluster names it."""
    at_a_time: int | None = Field(default=None, ge=1)
    """Tasks of an array that run at the same time. Missing: as many as the cluster starts."""
    options: tuple[Word, ...] = ()
    """More options of sbatch, such as '--constraint=a100'. They win over the settings above."""
    set_up: tuple[Word, ...] = ()
    """Lines of bash that each task runs first, such as 'module load cuda'."""
    poll_s: float = Field(default=15.0, gt=0, le=3600)
    """Seconds between two looks at the queue and the results folder."""
    visible_s: float = Field(default=60.0, ge=0, le=3600)
    """Seconds after which this machine sees a file that another one has written to the results folder."""
    stalled_minutes: float = Field(default=60.0, ge=0)
    """Minutes without a change in a process's log, ledger and progress.json after which it is stopped. 0 stops none."""

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        return "cuda" if self.gpus else "cpu"

    def run(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Mapping[str, Path],
        ended: Callable[[str, int], None],
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),  # noqa: ARG002
    ) -> None:
        if not commands:
            return
        slurm.require()
        arrays = Arrays(
            results=Path(os.path.commonpath([logs[name].absolute().parent.parent for name in commands])),
            commands=commands,
            logs=logs,
            options=self.sbatch_options(),
            environment=UTF_8 | threads(self.cpus),
            set_up=self.set_up,
            at_a_time=self.at_a_time,
            poll_s=self.poll_s,
            visible_s=self.visible_s,
            stalled_minutes=self.stalled_minutes,
        )
        with arrays.at_work():
            arrays.cancel_earlier()
            try:
                arrays.submit(list(commands))
                while arrays.tasks or arrays.again:
                    time.sleep(self.poll_s)
                    for name, status in arrays.look():
                        ended(name, status)
                arrays.remove()
            finally:
                slurm.cancel({task.array for task in arrays.tasks.values()})

    def sbatch_options(self) -> list[str]:
        """Return the options of sbatch that the settings stand for."""
        gres = ":".join(["gpu", *([self.gpu_type] if self.gpu_type else []), str(self.gpus)])
        given = {
            "partition": self.partition,
            "time": self.time_minutes,
            "mem": None if self.memory_gb is None else f"{max(1, round(1024 * self.memory_gb))}M",
            "cpus-per-task": self.cpus,
            "gres": gres if self.gpus else None,
            "account": self.account,
            "qos": self.qos,
        }
        return [*(f"--{name}={value}" for name, value in given.items() if value is not None), *self.options]
