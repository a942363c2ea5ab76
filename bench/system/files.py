"""Files that are written whole or built once.

atomic_write     yield a temporary path, then move it to its final place; `write_text` and `write_json` use it
build_once       build a file or folder unless it is there
names_file       let an error of the disk name the file
OpenFile         hold a file open as long as something needs it
sync             wait until what was written is on the disk
sha256           hash the content of a file
state            tell whether a file may have changed, without reading it
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from bench.system import leases

OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Errors of a disk: full, over a quota, over a limit of file sizes, read-only, broken."""


class OpenFile:
    """Holds an open file, which is closed when nothing refers to this object any more."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __del__(self) -> None:
        self.file.close()


@contextmanager
def names_file(path: Path) -> Iterator[None]:
    """Let an error of the disk inside the block name `path`, unless it names a file. The kernel names none where a write fails."""
    try:
        yield
    except OSError as error:
        if error.errno in OF_DISK and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_write(path: Path, part: Path | None = None) -> Iterator[Path]:
    """Yield `NAME.part` beside `path`, and move what the block writes there to `path` when the block ends.

    A reader sees the old content or the new content, never a mixture. What was written is synced to disk before the
    move, so a power failure leaves no truncated file under the final name. Where the block fails, the part is removed.
    A process that is killed leaves its part behind, and the next writer removes it.

    The block writes a file, or a folder if there is none at `path` yet. One process writes a path at a time, unless each of several
    has a `part` of its own; the first folder then stays, and the others raise OSError.
    """
    part = part or path.with_name(f"{path.name}.part")
    _remove(part)
    try:
        with names_file(path):
            yield part
            sync(part)
            part.replace(path)
    except BaseException:
        _remove(part)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text by `atomic_write`."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object by `atomic_write`. Raises ValueError for NaN and infinity, which JSON lacks."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False))


def state(path: str | Path) -> str:
    """Return facts that change when the content of a file may have changed: size, times, inode. '' where there is no file."""
    try:
        now = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{now.st_size} {now.st_mtime_ns} {now.st_ctime_ns} {now.st_ino}"


def sha256(path: Path) -> str:
    """Return the sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def build_once(path: Path, build: Callable[[Path], object]) -> Path:
    """Return `path` after `build` has written it by `atomic_write`, unless it was there before.

    If two processes want it, one builds it and the other waits. If the builder is suspended for so long that both build it, the first
    complete copy of a folder stays.
    """
    guard = path.with_name(f"{path.name}.lease")
    if path.exists():
        with suppress(OSError):  # the folder may be read-only
            leases.remove_left(guard)
    else:
        with leases.hold(guard) as lease:
            try:
                if not path.exists():
                    with atomic_write(path, path.with_name(f"{path.name}.{lease.owner}.part")) as part:
                        build(part)
                for left in path.parent.glob(f"{glob.escape(path.name)}.{'?' * len(lease.owner)}.part*"):  # by a process that was killed
                    _remove(left)
            except OSError:
                if not path.exists():
                    raise
    return path


def sync(written: Path) -> None:
    """Wait until a file, or every file in a folder, is on the disk."""
    for path in written.rglob("*") if written.is_dir() else (written,):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
