"""A folder that is made whole, once, whoever asks first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, after `make` has filled it where it was not there yet.

    Two processes that want it: one makes, one waits. One that is killed leaves a `.part` folder, which the next removes.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.exists():
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            os.replace(part, folder)
    return folder
