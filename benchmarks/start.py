"""Measures the start of an arm: the time from its executor to its strategy. Prints JSON.

    python -m benchmarks.start                                 smoke and pegasus, five times each; two minutes
    python -m benchmarks.start suites/smoke.yaml --times 9

An arm starts as a fork of a process that has imported its libraries, or as a process of its own, in turn. Everything that the
strategy needs is ready at the end: data, profilers and fingerprints. Models and tokenizers are loaded later.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.contracts import no_progress
from bench.execution import prepare
from bench.executors.local import Local
from bench.system import home
from benchmarks.pairs import ROUNDS, Ratio, compared, write

SUITES = ("suites/smoke.yaml", "suites/pegasus.yaml")

PYTHON = {
    "fork": [sys.executable, "-P", "-m"],
    "own process": [sys.executable, "-P", "-B", "-m"],  # a command that the executor does not fork
}
"""Way to start -> how its command begins."""

MOST_S = 1.0
"""Seconds that a start may take."""

IMPORTS = "fork, imports included"
"""The first start of a run, which waits for the imports."""


def measured(suite: Path, times: int, cache: Path, device: str) -> dict[str, list[float]]:
    """Return way to start -> seconds of each start, in order."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        prepared = prepare.load(suite, results=results, cache=cache, device=device, only=None, progress=no_progress).on_device()
        prepare.fetch(prepared, no_progress)
        arguments = [str(suite), prepared.arms[0].id, str(prepared.results), str(cache), prepared.device]
        ways = [IMPORTS, *[way for _ in range(times) for way in PYTHON]]
        commands = {
            f"{i} {way}": [*PYTHON["fork" if way == IMPORTS else way], "bench.forecast.start_up", *arguments] for i, way in enumerate(ways)
        }
        logs = {name: results / f"{name}.log" for name in commands}
        seconds = defaultdict[str, list[float]](list)
        begun = time.monotonic()

        def ended(name: str, status: int) -> None:
            nonlocal begun
            printed = logs[name].read_text(encoding="utf-8").strip()
            if status:
                raise SystemExit(printed or f"exit status {status}")
            seconds[name.partition(" ")[2]].append(float(printed.splitlines()[-1]) - begun)
            begun = time.monotonic()

        Local(workers=1).run(commands, logs, ended)
        return seconds


def ratio(suite: Path, seconds: dict[str, list[float]]) -> Ratio:
    """Return how much faster a fork starts. The mark is one second."""
    fork, own_process = PYTHON
    median, own = statistics.median(seconds[fork]), statistics.median(seconds[own_process])
    work = f"start of an arm of {suite.stem}: {median:.2f} s, {max(seconds[fork]):.2f} s at most, against {own:.1f} s"
    same = f"{seconds[IMPORTS][0]:.1f} s before the first one of a run"
    return compared(seconds, work, fork, own_process, mark=own / MOST_S, same=same)


def main() -> None:
    """Print the ratios of all suites."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", type=Path, default=[Path(suite) for suite in SUITES])
    parser.add_argument("--times", type=int, default=ROUNDS)
    parser.add_argument("--cache", type=Path, default=home.cache_folder())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = [ratio(suite, measured(suite, asked.times, asked.cache.absolute(), asked.device)) for suite in asked.suites]
    write(found, asked.out)


if __name__ == "__main__":
    main()
