"""Work on several processes. They are forked, as importing all again would take longer than the work; where that is not safe, as on macOS,
one thing is done after the other."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

MOST = 4
"""So many processes, where nobody said how many."""


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def at_once(work: Sequence[Callable[[], Any]], workers: int | None = None) -> Iterator[Iterator[Any]]:
    """What each piece of work gives, in order, on so many processes (None: one a core, at most MOST)."""
    workers = min(workers or min(cores(), MOST), len(work))
    if workers < 2 or not _forks():
        yield (one() for one in work)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        yield pool.map(_do, work)


@contextmanager
def beside(work: Callable[[], Any]) -> Iterator[None]:
    """Do work that leaves files, and gives nothing, while the block runs; both are done at its end.

    Where the other process fails, the work is done here, and what was wrong with it is raised.
    """
    if cores() < 2 or not _forks():
        yield
        work()
        return
    other = multiprocessing.get_context("fork").Process(target=_quietly, args=(work,))
    other.start()
    try:
        yield
    finally:
        other.join()
    if other.exitcode:
        work()


def _forks() -> bool:
    return sys.platform == "linux"


def _do(work: Callable[[], Any]) -> Any:
    return work()


def _quietly(work: Callable[[], Any]) -> None:
    try:
        work()
    except BaseException:  # told by the one who asked, who does it again
        sys.exit(1)
