"""Identifies files and folders by hashes of their content, whatever their paths are.

The hash of a file is remembered in `cache/hashes.json`, under its path. Size, times, inode and device only decide whether the
remembered hash still holds. The kernel sets ctime at every change, also where somebody sets mtime back.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.system import leases
from bench.system.files import write_text

Progress = Callable[[str, float, float], None]

DECIDE = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
"""Files that decide the behaviour of a model."""

ALL = ("[!.]*", "[!.]*/**/*")
"""All files at any depth, except hidden ones at the top."""

RACY_NS = 2_000_000_000
"""A file whose ctime is younger than this may change again within one tick of the file system's clock, and keep its times.
Its hash is not remembered. The coarsest clock in use ticks every 2 s (FAT). git calls such files racily clean."""

MEMORY = "hashes.json"
"""File in the cache that holds the hashes."""

REPORTED_BYTES = 1 << 26
"""Hashing reports its progress after each 64 MiB."""


def of_folder(folder: Path, cache: Path, progress: Progress | None = None, decide: Sequence[str] = DECIDE) -> str:
    """Return 16 hex digits of sha256 over the names and contents of the files in `folder` that match a pattern of `decide`."""
    files = sorted({path for pattern in decide for path in folder.glob(pattern) if path.is_file()})
    known = _read(cache / MEMORY)  # once, as a folder may hold thousands of files
    hashes = [(path.relative_to(folder).as_posix(), _of_file(path, cache, progress, known)) for path in files]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:16]


def of_file(path: Path, cache: Path, progress: Progress | None = None) -> str:
    """Return the sha256 of a file's content in hex. A large file takes about a second per gigabyte, once."""
    return _of_file(path, cache, progress, _read(cache / MEMORY))


def _of_file(path: Path, cache: Path, progress: Progress | None, known: Mapping[str, Any]) -> str:
    """Return the hash of a file. `known` holds the hashes remembered so far."""
    path, memory = path.resolve(), cache / MEMORY
    begun, seen = time.time_ns(), _seen(path)
    before = known.get(str(path))
    if isinstance(before, dict) and before.get("seen") == seen:
        return str(before["sha256"])
    with _Reported(path, progress) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if begun - seen["ctime_ns"] >= RACY_NS:
        with leases.hold(memory.with_name(f"{memory.name}.lease"), renewed=False):
            write_text(memory, json.dumps(_read(memory) | {str(path): {"seen": seen, "sha256": found}}))
    return found


def _seen(path: Path) -> dict[str, int]:
    """Return the facts that change when a file may have changed. The file is not read."""
    stat = os.stat(path)
    return {
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "ctime_ns": stat.st_ctime_ns,
        "inode": stat.st_ino,
        "device": stat.st_dev,
    }


class _Reported(io.FileIO):
    """A file that reports how much of it was read, in MB."""

    def __init__(self, path: Path, progress: Progress | None) -> None:
        super().__init__(path)
        self._what, self._progress, self._size = f"hashing {path.name}", progress, path.stat().st_size
        self._done = self._reported = 0

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        self._done += count
        if self._progress and (self._done - self._reported >= REPORTED_BYTES or (self._reported and not count)):
            self._reported = self._done
            self._progress(self._what, self._done / 1e6, self._size / 1e6)
        return count


def _read(memory: Path) -> dict[str, Any]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
