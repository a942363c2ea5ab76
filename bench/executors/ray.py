"""Runs processes on the nodes of a Ray cluster.

    Ray.run                                       _ray_task.run_command, on a node
    argv, environment, folder, log         -->    starts the process; its output goes to the log
    exit status                            <--    the process has ended

Everything else passes through files. All nodes see the results folder, the cache and the Python environment at the same paths.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field

from bench.contracts import AGAIN, Executor
from bench.errors import BenchError
from bench.executors._ray_task import run_command
from bench.system.one_line import first_line

SAME_PATHS = "every node needs the results folder, the cache and the Python environment at the same paths"

CANCEL_S = 4.0
"""Seconds for which a run that is interrupted waits for the end of its tasks."""

Commands = Mapping[str, Sequence[str]]
Logs = Mapping[str, Path]
Ended = Callable[[str, int], None]


class Ray(Executor):
    """Runs each command as a task of a Ray cluster that exists, and leaves no process behind.

    A command whose node dies is started again.
    """

    address: str = "auto"
    """Address of the cluster, such as `10.0.0.1:6379`. `auto` is the cluster that this machine belongs to."""
    cpus_per_arm: int = Field(default=1, ge=1)
    """CPUs that Ray reserves for a command, and threads that the command may use."""
    gpus_per_arm: float = Field(default=0.0, ge=0)
    """GPUs that Ray reserves for a command. With 0 it sees no GPU; below 1, several commands share one."""
    retries: int = Field(default=3, ge=0)
    """How many times a command is started again after its node died, or ran out of memory."""
    stalled_minutes: float = Field(default=60.0, ge=0)
    """Minutes without a change in a process's log, ledger and progress.json after which it is stopped. 0 stops none."""

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Device on which the processes compute. This machine may have no GPU."""
        return "cuda" if self.gpus_per_arm else "cpu"

    def run(
        self,
        commands: Commands,
        logs: Logs,
        ended: Ended,
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),  # noqa: ARG002
    ) -> None:
        """Raises BenchError where Ray is not installed, no cluster answers, or a node cannot start a command."""
        if not commands:
            return
        for log in logs.values():
            log.parent.mkdir(parents=True, exist_ok=True)
            log.open("ab").close()
        with _connected(self.address) as ray:
            tasks = _Tasks(ray, self, commands, logs)
            try:
                tasks.run(ended)
            except BaseException:
                tasks.cancel()
                raise


class _Tasks:
    """The tasks of one run."""

    def __init__(self, ray: Any, settings: Ray, commands: Commands, logs: Logs) -> None:
        """ray: the package."""
        self._ray, self._settings, self._commands, self._logs = ray, settings, commands, logs
        # max_retries: Ray would start a task again without a line in its log
        self._task = ray.remote(num_cpus=settings.cpus_per_arm, num_gpus=settings.gpus_per_arm, max_retries=0)(run_command)
        self._environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}  # Ray chooses the GPU
        self._running: dict[str, Any] = {}
        self._finished: SimpleQueue[tuple[str, Future[int | str]]] = SimpleQueue()
        self._lost: Counter[str] = Counter()

    def run(self, ended: Ended) -> None:
        """Start all commands, and return when all have ended."""
        self._warn_if_too_large()
        for name in self._commands:
            self._start(name)
        while self._running:
            name, future = self._finished.get()
            del self._running[name]
            status = self._status(name, future)
            if status == AGAIN:
                self._start(name)
            else:
                ended(name, status)

    def cancel(self) -> None:
        """End all tasks, and wait for their end for `CANCEL_S` at most."""
        left = [*self._running.values()]
        for task in left:
            self._ray.cancel(task, force=True)
        if left:
            self._ray.wait(left, num_returns=len(left), timeout=CANCEL_S)

    def _warn_if_too_large(self) -> None:
        """Print one line where no node could ever run a command. A cluster that grows on demand may still get one."""
        cpus, gpus = self._settings.cpus_per_arm, self._settings.gpus_per_arm
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
            print(f"no node of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs; arms wait for one", file=sys.stderr)

    def _start(self, name: str) -> None:
        """Start a command, after all others that wait."""
        command, log, settings = [*self._commands[name]], str(self._logs[name].absolute()), self._settings
        task = self._task.remote(command, log, os.getcwd(), self._environment, settings.cpus_per_arm, settings.stalled_minutes)
        self._running[name] = task
        task.future().add_done_callback(lambda future: self._finished.put((name, future)))

    def _status(self, name: str, future: Future[int | str]) -> int:
        """Return the exit status of a command: AGAIN where its node died and it may be started again."""
        error = future.exception()
        if error is None:
            result = future.result()
            if isinstance(result, str):
                raise BenchError(f"a Ray node cannot start an arm: {result}; {SAME_PATHS}")
            return result
        if isinstance(error, self._ray.exceptions.RayTaskError):
            raise BenchError(f"a Ray node cannot run bench: {_last_line(error)}; {SAME_PATHS}")
        self._lost[name] += 1
        again = self._lost[name] <= self._settings.retries
        with self._logs[name].open("a", encoding="utf-8") as log:
            what_next = "started again" if again else "not started again"
            log.write(f"\nattempt {self._lost[name]} was lost, {what_next}: {first_line(error)}\n")
        return AGAIN if again else 1


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Connect to a Ray cluster, and yield the package. Raises BenchError where it is missing, or no cluster answers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # the import reads both variables
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # one try is 40 s; by default Ray tries 20 times
    try:
        import ray
    except ImportError as error:
        raise BenchError(f"the executor 'ray' needs a package ({error}); run: pip install 'costbench[ray]'") from error
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        advice = "start one with `ray start --head`, or set `address`"
        raise BenchError(f"no Ray cluster answers at '{address}' ({first_line(error)}); {advice}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # `ray.init` sets its own
    try:
        yield ray
    finally:
        ray.shutdown()


def _last_line(error: BaseException) -> str:
    """Return the last line of a message: what was raised on the node, below its traceback."""
    return next(reversed(str(error).strip().splitlines()), type(error).__name__)
