"""Two runs that share the arms of a results folder: no arm runs twice, and both end when all have records."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bench.contracts import AGAIN, Executor, Fact, no_progress
from bench.errors import BenchError
from bench.execution import prepare, runner, shared_folder, worker
from bench.execution.ledger import Ledger, rows
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Ending, Record
from bench.system import files, leases
from bench.system.files import write_json
from tests.execution.fake_worker import SUITE, arms_of, bench, done
from tests.forecast.both import Silent
from tests.system.test_leases import Hours, held, write_elsewhere


class Queue(Executor):
    """Runs the commands of arms one after the other in this thread, and those that ask for it again later."""

    def run(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Mapping[str, Path],
        ended: Callable[[str, int], None],
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        waiting = list(commands)
        while waiting:
            arm = waiting.pop(0)
            try:
                worker.main(commands[arm][-7:])
            except SystemExit as asked:
                if asked.code != AGAIN:
                    raise
                waiting.append(arm)
            else:
                ended(arm, 0)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def prepared(tmp_path: Path, cache: Path) -> PreparedSuite:
    return prepare.load(Path(SUITE), results=tmp_path, cache=cache, device="cpu", only=None, progress=no_progress)


@contextmanager
def working(work: Callable[[str], object]) -> Iterator[list[str]]:
    """Let arms do `work` and leave what a fake worker leaves. Yield the arms that ran."""
    ran: list[str] = []

    def run(suite: Path, arm: str, seed: int, results: Path, *rest: Any) -> Ending:
        ran.append(arm)
        work(arm)
        return done(arms_of(Path(SUITE))[arm], results)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "run", run)
        yield ran


def run(prepared: PreparedSuite, join: bool = False, retry: bool = False) -> list[Record]:
    return runner.run(prepared, Queue(), Silent(), retry=retry, join=join)


def ids(prepared: PreparedSuite) -> list[str]:
    return [arm.id for arm in prepared.arms]


def test_two_runs_share_the_arms_and_both_return_all_records(prepared: PreparedSuite) -> None:
    """The first arm of each run waits for an arm of the other, so that both are at work."""
    both, at_work = threading.Barrier(2, timeout=60), {"first", "second"}

    def work(arm: str) -> None:
        if at_work:
            at_work.pop()
            both.wait()

    with working(work) as ran, ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(run, prepared, True), pool.submit(run, prepared, True)
        found = first.result(), second.result()
    assert Counter(ran) == Counter(ids(prepared))
    for returned in found:
        assert [(record.arm, record.status) for record in returned] == [(arm, "done") for arm in ids(prepared)]
    for arm in ids(prepared):
        assert len([row for row in rows(prepared.results / arm) if row["row"] == "charge"]) == 4
        assert not list((prepared.results / arm).glob("*.attempt-*"))
        assert not (prepared.results / arm / shared_folder.ARM).exists()
    assert not (prepared.results / shared_folder.RUN).exists()


def test_a_second_run_is_refused_unless_it_joins(prepared: PreparedSuite) -> None:
    with leases.hold(prepared.results / shared_folder.RUN):
        with pytest.raises(shared_folder.AtWorkError, match="--join"):
            run(prepared)
        (prepared.results / "suite.yaml").write_text(prepared.suite.text)
        with working(lambda arm: None) as ran:
            run(prepared, join=True)
    assert ran == ids(prepared)
    assert not (prepared.results / "suite.json").exists()  # which the run that leads writes


def test_a_run_of_another_suite_may_not_join(prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_folder, "WAIT_S", 0.0)
    with leases.hold(prepared.results / shared_folder.RUN):
        (prepared.results / "suite.yaml").write_text("suite: another")
        with pytest.raises(BenchError, match=r"suite\.yaml"):
            run(prepared, join=True)


def test_a_run_that_died_on_another_machine_is_succeeded(prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared.results.mkdir()
    write_elsewhere(prepared.results / shared_folder.RUN)
    hours = Hours()
    monkeypatch.setattr(leases, "Clock", lambda: hours.clock)
    lines: list[str] = []
    monkeypatch.setattr(Silent, "say", lambda self, line: lines.append(line))
    with working(lambda arm: None) as ran:
        run(prepared)
    assert ran == ids(prepared)
    assert len(lines) == 1
    assert "of other;" in lines[0]
    assert leases.EXPIRY_S <= hours.passed < leases.EXPIRY_S + 2


def test_a_run_that_lives_on_another_machine_is_seen_to_live(prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared.results.mkdir()
    path = prepared.results / shared_folder.RUN
    write_elsewhere(path)
    hours = Hours(asleep=lambda now: write_elsewhere(path, int(now / leases.BEAT_S)))
    monkeypatch.setattr(leases, "Clock", lambda: hours.clock)
    with pytest.raises(shared_folder.AtWorkError, match="other"):
        run(prepared)
    assert hours.passed < 2 * leases.BEAT_S


def test_an_arm_that_another_run_has_at_work_comes_last_and_is_not_run_again(prepared: PreparedSuite) -> None:
    """While this run has done all others, the other run ends its arm."""
    first = prepared.arms[0]
    folder = prepared.results / first.id
    with leases.hold(folder / shared_folder.ARM) as lease:

        def work(arm: str) -> None:
            if arm == prepared.arms[-1].id:
                write_json(folder / "outcome.json", asdict(done(first, prepared.results)))
                lease.release()

        with working(work) as ran:
            found = run(prepared)
    assert ran == ids(prepared)[1:]
    assert [record.status for record in found] == ["done"] * len(prepared.arms)
    assert len([row for row in rows(folder) if row["row"] == "charge"]) == 4
    assert not list(folder.glob("*.attempt-*"))


def test_an_arm_whose_run_was_killed_is_run_by_the_other(prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = prepared.results / prepared.arms[0].id
    folder.mkdir(parents=True)
    write_elsewhere(folder / shared_folder.ARM)
    hours = Hours()
    monkeypatch.setattr(leases, "Clock", lambda: hours.clock)
    with working(lambda arm: None) as ran:
        run(prepared)
    assert ran == [*ids(prepared)[1:], prepared.arms[0].id]


def test_an_arm_that_ended_while_its_run_was_killed_gets_its_record(prepared: PreparedSuite) -> None:
    """The process of the arm wrote its outcome; nobody has written the record."""
    first = prepared.arms[0]
    write_json(prepared.results / first.id / "outcome.json", asdict(done(first, prepared.results)))
    with working(lambda arm: None) as ran:
        found = run(prepared)
    assert ran == ids(prepared)[1:]
    assert found[0].status == "done"
    assert found[0].arm == first.id


def test_an_outcome_that_is_not_visible_yet_is_waited_for(prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the arm ran on another machine."""
    hours, opened = Hours(), Path.open

    def late(self: Path, *given: Any, **named: Any) -> Any:
        if self.name == "outcome.json" and hours.passed < 30:
            raise FileNotFoundError(2, "not visible yet", str(self))
        return opened(self, *given, **named)

    monkeypatch.setattr(runner, "Clock", lambda: hours.clock)
    monkeypatch.setattr(Path, "open", late)
    with working(lambda arm: None):
        found = run(prepared)
    assert [record.status for record in found] == ["done"] * len(prepared.arms)
    assert 30 <= hours.passed < 31


