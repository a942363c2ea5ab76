"""Measures how long the process of an arm takes before its strategy starts: imports, data and fingerprints.

Run as `python -m bench.forecast.start_up SUITE ARM RESULTS CACHE DEVICE`, which does this and nothing more.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.contracts import no_progress
from bench.errors import BenchError
from bench.execution import known_paths, worker
from bench.suite import arms, suite_file
from bench.system import processes


def measure(suite: Path, arm_id: str, results: Path, cache: Path, device: str) -> dict[str, Any]:
    """Return {"seconds": ...}: the time from starting the process of an arm to its strategy.

    Raises BenchError where the process fails.
    """
    begun = time.monotonic()
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "bench.forecast.start_up", str(suite), arm_id, str(results), str(cache), device],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **processes.ONE_THREAD},
    )
    if ran.returncode:
        raise BenchError((ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1])
    return {"seconds": time.monotonic() - begun}


def main(arguments: Sequence[str]) -> None:
    """Do what the process of an arm does before its strategy starts."""
    suite_path, arm_id, results, cache, device = arguments
    suite = known_paths.known(suite_file.read(Path(suite_path)), Path(results), Path(cache))
    arm = next(arm for arm in arms.arms(suite) if arm.id == arm_id)
    worker.prepare_arm(suite, arm, Path(results), Path(cache), device, no_progress, {})
    importlib.import_module("bench.strategies._steps")  # strategies import torch only when they run


if __name__ == "__main__":
    main(sys.argv[1:])
