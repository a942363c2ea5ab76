"""Leases: locks that several machines share through a folder, also on a network file system.

hold     hold a lease inside a block
Lease    take a lease without waiting, and watch the holder of one that is not free

A lease is a file. The process that creates it exclusively holds it, and a thread of that process renews it: it writes the file anew
every `BEAT_S` seconds. A lease is free again when its file is gone, when its holder was a process of this machine that has ended, or when
the file has not changed for `EXPIRY_S` seconds on the monotonic clock of the process that watches. Clocks of machines are not compared.
A holder of this machine that lives keeps its lease, also where nothing renews it.

A holder that was suspended for longer than `EXPIRY_S` may no longer hold its lease when it wakes up. A lease therefore saves double
work. It does not protect data: what is written under it must be complete or absent, whoever writes it.
"""

from __future__ import annotations

import errno
import glob
import itertools
import json
import os
import platform
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO

BEAT_S = 10.0
"""Seconds after which a holder renews its lease. A network file system may show this to other machines up to a minute later."""

EXPIRY_S = 120.0
"""Seconds without a change after which a lease is free. The time between two looks counts for `BEAT_S` at most."""

FIRST_LOOK_S, LAST_LOOK_S = 0.02, 1.0
"""Seconds between the first two looks at a lease that is not free, and between later ones."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The time of the process that watches a lease."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that holds a lease, as it is written in the file."""

    owner: str
    """Random name of this one taking of the lease."""
    machine: str
    """Name of the host, its boot, and the name space of its process ids. A process id means the same only where all three are equal."""
    host: str
    pid: int
    started: str = ""
    """When the process began, in ticks since the boot; empty where that is unknown, as in leases of earlier versions. Another process
    may have the same id later, and in a container that starts again it often has."""
    released: bool = False
    """Whether the holder gave the lease up and could not remove its file."""

    @property
    def has_ended(self) -> bool:
        """Whether the holder is known to have ended. False where it cannot be known, as for a process of another machine."""
        return self.released or (self.machine == _machine() and not _runs(self.pid, self.started))

    @property
    def is_here(self) -> bool:
        """Whether the holder runs on this machine and has not given the lease up."""
        return not self.released and self.machine == _machine() and _runs(self.pid, self.started)