def test_an_outcome_that_is_written_while_another_run_looks_at_the_arm_stays(
    prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, looks, outcome = prepared.arms[0], list[object](), runner._outcome
    folder = prepared.results / first.id

    def ends_meanwhile(one: Path) -> Ending | None:
        found = outcome(one)
        if one == folder:
            looks.append(found)
            if len(looks) == 2:
                write_json(folder / "outcome.json", asdict(done(first, prepared.results)))
        return found

    monkeypatch.setattr(runner, "_outcome", ends_meanwhile)
    hold = leases.hold(folder / shared_folder.ARM)
    with hold as lease, working(lambda arm: lease.release() if arm == prepared.arms[-1].id else None) as ran:
        found = run(prepared)
    assert looks[:2] == [None, None]
    assert ran == ids(prepared)[1:]
    assert [record.status for record in found] == ["done"] * len(prepared.arms)


def test_a_waiter_that_is_killed_does_not_decide_how_the_arm_of_another_run_ends(
    prepared: PreparedSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared.arms[0]
    folder = prepared.results / first.id

    def end(self: Queue, commands: object, logs: object, ended: Callable[[str, int], None], gpu_bytes: object) -> None:
        with leases.hold(folder / shared_folder.ARM):
            for name in ("progress.json", "progress.json.0a.part"):
                (folder / name).touch()
            ended(first.id, -9)
            assert (folder / "progress.json").exists()
            write_json(folder / "outcome.json", asdict(done(first, prepared.results)))
        ended(first.id, 0)
        assert not list(folder.glob("progress*"))
        before = (folder / "record.json").stat()
        ended(first.id, 0)
        after = (folder / "record.json").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    monkeypatch.setattr(Queue, "run", end)
    assert [(record.arm, record.status) for record in run(prepared)] == [(first.id, "done")]


def test_a_lease_that_a_killed_process_left_beside_a_record_is_removed(prepared: PreparedSuite) -> None:
    with working(lambda arm: None) as ran:
        run(prepared)
        path = prepared.results / prepared.arms[0].id / shared_folder.ARM
        with held(path) as process:
            process.kill()
            process.wait()
        assert path.exists()
        run(prepared)
    assert ran == ids(prepared)
    assert not path.exists()


def test_a_failed_arm_is_run_again_by_retry_alone(prepared: PreparedSuite) -> None:
    def fail(arm: str) -> None:
        folder = prepared.results / arm
        write_json(folder / "outcome.json", asdict(Ending(status="failed", reason="no")))
        raise SystemExit(AGAIN)

    with working(fail) as ran:
        assert {record.status for record in run(prepared)} == {"failed"}
    assert ran == ids(prepared)
    with working(lambda arm: None) as ran:
        run(prepared)
        assert ran == []
        assert {record.status for record in run(prepared, retry=True)} == {"done"}
    assert ran == ids(prepared)


def test_a_process_that_was_suspended_writes_no_more_rows_into_the_ledger_of_the_next(tmp_path: Path) -> None:
    held = [True]

    def check() -> None:
        if not held[0]:
            raise SystemExit(AGAIN)

    slow = Ledger(tmp_path, check)
    slow.fact(Fact(name="labels_owned", value=1))
    held[0] = False
    quick = Ledger(tmp_path)
    quick.fact(Fact(name="labels_owned", value=2))
    with pytest.raises(SystemExit):
        slow.fact(Fact(name="labels_owned", value=3))
    with pytest.raises(SystemExit):
        slow.discard()
    assert [row["value"] for row in rows(tmp_path)] == [2]


def test_a_process_that_was_suspended_while_it_wrote_its_progress_does_not_disturb_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick, sync = worker.ProgressFile(tmp_path), worker.ProgressFile(tmp_path), files.sync

    def meanwhile(part: Path) -> None:
        monkeypatch.setattr(files, "sync", sync)
        quick("training", 2, 3)
        sync(part)

    monkeypatch.setattr(files, "sync", meanwhile)
    slow("training", 1, 3)
    quick("training", 3, 3)
    assert json.loads((tmp_path / "progress.json").read_text())["done"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


def test_join_is_not_for_runs_that_choose_their_arms(tmp_path: Path) -> None:
    result = bench("run", SUITE, "--results", tmp_path, "--until-decided", "--join", "--json")
    assert result.exit_code == 2
    assert "--join" in json.loads(result.stdout)["error"]["message"]
