"""Runs processes on this machine, several at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from bench.contracts import AGAIN, PARENT_PIPE, Executor
from bench.system import processes
from bench.system.fork_server import ForkServer
from bench.system.nvml import free_bytes, visible_gpus


class Local(Executor):
    """Runs each command as a child process, at most `workers` at a time, and leaves no process behind.

    Where there are several GPUs, each process sees one of them. On Linux, commands `python -P -m MODULE ...` are forks of one
    process that has imported MODULE.
    """

    workers: int | None = Field(default=None, ge=1)
    """Processes at a time. By default `per_device` on each GPU; without a GPU one per core that this process may use, at most 8."""
    per_device: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    """Processes on each GPU, where `workers` is missing. They share its memory, and each distorts the measured time and energy of
    the others. `auto`: as many as its free memory holds by the forecast, at most `workers` in all, or one per core. A process whose
    memory is not forecast has a GPU of its own."""
    one_thread: bool = True
    """Whether each process has one thread. Threads that share a core slow each other down many times over.
    Processes do not."""
    stalled_minutes: float = Field(default=60.0, ge=0)
    """Minutes without a change in a process's log, ledger and progress.json after which it is stopped. 0 stops none."""

    def run(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Mapping[str, Path],
        ended: Callable[[str, int], None],
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        waiting, gpus = list(commands), visible_gpus()
        free = free_bytes(gpus) if self.per_device == "auto" else {}
        workers = self.workers or self._at_most(len(gpus))
        environment = {**os.environ, **processes.UTF_8, PARENT_PIPE: "1", **(processes.ONE_THREAD if self.one_thread else {})}
        running: dict[str, str] = {}  # name -> its GPU; '' where there is none

        def has_room(gpu: str) -> bool:
            beside = [name for name, its in running.items() if its == gpu]
            together = sum(gpu_bytes.get(name, math.inf) for name in (waiting[0], *beside))
            return self.per_device != "auto" or not beside or together <= free.get(gpu, 0)

        with ForkServer(environment, self.stalled_minutes) as server:
            while waiting or running:
                while waiting and len(running) < workers:
                    fitting = [gpu for gpu in gpus if has_room(gpu)]
                    if gpus and not fitting:
                        break
                    name = waiting.pop(0)
                    running[name] = min(fitting, key=[*running.values()].count) if gpus else ""
                    server.start(name, commands[name], logs[name], {"CUDA_VISIBLE_DEVICES": running[name]} if len(gpus) > 1 else {})
                name, status = server.next_ended()
                del running[name]
                if status == AGAIN:
                    waiting.append(name)
                else:
                    ended(name, status)

    def _at_most(self, gpus: int) -> int:
        """Return the number of processes at a time, where the user did not set it."""
        if not gpus:
            return processes.concurrency()
        return max(gpus, processes.cores()) if self.per_device == "auto" else gpus * self.per_device
