"""Runs processes on this machine, several at a time."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import Field

from bench.contracts import PARENT_PIPE, Executor
from bench.system import processes


class Local(Executor):
    """Runs each command as a child process, at most `workers` at a time, and leaves no process behind."""

    workers: int = Field(default_factory=processes.concurrency, ge=1)
    """Processes at a time. By default one per core that this process may use, at most 8."""
    one_thread: bool = True
    """Whether each process has one thread. Threads that share a core slow each other down many times over.
    Processes do not."""

    def run(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Callable[[str, int], None]) -> None:
        waiting, running = dict(commands), dict[str, subprocess.Popen[bytes]]()
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    name = next(iter(waiting))
                    running[name] = self._start(waiting.pop(name), logs[name])
                time.sleep(0.1)
                for name in [n for n, process in running.items() if process.poll() is not None]:
                    process = running.pop(name)
                    process.communicate()  # closes the pipe to the process
                    ended(name, process.returncode)
        finally:
            for process in running.values():
                process.kill()
            for process in running.values():
                process.communicate()

    def _start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **processes.UTF_8, PARENT_PIPE: "1", **(processes.ONE_THREAD if self.one_thread else {})}
        with log.open("ab") as sink:
            return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, env=environment)  # noqa: S603
