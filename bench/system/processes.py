"""How many processes work at a time, how many threads each has, and work on several processes.

Processes are forked, because importing everything again would take longer than the work. Where forking is not safe, as on
macOS, one thing is done after the other. `multiprocessing` is imported where it is used, so that `bench --help` stays quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.system.nvml import visible_gpus

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

R = TypeVar("R")

AT_MOST = 8
"""Processes at a time on a CPU, however many cores it has: each holds a model, its optimizer state and the data in memory."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Environment of a process that works beside others; see `concurrency`."""

UTF_8 = {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
"""Environment of a process whose output goes to a log: no character that a library prints ends it."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def concurrency(device: str = "cpu") -> int:
    """Return how many processes work at a time on a device: one on each GPU; on a CPU one per core, at most `AT_MOST`.

    Each process of several runs with `ONE_THREAD`. Models are small here, so a second thread of a process gains little,
    and two busy threads that share a core wait for each other: they are up to 50 times slower than one thread per process.
    Two processes on one GPU would share its memory, and each would distort the other's measured time and energy.

    device: 'cpu' or 'cuda', as `machine.device` returns it.
    """
    return max(1, len(visible_gpus())) if device == "cuda" else min(cores(), AT_MOST)


def threads(count: int) -> dict[str, str]:
    """Return `ONE_THREAD` for a process that has `count` threads."""
    return {name: str(count) if value == "1" else value for name, value in ONE_THREAD.items()}


@contextmanager
def one_thread() -> Iterator[None]:
    """Set `ONE_THREAD` in this process's environment inside the block, for the processes that start there."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def limit_numpy_threads() -> None:
    """Give numpy one thread in this process, unless the environment says otherwise. Call it before numpy is imported.

    Its matrices are small in `bench`, so its threads would wait for each other, and keep other processes from their core.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", ONE_THREAD["OPENBLAS_NUM_THREADS"])


@contextmanager
def parallel_map(work: Sequence[Callable[[], Any]], workers: int | None = None) -> Iterator[Iterator[Any]]:
    """Yield the results of `work`, in order, computed by several processes. workers: None for `concurrency()`, at most 4."""
    workers = min(workers or min(concurrency(), 4), len(work))
    if workers < 2 or not can_fork():
        yield (one() for one in work)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        yield pool.map(_do, work)


@contextmanager
def run_in_background(work: Callable[[], Any]) -> Iterator[None]:
    """Do work that writes files and returns nothing while the block runs. Both are done when the block ends.

    If the work fails in its process, it is done again in this one, which raises the error.
    """
    if cores() < 2 or not can_fork():
        yield
        work()
        return
    import multiprocessing

    other = multiprocessing.get_context("fork").Process(target=_exit_1_on_error, args=(work,))
    other.start()
    try:
        yield
    finally:
        other.join()
    if other.exitcode:
        work()


def in_child(work: Callable[[], R]) -> R:
    """Return the result of work, done by another process where that can be: its threads and memory end with it.

    If the work fails there, it is done again in this process, which raises the error. If this process is interrupted, the work is
    interrupted too, and this process waits for its end.
    """
    if not can_fork():
        return work()
    import multiprocessing

    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_send, args=(here, there, work))
    child.start()
    there.close()
    try:
        with here:
            result: R = here.recv()
            return result
    except EOFError:
        return work()
    except BaseException:
        child.terminate()
        raise
    finally:
        child.join()


def has_one_thread() -> bool:
    """Return whether this process is known to have one thread. Locks that other threads hold would stay locked in a fork."""
    tasks = Path("/proc/self/task")
    return tasks.is_dir() and len([*tasks.iterdir()]) == 1


def can_fork() -> bool:
    """Return whether a process can be forked safely on this system."""
    return sys.platform == "linux"


def _do(work: Callable[[], Any]) -> Any:
    return work()


def _send(here: Connection[Any, Any], there: Connection[Any, Any], work: Callable[[], Any]) -> None:
    here.close()  # otherwise `send` waits forever for a parent that was killed
    signal.signal(signal.SIGTERM, _interrupt_once)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt_once)
    try:
        result = work()
        there.send(result)
        with suppress(EOFError):
            there.recv()  # the parent may open files that the result holds, until it closes the connection
    except BaseException:  # the parent does the work again, and raises the error
        sys.exit(1)


def _interrupt_once(*_: object) -> None:
    """Raise KeyboardInterrupt, and ignore a second signal: Ctrl-C reaches this process and its parent, which passes it on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # not SIG_IGN: Python complains of a signal that waits to be handled
    raise KeyboardInterrupt


def _exit_1_on_error(work: Callable[[], Any]) -> None:
    try:
        work()
    except BaseException:  # the parent does the work again, and raises the error
        sys.exit(1)
