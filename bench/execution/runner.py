"""Stage 3: arms -> fresh processes. Skips what is sealed, contains failures, seals every arm, also one that was killed.

results/<suite>/suite.yaml, suite.json      the question, as it was asked
results/<suite>/<arm>/...                   one folder an arm; record.json last
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
from typing import Any, Protocol

from bench.contracts import Executor, Part, Progress, Splits, no_progress
from bench.errors import BenchError, DataError
from bench.execution import ledger
from bench.execution.job import inputs_fingerprint, store_of
from bench.execution.ledger import Ending, Record
from bench.execution.store import Store
from bench.suite import arms as planning
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.system import machine
from bench.system.files import exclusive_lock, write_json


class Screen(Protocol):
    """Told what happens while a suite runs."""

    def planned(self, folder: Path, arms: Sequence[Arm], sealed: Mapping[str, Record]) -> None: ...

    def ended(self, record: Record) -> None: ...


@dataclass(frozen=True)
class Where:
    """Places of one run. results: the suite's own folder."""

    results: Path
    cache: Path
    device: str = "auto"


def data(suite: Suite, cache: Path, progress: Progress) -> dict[str, Splits]:
    """The data of every task, read once before anything is spent. Raises DataError."""
    found = {label: task.splits(cache, progress) for label, task in suite.tasks.items()}
    for label, splits in found.items():
        if not splits.test:
            raise DataError(f"task '{label}' has no test examples")
        if len(splits.train) < suite.spec.start_labels:
            raise DataError(f"task '{label}' holds {len(splits.train)} labels to train on, start_labels asks for {suite.spec.start_labels}")
    return found


def run(
    suite: Suite,
    arms: Sequence[Arm],
    splits: Mapping[str, Splits],
    where: Where,
    executor: Executor,
    screen: Screen,
    retry: bool,
    layers: Sequence[str] | None = None,
) -> list[Record]:
    """Bring every arm to its record; all records, in the order of `arms`.

    An arm that is sealed is left alone, unless its data changed, or it failed and `retry` is set.
    layers: those that compact models keep, for the report; None: as it was written down before.
    Raises BenchError where another process runs in the same folder.
    """
    with _run_lock(where.results):
        if layers is None:
            layers = _layers_before(where.results)
        (where.results / "suite.yaml").write_text(suite.text, encoding="utf-8")
        write_json(where.results / "suite.json", _question(suite, splits, layers))
        return _run(suite, arms, splits, where, executor, screen, retry)


def _layers_before(results: Path) -> list[str]:
    path = results / "suite.json"
    return list(json.loads(path.read_text(encoding="utf-8")).get("layers", [])) if path.exists() else []


def _run(
    suite: Suite, arms: Sequence[Arm], splits: Mapping[str, Splits], where: Where, executor: Executor, screen: Screen, retry: bool
) -> list[Record]:
    seal = _Sealer(suite, {arm.id: arm for arm in arms}, where.results, screen)
    sealed = {arm_id: record for arm_id, record in kept(suite, arms, splits, where, retry).items() if record}
    screen.planned(where.results, arms, sealed)
    open_ = [arm.id for arm in arms if arm.id not in sealed]
    for arm_id in open_:
        _clear(where.results / arm_id)
    command = [sys.executable, "-P", "-m", "bench.execution.worker", str(where.results / "suite.yaml")]  # -P: not from the current folder
    executor.run(
        {arm_id: [*command, arm_id, str(where.results), str(where.cache), where.device] for arm_id in open_},
        {arm_id: where.results / arm_id / "worker.log" for arm_id in open_},
        seal,
    )
    return [record for arm in arms if (record := ledger.sealed(where.results / arm.id))]


def kept(suite: Suite, arms: Sequence[Arm], splits: Mapping[str, Splits], where: Where, retry: bool) -> dict[str, Record | None]:
    """Arm id -> the record of an arm that need not run again, else None: its data, checkpoints and texts are what they were."""
    seen: dict[tuple[Part, ...], str] = {}

    def inputs(arm: Arm) -> str:
        uses = tuple(part for _, _, part in planning.named(suite, arm.cell.strategy))
        if uses not in seen:
            seen[uses] = _inputs(suite, arm, where.cache)
        return seen[uses]

    def record(arm: Arm) -> Record | None:
        found = ledger.sealed(where.results / arm.id)
        if found is None or (retry and found.status == "failed"):
            return None
        same = found.data_fingerprint in ("", splits[arm.task_label].fingerprint)
        return found if same and found.inputs_fingerprint in ("", inputs(arm) or found.inputs_fingerprint) else None

    return {arm.id: record(arm) for arm in arms}


