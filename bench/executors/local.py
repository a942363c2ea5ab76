"""Runs processes on this machine, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from bench.contracts import AGAIN, PARENT_PIPE, Executor
from bench.system import processes
from bench.system.fork_server import ForkServer


class Local(Executor):
    """Runs each command as a child process, at most `workers` at a time, and leaves no process behind.

    On Linux, commands `python -P -m MODULE ...` are forks of one process that has imported MODULE.
    """

    workers: int = Field(default_factory=processes.concurrency, ge=1)
    """Processes at a time. By default one per core that this process may use, at most 8."""
    one_thread: bool = True
    """Whether each process has one thread. Threads that share a core slow each other down many times over.
    Processes do not."""

    def run(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Callable[[str, int], None]) -> None:
        waiting, running = list(commands), 0
        environment = {**os.environ, **processes.UTF_8, PARENT_PIPE: "1", **(processes.ONE_THREAD if self.one_thread else {})}
        with ForkServer(environment) as server:
            while waiting or running:
                while waiting and running < self.workers:
                    name = waiting.pop(0)
                    server.start(name, commands[name], logs[name])
                    running += 1
                name, status = server.next_ended()
                running -= 1
                if status == AGAIN:
                    waiting.append(name)
                else:
                    ended(name, status)
