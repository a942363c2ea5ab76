"""How this process gets memory from the system, and gives it back."""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt` in glibc."""

KEPT = 2**30
"""Most bytes of freed memory that stay with the process."""

REUSED = 2**25
"""Size of the largest block that is reused, in bytes. glibc accepts no larger one."""


def keep_freed() -> None:
    """Let the C library reuse the memory of tensors that are freed.

    glibc returns large blocks to the system at once. A training step on a CPU then spends 6 % of its time on fetching the same pages
    anew. Other C libraries are left as they are.
    """
    with suppress(OSError, TypeError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(MMAP_THRESHOLD, REUSED)
        library.mallopt(TRIM_THRESHOLD, KEPT)


def give_back_freed() -> None:
    """Return memory that is not in use to the system, so that it does not count as resident."""
    with suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