def made(suite: Suite, where: Where, progress: Progress, arm: Arm) -> Store | None:
    """Where what an arm had made is kept; None before the first run."""
    if not (where.results / "store").exists():
        return None
    return store_of(suite, arm, where.results, where.cache, machine.device(where.device), progress)


def _inputs(suite: Suite, arm: Arm, cache: Path) -> str:
    """'' where a checkpoint or text is not at hand any more: then nothing says that it changed."""
    try:
        return inputs_fingerprint(suite, arm, cache, no_progress)
    except BenchError:
        return ""


def _clear(folder: Path) -> None:
    """Forget how an earlier attempt ended; its ledger stays beside the new one."""
    ledger.keep_aside(folder)
    for name in ("record.json", "outcome.json", "progress.json"):
        (folder / name).unlink(missing_ok=True)


def _question(suite: Suite, splits: Mapping[str, Splits], layers: Sequence[str]) -> dict[str, Any]:
    """What a report needs to know of the suite, so that it need not build parts."""
    spec = suite.spec
    same = spec.model_dump(mode="json", include={"suite", "question", "start_labels", "budgets_usd", "seeds", "pays", "prices", "compact"})
    return {
        **same,
        "primary_metric": spec.rank_by,
        "meter": spec.prices.meter,
        "large": suite.large.title,
        "models": {label: model.title for label, model in suite.models.items()},
        "texts": {label: _described(text) for label, text in suite.texts.items()},
        "layers": list(layers),
        "sunk": f"The making of {suite.large.title} is sunk cost, charged to nobody.",
        "lead": {label: next(iter(task.trivial_rules(())), "") for label, task in suite.tasks.items()},
        "notes": {label: list(found.notes) for label, found in splits.items()},
        "label_usd": {label: spec.prices.label_usd if task.label_usd is None else task.label_usd for label, task in suite.tasks.items()},
        "arms": [arm.id for arm in planning.arms(suite)],
    }


def _described(part: Part) -> str:
    """'files: path=..., column=...': a part and its settings in a line."""
    described = planning.describe(part)
    return f"{described['use']}: " + ", ".join(f"{name}={value}" for name, value in described["with"].items())


@dataclass
class _Sealer:
    """Called as each process ends: writes the record from what the process said, or from how it died."""

    suite: Suite
    arms: Mapping[str, Arm]
    results: Path
    screen: Screen

    def __post_init__(self) -> None:
        self._began = _now()

    def __call__(self, arm_id: str, exit_status: int) -> None:
        folder = self.results / arm_id
        record = self._record(self.arms[arm_id], _ending(folder, exit_status))
        ledger.seal(folder, record)
        (folder / "progress.json").unlink(missing_ok=True)
        self.screen.ended(record)

    def _record(self, arm: Arm, ending: Ending) -> Record:
        return Record(
            arm=arm.id,
            suite=self.suite.spec.suite,
            task=arm.task_label,
            strategy=arm.cell.label,
            use=self.suite.spec.strategies[arm.cell.label].use,
            setting=arm.cell.setting,
            settings=arm.settings,
            budget_usd=arm.budget_usd,
            seed=arm.seed,
            ended=_now(),
            **{**asdict(ending), "started": ending.started or self._began},
        )


def _ending(folder: Path, exit_status: int) -> Ending:
    """What the process of an arm said of its end, or what can be told of one that could not say it."""
    path = folder / "outcome.json"
    if path.exists():
        return Ending(**json.loads(path.read_text(encoding="utf-8")))
    reason, spent = _how_it_died(folder, exit_status), 0.0
    try:
        spent = sum(row["usd"] for row in ledger.rows(folder) if row["row"] == "charge" and row["paid_by"] == "purse")
    except BenchError as error:
        reason += f"; {error}"
    return Ending("failed", reason, round(spent, 9))


def _how_it_died(folder: Path, exit_status: int) -> str:
    if exit_status < 0:
        name = signal.Signals(-exit_status).name
        return f"killed by {name}" + (", perhaps out of memory" if name == "SIGKILL" else "")
    log = folder / "worker.log"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return f"ended with status {exit_status}" + (f": {last[0]}" if last else "")


def clean(results: Path) -> int:
    """Remove artifacts that are no arm's compact model: teachers, pseudo-labels, predictions. Bytes that became free.

    Ledgers and records stay. An arm that runs later and needs such an artifact makes it again.
    Raises BenchError where a run is at work, or there is no such folder.
    """
    if not (results / "suite.json").exists():
        raise BenchError(f"{results}: holds no results")
    with _run_lock(results):
        kept = {record.student for path in results.iterdir() if (record := ledger.sealed(path))}
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
