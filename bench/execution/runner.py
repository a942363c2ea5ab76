"""Stage 3: runs arms in fresh processes.

It skips arms that have a record, contains failures, and writes a record for every arm, even for one that was killed.

results/<suite>/suite.yaml, suite.json      the question, as it was asked
results/<suite>/<arm>/...                   one folder per arm; record.json is written last
results/<suite>/store/...                   artifacts, shared by the arms
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from bench import registry
from bench.contracts import Executor, Part, Progress, no_progress
from bench.errors import BenchError
from bench.execution import artifacts, known_paths, ledger, shared_folder
from bench.execution.job import inputs_fingerprint, metrics_fingerprint
from bench.execution.prepare import Fetched, fetched_before
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Ending, Record, read_record, remove_lease, remove_progress, seal_arm
from bench.suite import arms as planning
from bench.suite.arms import Arm
from bench.system.files import write_json, write_text
from bench.system.leases import Clock, Lease
from bench.system.results_folder import LOG, OUTCOME, RECORD, SUITE_JSON, SUITE_YAML
from bench.system.watchdog import STALLED


class Screen(Protocol):
    """Receives events while a suite runs. `sealed` holds the arms that have a record."""

    def say(self, line: str) -> None: ...

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
    join: bool = False,
) -> list[Record]:
    """Bring every arm to its record, and return all records in the order of the arms.

    An arm that has a record does not run again, unless its data changed, or it failed and `retry` is set.
    `fetched` holds the layers of compact models and the warnings, for the report; None keeps those that an
    earlier run wrote. `question` holds entries of suite.json that replace those of the suite. Raises BenchError
    where another process runs in the same folder, unless `join` is set: then both share the arms.
    """
    with shared_folder.one_run(prepared.results, join, screen.say) as leads:
        if leads:
            _describe(prepared, fetched, question)
        else:
            shared_folder.wait_for_suite(prepared.results, prepared.suite.text)
        return _run(prepared, executor, screen, retry)


def describe(prepared: PreparedSuite, fetched: Fetched | None, question: Mapping[str, Any]) -> None:
    """Write what `run` writes of the suite, and run no arm."""
    with shared_folder.one_run(prepared.results):
        _describe(prepared, fetched, question)


def _describe(prepared: PreparedSuite, fetched: Fetched | None, question: Mapping[str, Any]) -> None:
    results = prepared.results
    found = fetched_before(results / SUITE_JSON) if fetched is None else fetched
    write_text(results / SUITE_YAML, prepared.suite.text)
    known_paths.remember(prepared.suite, results, prepared.cache)
    write_json(results / SUITE_JSON, {**_question(prepared, found), **question})


def _run(prepared: PreparedSuite, executor: Executor, screen: Screen, retry: bool) -> list[Record]:
    results = prepared.results
    seal = _Sealer(prepared, screen)
    judged = _judged(prepared, retry, no_progress)
    sealed = {arm_id: found for arm_id, (found, counts) in judged.items() if found and counts}
    for arm_id, ended in sealed.items():
        if (results / arm_id / RECORD).exists():
            remove_lease(results / arm_id)
        else:
            seal_arm(results / arm_id, ended)
    screen.planned(results, prepared.arms, sealed)
    open_ = [arm for arm in prepared.arms if arm.id not in sealed]
    for arm in open_:
        _clear(prepared, arm, judged[arm.id][0])
    worker = [sys.executable, "-P", "-m", "bench.execution.worker"]  # -P: do not import from the current folder
    places = [str(results), str(prepared.cache), prepared.device]
    minutes = str(prepared.checkpoint_minutes)
    executor.run(
        {arm.id: [*worker, str(results / SUITE_YAML), arm.id, str(arm.seed), minutes, *places] for arm in open_},
        {arm.id: results / arm.id / LOG for arm in open_},
        seal,
        {arm.id: prepared.gpu_bytes[arm.key] for arm in open_ if arm.key in prepared.gpu_bytes},
    )
    return [record for arm in prepared.arms if (record := read_record(results / arm.id))]


def kept(prepared: PreparedSuite, retry: bool, progress: Progress = no_progress) -> dict[str, Record | None]:
    """Map each arm id to its record, or to None where the arm has to run.

    A record counts while the arm's data, checkpoints, texts and metrics are unchanged. With `retry`, that of a failed arm does not.
    """
    judged = _judged(prepared, retry, progress)
    return {arm: found if counts and (prepared.results / arm / RECORD).exists() else None for arm, (found, counts) in judged.items()}


def _judged(prepared: PreparedSuite, retry: bool, progress: Progress) -> dict[str, tuple[Record | None, bool]]:
    """Map each arm id to its record, None where it has none, and whether that record counts."""
    seen: dict[tuple[Part, ...], str] = {}
    metrics = metrics_fingerprint(prepared.suite, prepared.cache, progress)

    def inputs(arm: Arm) -> str:
        uses = tuple(part for _, _, part in planning.named(prepared.suite, arm.cell.strategy))
        if uses not in seen:
            seen[uses] = _inputs(prepared, arm, progress)
        return seen[uses]

    def counts(arm: Arm, found: Record | None) -> bool:
        if found is None or (retry and found.status == "failed"):
            return False
        data = _unchanged(found.data_fingerprint, prepared.splits[arm.task_label].fingerprint)
        return data and _unchanged(found.metrics_fingerprint, metrics) and _unchanged(found.inputs_fingerprint, inputs(arm))

    found = {arm.id: _record_or_outcome(prepared, arm) for arm in prepared.arms}
    return {arm.id: (found[arm.id], counts(arm, found[arm.id])) for arm in prepared.arms}


def _unchanged(before: str, now: str) -> bool:
    """Return whether two fingerprints are equal. An empty one is unknown, and does not count as a change."""
    return before == now or not before or not now


def _inputs(prepared: PreparedSuite, arm: Arm, progress: Progress) -> str:
    """Return the fingerprint of an arm's checkpoints and texts; '' where one is missing now and no change can be detected."""
    try:
        return inputs_fingerprint(prepared.suite, arm, prepared.cache, progress)
    except BenchError:
        return ""


