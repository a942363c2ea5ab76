"""Faults of the machine at any call that changes a disk.

    in_fork(work)                  does work in a process of its own, which a fault may kill
    Disk(folder)                   counts the calls that change something in a folder
    Disk(folder, fault, at)        lets a fault happen at the call of this number

A call is seen where Python makes it: opening a file to write, writing, syncing, moving, linking, removing, making folders. Rust and C++
write unseen; what they write is a part that is synced and moved here. Syncing is counted and not done, so that no test waits for a disk.
A call that finds nothing to change, such as making a folder that is there, is not counted.
"""

from __future__ import annotations

import builtins
import errno
import gc
import io
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

T = TypeVar("T")

WRITES = frozenset({"write", "pwrite"})
GROWS = WRITES | {"open", "mkdir", "link", "symlink"}
MOVES = frozenset({"rename", "replace", "link", "symlink"})
REMOVES = frozenset({"unlink", "remove", "rmdir"})
CALLS = GROWS | MOVES | REMOVES | {"truncate", "fsync"}

OPENED_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens at a call, in place of it."""

    name: str
    error: int | None = None
    """Number of the OSError that is raised. None: `kills` or Ctrl-C."""
    kills: bool = False
    stays: bool = False
    """Whether later calls fail too."""
    half: bool = False
    """Whether a call that writes writes half of its bytes before."""
    calls: frozenset[str] = CALLS

    def happen(self, path: str | None) -> NoReturn:
        """path: what the kernel names in its error; None where it names nothing."""
        if self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.error is None:
            raise KeyboardInterrupt
        raise OSError(self.error, os.strerror(self.error), path)


KILL = Fault(name="kill", kills=True, calls=CALLS - {"fsync"})
TORN = Fault(name="kill within a write", kills=True, half=True, calls=WRITES)
CTRL_C = Fault(name="Ctrl-C")
FULL = Fault(name="full disk", error=errno.ENOSPC, stays=True, half=True, calls=GROWS)
READ_ONLY = Fault(name="read-only disk", error=errno.EROFS, stays=True)
ONE_ERROR = Fault(name="one I/O error", error=errno.EIO)


@dataclass(frozen=True)
class Point:
    """A call that changes the folder."""

    call: str
    path: str
    """Relative to the folder."""


class Disk:
    """The disk of a folder, as this process uses it."""

    def __init__(self, folder: Path, fault: Fault | None = None, at: int = 0) -> None:
        """at: number of the first call that fails, counted from 1."""
        self.points: list[Point] = []
        self._folder, self._fault, self._at, self._struck = f"{folder.resolve()}/", fault, at, False
        self._real_open = io.open

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Use the disk inside the block."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS - {"open", "write"}:
                patch.setattr(os, name, self._seen(name, (lambda file: None) if name == "fsync" else getattr(os, name)))
            patch.setattr(os, "open", self._seen_open(os.open))
            for module in (builtins, io):
                patch.setattr(module, "open", self._open)
            yield

    def reach(self, call: str, path: str, half: Callable[[], object] = lambda: None, named: bool = True) -> None:
        """Count a call, and let the fault happen where it is due.

        half: does half of the call. named: whether the kernel's error names the path.
        """
        if not path.startswith(self._folder):
            return
        self.points.append(Point(call, path.removeprefix(self._folder)))
        number, fault = len(self.points), self._fault
        if fault and call in fault.calls and (number == self._at or (fault.stays and number > self._at)):
            if fault.half and not self._struck:
                half()
            self._struck = True
            fault.happen(path if named else None)

    def _seen(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            of_file = isinstance(given[0], int)
            path = _path(given[1] if name in MOVES else given[0], named.get("dst_dir_fd") or named.get("dir_fd"))
            halves = (given[1][: len(given[1]) // 2],) if name == "pwrite" else ()
            if os.path.lexists(path) if name in REMOVES else name != "mkdir" or not os.path.exists(path):
                self.reach(name, path, lambda: real(given[0], *halves, *given[2:]) if halves else None, named=not of_file)
            return real(*given, **named)

        return call

    def _seen_open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *given: Any, **named: Any) -> int:
            if flags & OPENED_TO_WRITE:
                self.reach("open", _path(path, named.get("dir_fd")))
            return real(path, flags, *given, **named)

        return call

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+"):
            return self._real_open(file, mode, buffering, encoding, errors, newline)
        self.reach("open", _path(file))
        raw = _Raw(file, mode.replace("b", "").replace("t", ""))
        raw.disk = self
        if not buffering:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


class _Raw(io.FileIO):
    """A file whose writes a disk sees."""

    disk: Disk

    def write(self, data: Any) -> int:
        whole = bytes(data)
        self.disk.reach("write", _path(self.name), lambda: io.FileIO.write(self, whole[: len(whole) // 2]), named=False)
        return super().write(whole)


def _path(named: Any, folder: int | None = None) -> str:
    """Return the absolute path of a name, which may be relative to an open folder, or of an open file."""
    if isinstance(named, int):
        return os.readlink(f"/proc/self/fd/{named}")
    start = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else os.getcwd()
    return os.path.normpath(os.path.join(start, os.fsdecode(named)))


def in_fork(work: Callable[[], T]) -> T | None:
    """Return the result of work that a fork of this process does; None where the fork was killed."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def send() -> None:
        gc.disable()  # a collection would copy the memory of this process
        there.send(work())

    process = context.Process(target=send)
    with warnings.catch_warnings(), here:
        warnings.simplefilter("ignore", DeprecationWarning)  # later versions of Python warn of other threads
        process.start()
        there.close()
        try:
            result: T = here.recv()
            return result
        except EOFError:
            return None
        finally:
            process.join()
            assert process.exitcode in (0, -signal.SIGKILL)
