"""A home folder and a cache folder, also for a user who has none, as in many containers."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

HERE = Path(".cache") / "bench"
"""Cache folder under the current folder, where the home folder cannot be written."""


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder for `~`. An unknown user, as in `~nobody/x`, is left as written."""
    return Path(os.path.expanduser(path))


def cache_folder() -> Path:
    """Return `bench` under XDG_CACHE_HOME or ~/.cache if it can be written or made, else HERE."""
    try:
        wanted = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bench"
    except RuntimeError:  # no HOME, and no account
        return HERE
    there = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
    return wanted if os.access(there, os.W_OK | os.X_OK) else HERE


def provide_home() -> None:
    """Give a user without an account a name and a home folder, for this process and its children.

    Libraries ask for both when they are imported. Without a home folder some create a folder named `~`.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")
        if "HOME" not in os.environ:
            os.environ["HOME"] = str((cache_folder() / "home").absolute())
