"""How Ctrl-C and SIGTERM stop a command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STOPPED = 130
"""Exit status of a command that a signal stopped."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first SIGINT or SIGTERM inside the block, and end the process at the second.

    This holds also for a background job of a shell, for which the shell has SIGINT ignored. Threads other than the main one cannot
    receive signals; there the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(*_: object) -> None:
    for number in SIGNALS:
        signal.signal(number, _end)
    raise KeyboardInterrupt


def _end(*_: object) -> None:
    os._exit(STOPPED)
