"""Memory that the C library keeps after it is freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back_freed() -> None:
    """Return memory that is not in use to the system. glibc keeps what is freed, after a training up to a gigabyte. Other C libraries are
    left as they are."""
    with suppress(OSError, TypeError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
