"""Measures how long the process of an arm takes before its strategy starts: profilers and fingerprints, and data not read before.

Run as `python -m bench.forecast.start_up SUITE ARM RESULTS CACHE DEVICE`, which does this and nothing more.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contracts import no_progress
from bench.errors import BenchError
from bench.execution import known_paths, worker
from bench.executors.local import Local
from bench.suite import arms, suite_file

before_fork = worker.before_fork


def measure(suite: Path, arm_id: str, results: Path, cache: Path, device: str) -> dict[str, Any]:
    """Return {"seconds": ...}: the time from starting the process of an arm to its strategy.

    It is the second of two, as the first waits until all libraries are imported, once in a run. Raises BenchError where a process
    fails.
    """
    command = [sys.executable, "-P", "-m", "bench.forecast.start_up", str(suite), arm_id, str(results), str(cache), device]
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        logs = {name: Path(folder) / name for name in ("first", "second")}

        def ended(name: str, status: int) -> None:
            printed = logs[name].read_text(encoding="utf-8", errors="replace").strip().splitlines() or [f"exit status {status}"]
            if status:
                raise BenchError(printed[-1])
            try:
                ends.append(time.monotonic() if name == "first" else float(printed[-1]))
            except ValueError as error:
                raise BenchError(printed[-1]) from error

        Local(workers=1).run(dict.fromkeys(logs, command), logs, ended)
    begun, prepared = ends
    return {"seconds": prepared - begun}


def main(arguments: Sequence[str]) -> None:
    """Do what the process of an arm does before its strategy starts, and print the time when this is done."""
    suite_path, arm_id, results, cache, device = arguments
    suite = known_paths.known(suite_file.read(Path(suite_path)), Path(results), Path(cache))
    arm = next(arm for arm in arms.arms(suite) if arm.id == arm_id)
    worker.prepare_arm(suite, arm, Path(results), Path(cache), device, no_progress, {})
    importlib.import_module("bench.strategies._steps")  # strategies import torch only when they run
    print(time.monotonic())  # one clock for all processes


if __name__ == "__main__":
    main(sys.argv[1:])
