"""Stage 3: runs arms in fresh processes.

It skips arms that have a record, contains failures, and writes a record for every arm, even for one that was
killed.

results/<suite>/suite.yaml, suite.json      the question, as it was asked
results/<suite>/<arm>/...                   one folder per arm; record.json is written last
results/<suite>/store/...                   artifacts, shared by the arms
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from bench import registry
from bench.contracts import Executor, Part, Progress, no_progress
from bench.errors import BenchError
from bench.execution import known_paths, ledger
from bench.execution.job import inputs_fingerprint, metrics_fingerprint
from bench.execution.prepare import Fetched
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import POSTPONED, Ending, Record, read_record, write_record
from bench.suite import arms as planning
from bench.suite.arms import Arm
from bench.system.files import exclusive_lock, write_json
from bench.system.watchdog import STALLED


class Screen(Protocol):
    """Receives events while a suite runs. `sealed` holds the arms that have a record."""

    def planned(self, folder: Path, arms: Sequence[Arm], sealed: Mapping[str, Record]) -> None: ...

    def ended(self, record: Record) -> None: ...


def run(
    prepared: PreparedSuite,
    executor: Executor,
    screen: Screen,
    *,
    retry: bool,
    fetched: Fetched | None = None,
    question: Mapping[str, Any] = MappingProxyType({}),
) -> list[Record]:
    """Bring every arm to its record, and return all records in the order of the arms.

    An arm that has a record does not run again, unless its data changed, or it failed and `retry` is set.
    `fetched` holds the layers of compact models and the warnings, for the report; None keeps those that an
    earlier run wrote. `question` holds entries of suite.json that replace those of the suite. Raises BenchError
    where another process runs in the same folder.
    """
    with _run_lock(prepared.results):
        _describe(prepared, fetched, question)
        return _run(prepared, executor, screen, retry)


def describe(prepared: PreparedSuite, fetched: Fetched | None, question: Mapping[str, Any]) -> None:
    """Write what `run` writes of the suite, and run no arm."""
    with _run_lock(prepared.results):
        _describe(prepared, fetched, question)


def _describe(prepared: PreparedSuite, fetched: Fetched | None, question: Mapping[str, Any]) -> None:
    results = prepared.results
    found = _fetched_before(results) if fetched is None else fetched
    (results / "suite.yaml").write_text(prepared.suite.text, encoding="utf-8")
    known_paths.remember(prepared.suite, results, prepared.cache)
    write_json(results / "suite.json", {**_question(prepared, found), **question})


def _fetched_before(results: Path) -> Fetched:
    path = results / "suite.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Fetched(layers=tuple(before.get("layers", ())), warnings=tuple(before.get("warnings", ())))


def _run(prepared: PreparedSuite, executor: Executor, screen: Screen, retry: bool) -> list[Record]:
    results = prepared.results
    seal = _Sealer(prepared, screen)
    sealed = {arm_id: record for arm_id, record in kept(prepared, retry).items() if record}
    screen.planned(results, prepared.arms, sealed)
    open_ = [arm for arm in prepared.arms if arm.id not in sealed]
    for arm in open_:
        _clear(results / arm.id)
    worker = [sys.executable, "-P", "-m", "bench.execution.worker"]  # -P: do not import from the current folder
    places = [str(results), str(prepared.cache), prepared.device]
    minutes = str(prepared.checkpoint_minutes)
    executor.run(
        {arm.id: [*worker, str(results / "suite.yaml"), arm.id, str(arm.seed), minutes, *places] for arm in open_},
        {arm.id: results / arm.id / "worker.log" for arm in open_},
        seal,
    )
    return [record for arm in prepared.arms if (record := read_record(results / arm.id))]


def kept(prepared: PreparedSuite, retry: bool, progress: Progress = no_progress) -> dict[str, Record | None]:
    """Map each arm id to its record, or to None where the arm has to run.

    A record counts while the arm's data, checkpoints, texts and metrics are unchanged. With `retry`, the
    record of a failed arm does not count.
    """
    seen: dict[tuple[Part, ...], str] = {}
    metrics = metrics_fingerprint(prepared.suite, prepared.cache, progress)

    def inputs(arm: Arm) -> str:
        uses = tuple(part for _, _, part in planning.named(prepared.suite, arm.cell.strategy))
        if uses not in seen:
            seen[uses] = _inputs(prepared, arm, progress)
        return seen[uses]

    def record(arm: Arm) -> Record | None:
        found = read_record(prepared.results / arm.id)
        if found is None or (retry and found.status == "failed"):
            return None
        data = _unchanged(found.data_fingerprint, prepared.splits[arm.task_label].fingerprint)
        same = data and _unchanged(found.metrics_fingerprint, metrics) and _unchanged(found.inputs_fingerprint, inputs(arm))
        return found if same else None

    return {arm.id: record(arm) for arm in prepared.arms}


def _unchanged(before: str, now: str) -> bool:
    """Return whether two fingerprints are equal. An empty one is unknown, and does not count as a change."""
    return before == now or not before or not now


def _inputs(prepared: PreparedSuite, arm: Arm, progress: Progress) -> str:
    """Return the fingerprint of an arm's checkpoints and texts; '' where one is missing now and no change can
    be detected."""
    try:
        return inputs_fingerprint(prepared.suite, arm, prepared.cache, progress)
    except BenchError:
        return ""


def _clear(folder: Path) -> None:
    """Remove the outcome of an earlier attempt. Its ledger stays beside the new one."""
    ledger.keep_aside(folder)
    for name in ("record.json", "outcome.json", "progress.json", POSTPONED):
        (folder / name).unlink(missing_ok=True)


def _question(prepared: PreparedSuite, fetched: Fetched) -> dict[str, Any]:
    """Return what a report needs of the suite, so that the report builds no parts."""
    suite, spec = prepared.suite, prepared.suite.spec
    same = spec.model_dump(mode="json", include={"suite", "question", "start_labels", "budgets_usd", "seeds", "pays", "compact"})
    return {
        **same,
        "path": str(suite.path),
        "prices": spec.prices.model_dump(mode="json", exclude_none=True),
        "price_sources": {
            field: {"value": value, "source": price.described}
            for _, price in spec.prices.named()
            for field, value in price.settings.items()
            if getattr(spec.prices, field) == value
        },
        "primary_metric": spec.rank_by,
        "meter": spec.prices.meter,
        "large": suite.large.title,
        "models": {label: model.title for label, model in suite.models.items()},
        "texts": {label: _described(text) for label, text in suite.texts.items()},
        "layers": list(fetched.layers),
        "warnings": list(fetched.warnings),
        "sunk": f"The making of {suite.large.title} is sunk cost, charged to nobody.",
        "lead": {label: next(iter(task.trivial_rules(())), "") for label, task in suite.tasks.items()},
        "notes": {label: list(found.notes) for label, found in prepared.splits.items()},
        "label_usd": {label: spec.prices.label_usd if task.label_usd is None else task.label_usd for label, task in suite.tasks.items()},
        "arms": [arm.id for arm in planning.arms(suite)],
    }


def _described(part: Part) -> str:
    """Return a part and its settings in one line: 'files: path=..., column=...'."""
    settings = part.model_dump(mode="json", exclude_none=True)
    return f"{registry.name_of(part)}: " + ", ".join(f"{name}={value}" for name, value in settings.items())


@dataclass
class _Sealer:
    """Writes the record of an arm when its process ends, from its outcome.json or from its exit status."""

    prepared: PreparedSuite
    screen: Screen

    def __post_init__(self) -> None:
        self._began = _now()
        self._arms = {arm.id: arm for arm in self.prepared.arms}

    def __call__(self, arm_id: str, exit_status: int) -> None:
        folder = self.prepared.results / arm_id
        record = self._record(self._arms[arm_id], _ending(folder, exit_status))
        write_record(folder, record)
        for name in ("progress.json", POSTPONED):
            (folder / name).unlink(missing_ok=True)
        self.screen.ended(record)

    def _record(self, arm: Arm, ending: Ending) -> Record:
        return Record(
            arm=arm.id,
            suite=self.prepared.suite.spec.suite,
            task=arm.task_label,
            strategy=arm.cell.label,
            use=self.prepared.suite.spec.strategies[arm.cell.label].use,
            setting=arm.cell.setting,
            settings=arm.settings,
            budget_usd=arm.budget_usd,
            seed=arm.seed,
            ended=_now(),
            **{**asdict(ending), "started": ending.started or self._began},
        )


def _ending(folder: Path, exit_status: int) -> Ending:
    """Return how the process of an arm ended: from outcome.json, or where that is missing from its exit
    status and ledger."""
    path = folder / "outcome.json"
    if path.exists():
        return Ending(**json.loads(path.read_text(encoding="utf-8")))
    reason, spent = _how_it_died(folder, exit_status), 0.0
    try:
        spent = sum(row["usd"] for row in ledger.rows(folder) if row["row"] == "charge" and row["paid_by"] == "purse")
    except BenchError as error:
        reason += f"; {error}"
    return Ending(status="failed", reason=reason, spent_usd=round(spent, 9))


def _how_it_died(folder: Path, exit_status: int) -> str:
    if exit_status < 0:
        name = signal.Signals(-exit_status).name
        return f"killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
    log = folder / "worker.log"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return last[0] if exit_status == STALLED and last else f"ended with status {exit_status}" + "".join(f": {line}" for line in last)


def clean(results: Path) -> int:
    """Remove artifacts that are not an arm's compact model: teachers, pseudo-labels, conversions, predictions, and
    training checkpoints. Return the bytes freed.

    Ledgers and records stay. An arm that runs later and needs such an artifact makes it again. Raises
    BenchError where a run is at work, or the folder holds no results.
    """
    if not (results / "suite.json").exists():
        raise BenchError(f"{results}: holds no results")
    with _run_lock(results):
        kept = {record.student for path in results.iterdir() if (record := read_record(path))}
        freed = 0
        for made in (results / "store").glob("*/*"):
            if made.is_dir() and str((made / "artifact").relative_to(results)) not in kept:
                freed += sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
                shutil.rmtree(made)
        return freed


def _run_lock(results: Path) -> AbstractContextManager[None]:
    """Lock a results folder for one `bench run` or `bench clean`. Raises BenchError if another process holds the lock."""

    def refuse() -> None:
        raise BenchError(f"another bench run is at work in {results}")

    return exclusive_lock(results / "run.lock", refuse)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
