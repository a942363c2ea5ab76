"""How an arm ended. The process that started the arm's process writes it last, by atomic replace."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from bench.errors import BenchError, OverBudget, Stop
from bench.execution import shared_folder
from bench.execution.ledger import LARGEST, SCHEMA
from bench.system import leases
from bench.system.files import write_json
from bench.system.one_line import first_fault
from bench.system.results_folder import OUTCOME, POSTPONED, PROGRESS, RECORD

Status = Literal["done", "infeasible", "skipped", "failed"]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


def status_of(error: Exception) -> Status:
    """Return the status of an arm that this error ended."""
    if isinstance(error, OverBudget):
        return "infeasible"
    return "skipped" if isinstance(error, Stop) else "failed"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the process of an arm ended. It is the content of outcome.json, from which the parent process
    writes the record."""

    status: Status
    reason: str = ""
    spent_usd: float = 0.0
    facts: dict[str, float] = field(default_factory=dict)
    data_fingerprint: str = ""
    inputs_fingerprint: str = ""
    metrics_fingerprint: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    student: str = ""
    started: str = ""
    duration_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """How an arm ended, and under which conditions."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    arm: str
    suite: str
    task: str
    strategy: str
    """The label in the suite."""
    use: str
    """The part behind the label."""
    setting: str
    """What distinguishes this arm from others of its strategy, such as 'label_share=0.5'. Empty where there
    is one setting."""
    settings: dict[str, Any]
    budget_usd: Annotated[float, Field(ge=0, le=LARGEST)]
    """0 for published results without dollars."""
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    status: Status
    reason: str
    spent_usd: Number | None
    """None where it is unknown, for example where only scores were published."""
    facts: dict[str, Number]
    data_fingerprint: str
    """Fingerprint of the task's splits."""
    machine: dict[str, Any]
    started: str
    ended: str
    student: str
    """Folder of the compact model, relative to the results folder; empty where there is none."""
    inputs_fingerprint: str = ""
    """Fingerprint of the checkpoints and texts that the arm uses. Empty where they were not available."""
    metrics_fingerprint: str = ""
    """Fingerprint of the folders that metrics read; empty where they read none, or one is missing."""
    duration_s: Annotated[float, Field(ge=0)] | None = None
    """Seconds in which the arm ran, by a clock that nobody sets. None where its process was killed, and in records before 2027."""
    schema: int = SCHEMA


_RECORD = TypeAdapter(Record)


def seal_arm(folder: Path, record: Record) -> None:
    """Write record.json, the last file of an arm, after what the folder holds only while the arm runs is removed.

    Runs that share the arms do so one at a time. Where another run has the arm at work, what shows its progress stays.
    """

    def refuse(_: leases.Lease) -> None:
        if not (folder / OUTCOME).exists():  # the arm is at work for another run, after its process was killed here
            raise shared_folder.AtWorkError

    with ExitStack() as held:
        with suppress(shared_folder.AtWorkError):
            held.enter_context(leases.hold(folder / shared_folder.ARM, refuse, renewed=False))
            remove_progress(folder)
        write_record(folder, record)


def remove_progress(folder: Path) -> None:
    """Remove what shows the progress of an arm."""
    for path in (folder / PROGRESS, folder / POSTPONED, *folder.glob(f"{PROGRESS}.*part")):  # a killed process leaves a part
        path.unlink(missing_ok=True)


def remove_lease(folder: Path) -> None:
    """Remove the lease of an arm that has its record, if a process left it that was killed."""
    leases.remove_left(folder / shared_folder.ARM)


def write_record(folder: Path, record: Record) -> None:
    """Write record.json alone."""
    write_json(folder / RECORD, asdict(record))


def read_record(folder: Path) -> Record | None:
    """Return the record of an arm that has ended, else None. Raises BenchError where it is damaged, or of
    another version."""
    path = folder / RECORD
    try:
        record = _RECORD.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValidationError as error:
        raise BenchError(f"{path}: cannot be read ({first_fault(error)}); remove its folder to run the arm again") from None
    if record.schema != SCHEMA:
        raise BenchError(f"{path}: of schema {record.schema}, this version reads {SCHEMA}; remove its folder to run the arm again")
    return record
