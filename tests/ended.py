"""Whether a process that a test started has ended."""

from __future__ import annotations

import psutil


def has_ended(pid: int) -> bool:
    """Wait up to a minute for a process to end, and return whether it has."""
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return True
    return not psutil.wait_procs([process], timeout=60)[1]
