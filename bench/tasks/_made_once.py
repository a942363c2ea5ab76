"""Files and folders that are made once, whoever asks first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """`path`, which `make` has written: whole or not at all. Of two processes that want it, one makes it, the other waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            make(part)
            part.replace(path)
    return path
