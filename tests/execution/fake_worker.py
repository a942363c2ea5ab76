"""Stand-ins for `Local.run` that start no process: one writes what an arm leaves, one does the real work of arms here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from bench.api import arms
from bench.cli import main
from bench.contracts import Charge, Fact, Reading, Score, no_progress
from bench.execution import worker
from bench.execution.ledger import Ledger
from bench.execution.purse import Purse
from bench.execution.record import Ending, Record, read_record
from bench.executors.local import Local
from bench.suite import arms as planning
from bench.suite import suite_file
from bench.suite.arms import Arm
from bench.system.files import write_json
from tests.report.arms import leave_plots_empty, write_predictions

SUITE = "suites/smoke.yaml"

Ended = Callable[[str, int], None]
Run = Callable[[Mapping[str, Sequence[str]], Mapping[str, Path], Ended], None]

FLOP_USD = 1e-9
STARTED = "2026-01-01T00:00:00+00:00"


def bench(*arguments: object) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@cache
def arms_of(suite: Path, *seeds: int) -> dict[str, Arm]:
    """Arm id -> arm, for the seeds of the suite or for others."""
    return {arm.id: arm for arm in planning.arms(suite_file.read(suite), seeds)}


def records(results: Path) -> dict[str, Record]:
    """Arm id -> record, of the arms of a results folder that have ended."""
    found = {path.name: read_record(path) for path in sorted(results.iterdir()) if (path / "record.json").exists()}
    return {name: record for name, record in found.items() if record}


def instead(patch: pytest.MonkeyPatch, run: Run) -> None:
    """Have `run` do what the executor of `bench run` does. Plots of the reports are empty files."""
    import_once()
    leave_plots_empty(patch)
    patch.setattr(Local, "run", lambda self, commands, logs, ended, gpu_bytes: run(commands, logs, ended))


@cache
def import_once() -> None:
    """Import here what preparing a suite imports. Every `bench run` prepares in a fork of this process, which would import it anew."""
    with TemporaryDirectory() as folder:
        where = Path(folder)
        options = arms.RunOptions(suite=Path(SUITE), device="cpu", parent=where / "results", cache=where / "cache")
        arms.prepared_or_error(options, lambda: nullcontext(no_progress))


def in_this_process(commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Ended) -> None:
    """Does the real work of every arm, one after the other."""
    for arm_id, command in commands.items():
        worker.main(command[-7:])
        ended(arm_id, 0)


def spend(arm: Arm, book: Ledger) -> Purse:
    """Writes the charges of an arm that buys five labels and trains with half of its budget."""
    purse = Purse(arm.budget_usd, book)
    purse.pay(Charge(kind="labels", quantity=5, unit="label", unit_price_usd=0.2, paid_by="purse", phase="labels"))
    purse.pay(
        Charge(
            kind="compute",
            quantity=arm.budget_usd / 2 / FLOP_USD,
            unit="FLOP",
            unit_price_usd=FLOP_USD,
            paid_by="purse",
            phase="student_training",
        )
    )
    purse.pay(Charge(kind="compute", quantity=60.0, unit="s", unit_price_usd=0.01, paid_by="other meter", phase="student_training"))
    purse.pay(Charge(kind="compute", quantity=1e9, unit="FLOP", unit_price_usd=FLOP_USD, paid_by="free", phase="evaluation"))
    return purse


def spent_usd(record: Record) -> float:
    """Dollars that the purse pays in `spend`."""
    return 1.0 + record.budget_usd / 2


def done(arm: Arm, results: Path) -> Ending:
    """The ending of an arm that trains a teacher and a student, and is scored on four documents."""
    folder, book = results / arm.id, Ledger(results / arm.id)
    purse, facts = spend(arm, book), {"labels_owned": 20.0, "labels_bought": 5.0, "student_parameters": 1000.0}
    scores = {
        subject: {"rouge2": [value] * 4} for subject, value in {"student": arm.budget_usd, "teacher": 20.0, "floor: lead": 0.5}.items()
    }
    for subject, found in scores.items():
        book.score(subject, Score("rouge2", found["rouge2"][0], "points", "higher"))
    book.reading("student_training", Reading("peak_memory", 2.0**20, "B", "counter"))
    for name, value in facts.items():
        book.fact(Fact(name=name, value=value))
    write_predictions(folder, scores)
    student, teacher = (results / "store" / "models" / name / "artifact" for name in (f"student-{arm.id}", f"teacher-{arm.cell.label}"))
    for made in (student, teacher):
        made.mkdir(parents=True, exist_ok=True)
        (made / "model.safetensors").write_bytes(b"weights")
    return Ending(
        status="done", reason="", spent_usd=purse.spent_usd, facts=facts, student=str(student.relative_to(results)), started=STARTED
    )


@dataclass
class Killed:
    """An arm that cannot say how it ended. log: what it wrote to its log."""

    exit_status: int
    log: str = ""


@dataclass
class FakeWorker:
    """Writes for each command what the process of an arm leaves.

    ends: gives how an arm ends; it may raise, as Ctrl-C does.
    """

    ends: Callable[[Arm, Path], Ending | Killed] = done
    started: list[str] = field(default_factory=list)
    """Arms, in the order in which they were started."""

    def run(self, commands: Mapping[str, Sequence[str]], logs: Mapping[str, Path], ended: Ended) -> None:
        for arm_id, command in commands.items():
            suite, named, seed, _, results, _, _ = command[-7:]
            assert named == arm_id
            self.started.append(arm_id)
            ended(arm_id, self._work(arms_of(Path(suite), int(seed))[arm_id], Path(results), logs[arm_id]))

    def _work(self, arm: Arm, results: Path, log: Path) -> int:
        log.parent.mkdir(parents=True, exist_ok=True)
        (results / arm.id / "progress.json").write_text('{"what": "training", "done": 1, "total": 2}')
        ending = self.ends(arm, results)
        if isinstance(ending, Killed):
            log.write_text(ending.log)
            return ending.exit_status
        write_json(results / arm.id / "outcome.json", asdict(ending))
        return 0
