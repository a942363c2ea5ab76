"""Measures the seconds of everything that is neither training nor generation, and what instruments take. Prints JSON.

    python -m benchmarks.quick           commands, a report of 10,000 arms, instruments, five times each; five minutes
    python -m benchmarks.quick --tiny    two commands, a report of 20 arms, and a small model, once each, for the tests

Commands run in processes of their own, as they do for a user. The first round is not counted: it fills the caches of the operating
system. The results of finished suites are made up, so that nothing has to be trained.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.contracts import no_progress
from bench.execution import prepare
from bench.execution.job import inputs_fingerprint, metrics_fingerprint
from bench.system import home
from benchmarks import report
from benchmarks.pairs import ROUNDS, write

SMOKE, PEGASUS = Path("suites/smoke.yaml"), Path("suites/pegasus.yaml")

HELP_S, CHECK_S, FINISHED_S = 0.3, 1.0, 3.0
"""Marks of `bench --help`, `bench check`, and `bench run` where every arm has ended."""

INSTRUMENTS_PERCENT = 1.0
"""Mark: share of a training step that its instruments may take."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How much time a piece of work takes."""

    PLACE: ClassVar[str] = "seconds"
    """Name of its table in docs/performance.md, and in ratios.json."""
    HEAD: ClassVar[tuple[str, ...]] = ("work", "median", "spread", "mark")

    work: str
    median: float
    lowest: float
    highest: float
    rounds: int
    mark: float
    """The largest median that is good enough."""
    unit: str = "s"

    @property
    def reached(self) -> bool:
        """Whether the mark is reached."""
        return self.median < self.mark

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its line in the table."""
        spread = f"{self.lowest:.2f} to {self.highest:.2f}"
        return self.work, f"{self.median:.2f} {self.unit}", spread, f"{self.mark:g} ({'reached' if self.reached else 'missed'})"


def timing(work: str, values: Sequence[float], mark: float, unit: str = "s") -> Timing:
    """Return the summary of the values of all rounds."""
    median = statistics.median(values)
    return Timing(work=work, median=median, lowest=min(values), highest=max(values), rounds=len(values), mark=mark, unit=unit)


def of_command(arguments: Sequence[str], rounds: int) -> list[float]:
    """Return the seconds of a command of bench in each round."""
    seconds = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bench", *arguments], check=True, capture_output=True)  # noqa: S603
        seconds.append(time.perf_counter() - begun)
    return seconds[1:]


def finish(suite: Path, results: Path, cache: Path) -> int:
    """Write made-up results of every arm of a suite, with its true fingerprints. Return the number of arms."""
    prepared = prepare.load(suite, results=results, cache=cache, device="cpu", only=None, progress=no_progress)
    metrics, generator = metrics_fingerprint(prepared.suite, cache, no_progress), np.random.default_rng(0)
    for arm in prepared.arms:
        share = float(arm.settings.get("label_share") or 0.0)
        report.write_arm(
            prepared.results / arm.id,
            report.Cell(arm.task_label, arm.budget_usd, arm.cell.label, share, arm.seed),
            generator,
            arm=arm.id,
            suite=prepared.suite.spec.suite,
            use=prepared.suite.spec.strategies[arm.cell.label].use,
            setting=arm.cell.setting,
            settings=arm.settings,
            data_fingerprint=prepared.splits[arm.task_label].fingerprint,
            metrics_fingerprint=metrics,
            inputs_fingerprint=inputs_fingerprint(prepared.suite, arm, cache, no_progress),
        )
    return len(prepared.arms)


def run_again(suite: Path, cache: Path, rounds: int) -> Timing:
    """Measure `bench run` of a finished suite. Exits with an error where it runs an arm."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        arms = finish(suite, results, cache)
        seconds = of_command(["run", str(suite), "--results", folder, "--cache", str(cache)], rounds)
        if ran := [path.parent.name for path in results.glob("*/*/worker.log")]:
            raise SystemExit(f"{suite}: {', '.join(ran)} ran again")
        return timing(f"`bench run {suite}`, all {arms} arms ended", seconds, FINISHED_S)


def of_results(arms: int | None, rounds: int) -> list[Timing]:
    """Measure how many seconds it takes to read and to report the results of `arms` arms, by default of 10,000."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "many"
        report.make(folder, arms)
        count = f"{sum(path.is_dir() for path in folder.iterdir()):,} arms"
        reading, reporting, _ = zip(*[report.measured(folder) for _ in range(rounds + 1)][1:], strict=True)
    return [
        timing(f"results of {count} read", reading, report.READ_S),
        timing(f"results of {count} reported, after they are read", reporting, report.REPORT_S),
    ]


def of_instruments(tiny: bool, rounds: int) -> list[Timing]:
    """Measure the percentage of a training step that its instruments take, by the meter that is paid by."""
    from benchmarks import instruments

    found = instruments.shares(tiny, rounds)
    return [
        timing(f"instruments of a training step, paid by {meter}", [100 * share for share in shares], INSTRUMENTS_PERCENT, "%")
        for meter, shares in found.items()
    ]


def main() -> None:
    """Print all timings as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--cache", type=Path, default=home.cache_folder())
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rounds, cache = 1 if asked.tiny else ROUNDS, asked.cache.absolute()
    found = [
        timing("`bench --help`", of_command(["--help"], rounds), HELP_S),
        timing(f"`bench check {SMOKE}`", of_command(["check", str(SMOKE)], rounds), CHECK_S),
        *(run_again(suite, cache, rounds) for suite in ([SMOKE] if asked.tiny else [SMOKE, PEGASUS])),
        *of_results(20 if asked.tiny else None, rounds),
        *of_instruments(asked.tiny, rounds),
    ]
    write(found, asked.out)


if __name__ == "__main__":
    main()
