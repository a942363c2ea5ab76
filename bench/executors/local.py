"""Runs processes on this machine, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from bench.contracts import AGAIN, PARENT_PIPE, Executor
from bench.system import processes
from bench.system.fork_server import ForkServer
from bench.system.nvml import visible_gpus


class Local(Executor):
    """Runs each command as a child process, at most `workers` at a time, and leaves no process behind.

    Where there are several GPUs, each process sees one of them. On Linux, commands `python -P -m MODULE ...` are forks of one
    process that has imported MODULE.
    """

    workers: int | None = Field(default=None, ge=1)
    """Processes at a time. By default `per_device` on each GPU; without a GPU one per core that this process may use, at most 8."""
    per_device: int = Field(default=1, ge=1)
    """Processes on each GPU, where `workers` is missing. They share its memory, and each distorts the measured time and energy of
    the others."""
    one_thread: bool = True
    """Whether each process has one thread. Threads that share a core slow each other down many times over.
    Processes do not."""
    stalled_minutes: float = Field(default=60.0, ge=0)
    """Minutes without a change in a process's log, ledger and progress.json after which it is stopped. 0 stops none."""

    def run(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Callable[[str, int], None]) -> None:
        waiting, gpus = list(commands), visible_gpus()
        workers = self.workers or len(gpus) * self.per_device or processes.concurrency()
        environment = {**os.environ, **processes.UTF_8, PARENT_PIPE: "1", **(processes.ONE_THREAD if self.one_thread else {})}
        running: dict[str, str] = {}  # name -> its GPU; '' where there is no choice
        with ForkServer(environment, self.stalled_minutes) as server:
            while waiting or running:
                while waiting and len(running) < workers:
                    name = waiting.pop(0)
                    running[name] = _least_used(gpus, [*running.values()]) if len(gpus) > 1 else ""
                    server.start(name, commands[name], logs[name], {"CUDA_VISIBLE_DEVICES": running[name]} if running[name] else {})
                name, status = server.next_ended()
                del running[name]
                if status == AGAIN:
                    waiting.append(name)
                else:
                    ended(name, status)


def _least_used(gpus: Sequence[str], used: Sequence[str]) -> str:
    """Return the GPU with the fewest processes, the first of several."""
    return min(gpus, key=used.count)
