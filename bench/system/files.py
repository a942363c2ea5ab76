"""Files and folders that are made once, whoever asks first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """`path`, after `make` has written it where it was not there yet: whole or not at all.

    Of two processes that want it one makes it, the other waits. One that is killed leaves a `.part`, which the next removes.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
            make(part)
            part.replace(path)
    return path
