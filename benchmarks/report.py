"""Measures the time and memory of a report of 10,000 arms.

    python -m benchmarks.report                   makes the arms in a temporary folder (a minute) and reports
    python -m benchmarks.report --folder DIR      makes them in DIR, or uses those that are there

The targets are 3 s to read ledgers and predictions, 5 s to report, and 1 GB. The arms are made up: 2 tasks, 5
budgets, 100 settings, 10 seeds, 100 test examples. A separate process writes each of `--times` reports. Other
programs load the machine too, so the fastest report counts. The exit status is 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts import Charge, Reading, Score
from bench.execution.ledger import LIMITED, SCHEMA
from bench.execution.record import Record
from bench.results.columns import old_fact_unit

READ_S, REPORT_S, BYTES = 3.0, 5.0, 1e9
"""Targets."""

TASKS, BUDGETS, STRATEGIES, SHARES, SEEDS, EXAMPLES = 2, (10.0, 20.0, 40.0, 80.0, 160.0), 10, 10, 10, 100
"""Numbers of each. The settings of a strategy are 10 label shares."""

LABEL_USD, HOUR_USD, SPEED = 0.1, 1.875, 1.87e9
"""Price of a label, price of an hour of the device, and FLOPs per second."""


@dataclass(frozen=True)
class Cell:
    """One arm."""

    task: str
    budget_usd: float
    strategy: str
    share: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.task}.{self.strategy}.{self.budget_usd:g}usd.seed{self.seed}.label_share={self.share:g}"


def cells() -> Iterator[Cell]:
    """Yield all arms."""
    tasks, strategies = [f"task {i}" for i in range(TASKS)], [f"strategy {i}" for i in range(STRATEGIES)]
    for task, usd, strategy, share, seed in itertools.product(tasks, BUDGETS, strategies, range(SHARES), range(SEEDS)):
        yield Cell(task, usd, strategy, share / 10, seed)


def make(folder: Path, arms: int | None = None) -> None:
    """Write the results of all arms, or of the first `arms` of them, to `folder`, like a run."""
    generator = np.random.default_rng(0)
    names = []
    for cell in itertools.islice(cells(), arms):
        names.append(cell.name)
        write_arm(folder / cell.name, cell, generator)
    prices = {"label_usd": LABEL_USD, "device_hour_usd": HOUR_USD, "meter": "flops", "device_flops_per_second": SPEED}
    pays = {"teacher_tuning": "purse", "student_training": "purse", "evaluation": "free"}
    about = {"suite": "many", "primary_metric": "rougeL", "start_labels": 100, "meter": "flops", "prices": prices, "pays": pays}
    (folder / "suite.json").write_text(json.dumps({**about, "arms": names}), encoding="utf-8")


def write_arm(folder: Path, cell: Cell, generator: np.random.Generator, **about: Any) -> None:
    """Write made-up results of one arm. `about` are fields of its record."""
    folder.mkdir(parents=True)
    labels = round(cell.share * cell.budget_usd / LABEL_USD)
    means = {"student": 20 + 2 * np.log(1 + labels) + generator.normal(), "teacher": 30.0, "floor: first words": 18.0}
    scores = {who: generator.normal(mean, 15, (2, EXAMPLES)).round(2) for who, mean in means.items()}
    rows = [*_charges(cell, labels), *_scores(scores), *_readings()]
    facts = {"labels_bought": labels, LIMITED: 1.0, "student_parameters": 6e7, "student_flops": 3e9, "student_ms": 20.0, "large_ms": 60.0}
    rows += [{"row": "fact", "name": name, "value": value, "unit": old_fact_unit(name)} for name, value in facts.items()]
    _lines(folder / "ledger.jsonl", [{"schema": SCHEMA, **row} for row in rows])
    _lines(folder / "predictions.jsonl", [_prediction(scores, i) for i in range(EXAMPLES)])
    (folder / "record.json").write_text(json.dumps(asdict(replace(_record(cell, facts), **about))), encoding="utf-8")


def _charges(cell: Cell, labels: int) -> list[dict[str, Any]]:
    flop_usd = HOUR_USD / 3600 / SPEED
    flops = (cell.budget_usd - labels * LABEL_USD) / flop_usd / 2
    bought = (
        [Charge(kind="labels", quantity=labels, unit="label", unit_price_usd=LABEL_USD, paid_by="purse", phase="labels")] if labels else []
    )
    for phase in ("teacher_tuning", "student_training"):
        bought.append(Charge(kind="compute", quantity=flops, unit="FLOP", unit_price_usd=flop_usd, paid_by="purse", phase=phase))
        bought.append(
            Charge(kind="compute", quantity=flops / SPEED, unit="s", unit_price_usd=HOUR_USD / 3600, paid_by="other meter", phase=phase)
        )
        bought.append(Charge(kind="compute", quantity=flops / 1e16, unit="kWh", unit_price_usd=0.0, paid_by="other meter", phase=phase))
    return [{"row": "charge", **asdict(charge), "usd": charge.usd} for charge in bought]


def _scores(scores: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        (who, Score(name, float(of.mean()), "points", "higher"))
        for who, both in scores.items()
        for name, of in zip(("rougeL", "rouge2"), both, strict=True)
    ]
    return [{"row": "score", "subject": who, **{k: v for k, v in asdict(score).items() if k != "per_example"}} for who, score in found]


def _readings() -> list[dict[str, Any]]:
    seen = [Reading("wall", 12.0, "s", "counter"), Reading("energy", 1e-4, "kWh", "modelled")]
    seen += [Reading("peak_rss", 2e9, "bytes", "polled"), Reading("gpu_energy", None, "kWh", "counter", reason="no GPU here")]
    phases = ("teacher_tuning", "student_training", "evaluation")
    return [{"row": "reading", "phase": phase, "shared": False, **asdict(reading)} for phase in phases for reading in seen]


def _prediction(scores: dict[str, Any], place: int) -> dict[str, Any]:
    each = {who: {"rougeL": float(both[0, place]), "rouge2": float(both[1, place])} for who, both in scores.items()}
    texts = {
        "source": f"Document {place}, of some length. " * 5,
        "reference": f"label {place}",
        "predictions": dict.fromkeys(scores, "an output"),
    }
    return {"id": f"e{place}", **texts, "scores": each}


def _record(cell: Cell, facts: dict[str, float]) -> Record:
    return Record(
        arm=cell.name,
        suite="many",
        task=cell.task,
        strategy=cell.strategy,
        use="distill",
        setting=f"label_share={cell.share:g}",
        settings={"label_share": cell.share},
        budget_usd=cell.budget_usd,
        seed=cell.seed,
        status="done",
        reason="",
        spent_usd=cell.budget_usd,
        facts=facts,
        data_fingerprint="f00",
        machine={"cpu": "made up", "gpus": []},
        started="2026-01-01T00:00:00+00:00",
        ended="2026-01-01T00:01:00+00:00",
        student="",
    )


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def timed(folder: Path) -> list[float]:
    """Read and report. Return the seconds of each, and the peak memory of this process in bytes."""
    from bench import report
    from bench.results import table

    began = time.monotonic()
    found = table.read(folder)
    read = time.monotonic()
    report.write(folder, read=found)
    return [read - began, time.monotonic() - read, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]


def measured(folder: Path) -> list[float]:
    """Return what `timed` returns in a process of its own."""
    as_bench_does = "from bench.system.processes import limit_numpy_threads; limit_numpy_threads()"
    call = f"print(json.dumps(timed(Path({str(folder)!r}))))"
    code = f"{as_bench_does}; import json; from pathlib import Path; from benchmarks.report import timed; {call}"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603
    return list(json.loads(ran.stdout))


def main() -> None:
    """Measure and print. Exit with 1 if the target is missed."""
    asked = argparse.ArgumentParser(description="10,000 arms: how long a report takes, and how much memory")
    asked.add_argument("--folder", type=Path, help="where the arms are, or are made")
    asked.add_argument("--times", type=int, default=3)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "many"
        if not (folder / "suite.json").exists():
            make(folder)
        runs = []
        for _ in range(given.times):
            runs.append(measured(folder))
            print("read in {:.1f} s, reported in {:.1f} s, peak {:,.0f} bytes".format(*runs[-1]), flush=True)
        page = (folder / "report.html").stat().st_size
    reading, reporting, _ = map(min, zip(*runs, strict=True))
    peak, arms = max(run[2] for run in runs), TASKS * len(BUDGETS) * STRATEGIES * SHARES * SEEDS
    print(f"{arms:,} arms: read in {reading:.1f} s (aim: under {READ_S:g}), reported in {reporting:.1f} s (under {REPORT_S:g}), ", end="")
    print(f"{peak / 1e6:,.0f} MB (under {BYTES / 1e6:,.0f}), report.html {page / 1e6:.1f} MB")
    sys.exit(1 if reading >= READ_S or reporting >= REPORT_S or peak >= BYTES else 0)


if __name__ == "__main__":
    main()
