"""The folder of one artifact: it is complete where its bill can be read, and the bill says which files belong to it.

    <key>/artifact/...    the files
    <key>/bill.json       what making them took, the recipe, the arm, the machine, and size and sha256 of every file

The folder is made beside its place, synced, and moved. What is in it is never found by a listing, because a network file system may show
the entries of a folder late. A file that the bill names and that is not there yet is waited for.
"""

from __future__ import annotations

import hashlib
import json
import platform
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.errors import DamagedError
from bench.system.files import sha256
from bench.system.leases import Clock
from bench.system.results_folder import BILL

ARTIFACT = "artifact"

DAMAGED = ".damaged"
"""Part of the name of a damaged artifact that was put aside."""

VISIBLE_S = 60.0
"""Seconds after which what another machine wrote is visible on every machine. NFS keeps what it knows of a folder this long (acdirmax)."""

LOOK_S = 0.5


def machine() -> str:
    """Return 8 hex digits that stand for this machine. A results folder that is shared shows no host name."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def files(artifact: Path) -> dict[str, Any]:
    """Return path -> size in bytes and sha256, for all files of an artifact that was just made. The hash takes a second per gigabyte."""
    return {
        path.relative_to(artifact).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(artifact.rglob("*"))
        if path.is_file()
    }


def read_bill(folder: Path, clock: Clock | None = None) -> dict[str, Any] | None:
    """Return what bill.json says of an artifact; None where it is not made. Raises DamagedError.

    clock: waits for a bill that is missing in a folder that is there; None does not wait.
    """
    path = folder / BILL
    if not (visible(path, clock=None) or (folder.is_dir() and visible(path, clock=clock))):
        if folder.is_dir():
            raise DamagedError(f"{path}: is missing")
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise DamagedError(f"{path}: is no JSON object")
    return found


def check(folder: Path, bill: Mapping[str, Any], *, contents: bool, clock: Clock | None = None) -> None:
    """Check the files of an artifact against its bill: their sizes and, with `contents`, their sha256. Raises DamagedError.

    A bill of an earlier version names no files, so nothing is checked. clock: waits for files that are not visible yet; None does not wait.
    """
    for name, expected in bill.get("files", {}).items():
        path = folder / ARTIFACT / name
        if not visible(path, clock=clock):
            raise DamagedError(f"{path}: is missing")
        if path.stat().st_size != expected["bytes"]:
            raise DamagedError(f"{path}: is damaged: it has {path.stat().st_size} bytes, expected {expected['bytes']}")
        if contents and sha256(path) != expected["sha256"]:
            raise DamagedError(f"{path}: is damaged: its sha256 is not that of {BILL}")


def put_aside(folder: Path) -> None:
    """Rename a damaged artifact, so that it can be made again. `bench store gc` removes it."""
    folder.rename(folder.with_name(f"{folder.name}{DAMAGED}-{secrets.token_hex(4)}"))


def visible(*paths: Path, clock: Clock | None) -> bool:
    """Return whether one of these files is there. They are opened, because a file system asks its server only then.

    clock: waits up to `VISIBLE_S` for a file that another machine has written; None does not wait.
    """
    until = clock.now() + VISIBLE_S if clock else 0.0
    while True:
        for path in paths:
            with suppress(FileNotFoundError, NotADirectoryError):
                path.open("rb").close()
                return True
        if clock is None or clock.now() >= until:
            return False
        clock.sleep(LOOK_S)