def _record_or_outcome(prepared: PreparedSuite, arm: Arm) -> Record | None:
    """Return the record of an arm. If its process has ended and nobody has written the record yet, return what that will be."""
    folder = prepared.results / arm.id
    if record := read_record(folder):
        return record
    ending = _outcome(folder)
    return _record(prepared, arm, ending, "") if ending else None


def _clear(prepared: PreparedSuite, arm: Arm, found: Record | None) -> None:
    """Remove how an earlier attempt ended, if that still is as it was `found`. Its ledger stays beside the new one.

    If another run has the arm at work, its files stay as they are.
    """
    folder = prepared.results / arm.id
    if not folder.exists():
        return
    lease = Lease(folder / shared_folder.ARM, renewed=False)
    is_free = lease.take()
    try:
        before = _record_or_outcome(prepared, arm)
        if (before and _is_same(before, found)) or (is_free and not before):  # otherwise the arm may have ended meanwhile
            for name in (RECORD, OUTCOME):
                (folder / name).unlink(missing_ok=True)
        if is_free:
            ledger.keep_aside(folder)
            remove_progress(folder)
    finally:
        lease.release()


def _is_same(record: Record, other: Record | None) -> bool:
    """Return whether two records differ at most in the time at which they were written."""
    return other is not None and replace(record, ended=other.ended) == other


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
        "not_means": [name for metric in suite.metrics.values() for name in metric.not_means],
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
        if not exit_status:
            artifacts.visible(folder / RECORD, folder / OUTCOME, clock=Clock())
        ended = _record(self.prepared, self._arms[arm_id], _ending(folder, exit_status), self._began)
        found = None if exit_status else read_record(folder)  # one that another run has written
        if found and (_is_same(ended, found) or not _outcome(folder)):
            ended = found
            remove_progress(folder)
        else:
            seal_arm(folder, ended)
        self.screen.ended(ended)


def _record(prepared: PreparedSuite, arm: Arm, ending: Ending, began: str) -> Record:
    """Return the record of an arm that has ended. `began`: when its run did, where the arm cannot say it."""
    return Record(
        arm=arm.id,
        suite=prepared.suite.spec.suite,
        task=arm.task_label,
        strategy=arm.cell.label,
        use=prepared.suite.spec.strategies[arm.cell.label].use,
        setting=arm.cell.setting,
        settings=arm.settings,
        budget_usd=arm.budget_usd,
        seed=arm.seed,
        ended=_now(),
        **{**asdict(ending), "started": ending.started or began},
    )


def _outcome(folder: Path) -> Ending | None:
    """Return what the process of an arm wrote last; None where it was killed before, or the file cannot be read."""
    try:
        return Ending(**json.loads((folder / OUTCOME).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, TypeError, ValueError):
        return None


def _ending(folder: Path, exit_status: int) -> Ending:
    """Return how the process of an arm ended: from outcome.json, or where that is missing from its exit status and ledger."""
    if ending := _outcome(folder):
        return ending
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
    log = folder / LOG
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return last[0] if exit_status == STALLED and last else f"ended with status {exit_status}" + "".join(f": {line}" for line in last)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
