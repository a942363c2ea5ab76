"""Python's garbage collector, kept away where it only takes time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def away() -> Iterator[None]:
    """So what is held does not hang on when it comes by, and a fifth of the time of pretended steps and of imports is saved."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
