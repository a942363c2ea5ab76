"""Stops the process of an arm that makes no progress.

    folder/worker.log       the process's output, given by the executor
    folder/progress.json    the current step
    folder/ledger.jsonl     charges and scores

A process makes progress when one of these files changes. An arm whose step begins with 'waiting' is left alone: the process that
it waits for has a watchdog of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.system import files
from bench.system.results_folder import LEDGER, PROGRESS

STALLED = 124
"""Exit status of a process that a watchdog stopped. The last line of its log says why. `timeout` of the shell uses this number too."""

LOOKS = 20
"""Looks in a row at unchanged files after which a process is stopped. A suspended machine counts as one look, however long it slept."""

POLL_S = 1.0
"""Seconds between two calls of `Watchdog.look` by `watched`."""


class Watchdog:
    """Looks at the files of one process, and stops it where none has changed for `minutes`."""

    def __init__(self, pid: int, log: Path, minutes: float) -> None:
        """minutes: 0 never stops the process."""
        self._pid, self._log, self._minutes = pid, log, minutes
        self._next, self._unchanged = 0.0, 0
        self._seen: list[str] = []
        self._reason = ""

    def look(self, now: float) -> None:
        """Look at the files, at most `LOOKS` times in `minutes`. `now` is in seconds, of any clock that never goes back.

        The process gets SIGTERM, and SIGKILL at the next look.
        """
        if not self._minutes or now < self._next:
            return
        self._next = now + 60 * self._minutes / LOOKS
        if self._reason:
            os.kill(self._pid, signal.SIGKILL)
            return
        step = _step(self._log.parent)
        try:
            seen = [files.state(path) for path in (self._log, *(self._log.parent / name for name in (PROGRESS, LEDGER)))]
        except OSError:  # the file system gives no answer: this look does not count
            return
        if seen != self._seen or str(step.get("what")).startswith("waiting"):
            self._seen, self._unchanged = seen, 0
            return
        self._unchanged += 1
        if self._unchanged == LOOKS:
            self._reason = f"stopped: no progress for {self._minutes:g} minutes" + _described(step)
            os.kill(self._pid, signal.SIGTERM)

    def status(self, exit_status: int) -> int:
        """Return the exit status of the process, which has ended, or STALLED if it was stopped here. Its log then gets a last line."""
        if not self._reason:
            return exit_status
        with suppress(OSError), self._log.open("a", encoding="utf-8") as log:  # the disk may be full
            log.write(f"\n{self._reason}\n")
        return STALLED


def watched(process: subprocess.Popen[bytes], log: Path, minutes: float) -> int:
    """Wait for the end of a process that a watchdog watches, and return its exit status. log, minutes: see `Watchdog`."""
    watchdog = Watchdog(process.pid, log, minutes)
    while True:
        with suppress(subprocess.TimeoutExpired):
            return watchdog.status(process.wait(POLL_S))
        watchdog.look(time.monotonic())


def _step(folder: Path) -> dict[str, Any]:
    """Return the content of progress.json; {} where there is none that can be read."""
    try:
        step = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return step if isinstance(step, dict) else {}


def _described(step: dict[str, Any]) -> str:
    """Return ' at: training, 3 of 10' for a step, and '' for none."""
    what, done, total = (step.get(name) for name in ("what", "done", "total"))
    if not what:
        return ""
    return f" at: {what}" + (f", {done} of {total}" if total else "")