class Lease:
    """A lease, which this object may hold."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock | None = None,
        renewed: bool = True,
        clean_up: Callable[[str], object] = lambda owner: None,  # noqa: ARG005
    ) -> None:
        """path: file of the lease. renewed: whether a thread renews it; without one the lease is for seconds of work.

        clean_up: called with the owner of a lease whose holder is known to have ended, before the lease is taken over. Nobody else uses
        the files of that owner. If this process is killed meanwhile, the next one cleans up.
        """
        self.path, self.owner = path, secrets.token_hex(8)
        self._clock, self._renewed, self._clean_up = clock or Clock(), renewed, clean_up
        self._file: IO[bytes] | None = None
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._seen: bytes | None = None
        self._looked_at, self._unchanged_s = 0.0, 0.0
        self._changed = False

    def take(self) -> bool:
        """Take the lease if it is free, and return whether this object holds it now. Call it again to go on watching the holder."""
        if self._create():
            return True
        content = _content(self.path)
        if content is None:  # released since
            return self._create()
        now = self._clock.now()
        if content != self._seen:
            self._changed = self._seen is not None
            self._seen, self._unchanged_s = content, 0.0
        else:  # this process may have been suspended together with the holder
            self._unchanged_s += min(now - self._looked_at, BEAT_S)
        self._looked_at = now
        holder = _holder(content)
        if holder and holder.has_ended:
            self._clean_up(holder.owner)
        elif self._unchanged_s < EXPIRY_S or (holder and holder.started and holder.is_here):
            return False
        return self._remove(content) and self._create()

    @property
    def holder(self) -> Holder | None:
        """The holder that `take` saw last. None: there was none, or it has not written its name yet."""
        return _holder(self._seen)

    @property
    def holder_is_alive(self) -> bool:
        """Whether the holder that `take` saw last is known to run: on this machine, or it has renewed the lease since the first look."""
        return self._changed or bool(self.holder and self.holder.is_here)

    @property
    def is_held(self) -> bool:
        """Whether this object still holds the lease. False after it was suspended and another process took over."""
        holder = _holder(_content(self.path)) if self._file else None
        return holder is not None and holder.owner == self.owner

    def release(self) -> None:
        """Make the lease free, unless another process has taken it over. Where its file cannot be removed, it says that it is free."""
        self._released.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            if self.is_held:
                self.path.unlink(missing_ok=True)
        except OSError:
            with suppress(OSError):
                self._write(0, released=True)
            raise
        finally:
            if self._file:
                self._file.close()

    def _create(self) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self.path.open("xb", buffering=0)
        except FileExistsError:
            return False
        try:
            self._write(0)
        except BaseException as error:
            if isinstance(error, OSError):  # the disk is full
                error.filename = str(self.path)
            self.path.unlink(missing_ok=True)
            self._file.close()
            raise
        if self._renewed:
            self._thread.start()
        return True

    def _write(self, beat: int, released: bool = False) -> None:
        """Write the holder into the open file. If another process has taken over, the file is no longer that of the lease."""
        assert self._file is not None
        pid = os.getpid()
        holder = Holder(owner=self.owner, machine=_machine(), host=platform.node(), pid=pid, started=_started(pid), released=released)
        # always as long, because it may be read while it is written
        content = json.dumps({**asdict(holder), "released": int(released), "beat": f"{beat:09}"})
        os.pwrite(self._file.fileno(), content.encode(), 0)

    def _renew(self) -> None:
        assert self._file is not None
        for beat in itertools.count(1):
            if self._released.wait(BEAT_S):
                return
            with suppress(OSError):  # the next beat may succeed; otherwise the lease expires
                self._write(beat)
                os.fsync(self._file.fileno())

    def _remove(self, content: bytes) -> bool:
        """Remove a lease that is free but has a file. Return False where it was renewed or taken over in the meantime.

        Of several processes that try, one moves the file away. If what it moved is not what it saw, it moves it back.
        """
        aside = self.path.with_name(f"{self.path.name}.{self.owner}")
        try:
            self.path.rename(aside)
        except FileNotFoundError:
            return True
        as_seen = _content(aside) == content
        if not as_seen:
            with suppress(OSError):
                os.link(aside, self.path)
        aside.unlink(missing_ok=True)
        return as_seen


@contextmanager
def hold(
    path: Path,
    busy: Callable[[Lease], object] | None = None,
    *,
    clock: Clock | None = None,
    renewed: bool = True,
    clean_up: Callable[[str], object] = lambda owner: None,  # noqa: ARG005
) -> Iterator[Lease]:
    """Hold the lease `path` inside the block, and wait for it where another process holds it. See `Lease` for the options.

    busy: called at every look that finds another holder. It raises to give up; if it returns, the lease is waited for.
    """
    clock = clock or Clock()
    lease, pause = Lease(path, clock=clock, renewed=renewed, clean_up=clean_up), FIRST_LOOK_S
    while not lease.take():
        if busy:
            busy(lease)
        clock.sleep(pause)
        pause = min(LAST_LOOK_S, 1.5 * pause)
    try:
        _remove_asides(path)
        yield lease
    finally:
        lease.release()


def remove_left(path: Path, *folders: Path) -> None:
    """Remove a lease that guards nothing any more, and folders that it guarded, if a stopped process left one of them."""
    if any(left.exists() for left in (path, *folders)) and (lease := Lease(path, renewed=False)).take():
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        lease.release()


def _remove_asides(path: Path) -> None:
    """Remove what processes left that were killed while they took a lease over."""
    for aside in path.parent.glob(f"{glob.escape(path.name)}.*"):
        aside.unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    """Return what a lease holds; None where there is no file. A file that is opened anew has the newest content on every machine."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):  # stale: another machine has removed the file while it was read
            return None
        raise


def _holder(content: bytes | None) -> Holder | None:
    """Return the holder of a lease; None where the file is being written, or is none of a lease."""
    try:
        found = json.loads(content or b"")
        kept = {name: str(found[name]) for name in ("owner", "machine", "host")}
        return Holder(**kept, pid=int(found["pid"]), started=str(found.get("started", "")), released=bool(found.get("released")))
    except (ValueError, KeyError, TypeError):
        return None


@cache
def _machine() -> str:
    boot, name_space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    known = boot.exists() and name_space.is_symlink()
    return " ".join([platform.node(), *([boot.read_text(encoding="utf-8").strip(), os.readlink(name_space)] if known else [])])


def _runs(pid: int, started: str) -> bool:
    """Return whether a process of this machine runs. One that has ended may still be listed, as a zombie."""
    import psutil

    if started and _started(pid) not in ("", started):  # another process has its id now
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _started(pid: int) -> str:
    """Return when a process of this machine began, in ticks since the boot, which no clock changes; '' where the system does not say it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
