"""What the runner makes of the arms of a suite, whose processes are fake: records, failures, second runs, Ctrl-C, gc."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

from bench.execution import artifacts, ledger, runner
from bench.execution.ledger import Ledger
from bench.execution.record import Ending
from bench.suite.arms import Arm
from bench.system import leases
from bench.system.watchdog import STALLED
from tests.execution.fake_worker import STARTED, SUITE, FakeWorker, Killed, arms_of, bench, done, instead, records, spend, spent_usd
from tests.facts import missing
from tests.system.test_leases import Hours

ARMS = arms_of(Path(SUITE))
TWO, FOUR = ("--only", "*annotate*"), ("--only", "*4usd*")
REASON = "why this arm ended"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


Run = Callable[..., tuple[Result, list[str]]]


@pytest.fixture
def run(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Function: (ends, options of `bench run`) -> how the command ended, and the arms that it started."""

    def run(ends: Callable[[Arm, Path], Ending | Killed] = done, *options: str) -> tuple[Result, list[str]]:
        fake = FakeWorker(ends)
        instead(monkeypatch, fake.run)
        return bench("run", SUITE, "--results", tmp_path, "--cache", cache, *options), fake.started

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "smoke"


def contents(folder: Path) -> dict[Path, bytes]:
    names = ("ledger.jsonl", "outcome.json", "record.json", "suite.json", "suite.yaml", "predictions.jsonl")
    return {path: path.read_bytes() for path in folder.rglob("*") if path.name in names}


def test_every_arm_is_run_once_in_order_and_has_its_record(run: Run, folder: Path) -> None:
    result, started = run()
    assert result.exit_code == 0, result.output
    assert started == list(ARMS)
    found = records(folder)
    assert found.keys() == ARMS.keys()
    for name, record in found.items():
        arm = ARMS[name]
        assert (record.arm, record.suite, record.task, record.strategy, record.use) == (
            name,
            "smoke",
            "stories",
            arm.cell.label,
            arm.cell.label,
        )
        assert (record.setting, record.settings) == (arm.cell.setting, arm.settings)
        assert (record.budget_usd, record.seed, record.status, record.reason) == (arm.budget_usd, 1, "done", "")
        assert (record.spent_usd, record.facts["labels_bought"]) == (spent_usd(record), 5.0)
        assert record.started == STARTED < record.ended
        assert (folder / record.student / "model.safetensors").exists()
        assert not (folder / name / "progress.json").exists()
    report = (folder / "report.md").read_text()
    assert all(name in report for name in ARMS)
    assert list(folder.glob("*.png"))


def test_the_process_of_an_arm_gets_its_suite_arm_results_cache_and_device(
    cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def ask(commands, logs, ended):  # type: ignore[no-untyped-def]
        asked.update({arm: (list(command), logs[arm]) for arm, command in commands.items()})

    instead(monkeypatch, ask)
    monkeypatch.chdir(Path.cwd())
    bench("run", SUITE, "--results", folder.parent, "--cache", cache, "--device", "cpu", *TWO)
    assert len(asked) == 2
    for arm, (command, log) in asked.items():
        assert command[0] == sys.executable
        places = [str(folder), str(cache), "cpu"]
        assert command[-8:] == ["bench.execution.worker", str(folder / "suite.yaml"), arm, "1", "5.0", *places]
        assert log == folder / arm / "worker.log"


def test_a_report_is_written_again_only_where_something_changed(run: Run, folder: Path) -> None:
    def written() -> int:
        run(done, *TWO)
        return (folder / "report.md").stat().st_mtime_ns

    before = written()
    assert written() == before
    with next(folder.glob("*/ledger.jsonl")).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert written() > before


def test_the_interval_of_checkpoints_reaches_the_process_of_an_arm(cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    instead(monkeypatch, lambda commands, logs, ended: asked.extend(commands.values()))
    bench("run", SUITE, "--results", folder.parent, "--cache", cache, "--device", "cpu", "--checkpoint-minutes", "0.5", *TWO)
    assert [command[-4] for command in asked] == ["0.5", "0.5"]


def test_the_table_holds_the_ledgers_dollars_to_the_cent(run: Run, folder: Path) -> None:
    run()
    table = pd.read_parquet(folder / "table.parquet")
    charges = table[(table["row"] == "charge") & (table["paid_by"] == "purse")]
    for name, record in records(folder).items():
        paid = [row["usd"] for row in ledger.rows(folder / name) if row["row"] == "charge" and row["paid_by"] == "purse"]
        assert len(paid) == 2
        assert charges[charges["arm"] == name]["usd"].sum() == pytest.approx(sum(paid), abs=1e-9)
        assert record.spent_usd == pytest.approx(sum(paid), abs=1e-9)
    assert len(pd.read_csv(folder / "table.csv")) == len(table)


def test_suite_json_tells_the_report_all_it_needs(run: Run, folder: Path) -> None:
    run(done, *TWO)
    asked = json.loads((folder / "suite.json").read_text())
    assert (asked["suite"], asked["primary_metric"], asked["meter"], asked["start_labels"]) == ("smoke", "rouge2", "flops", 20)
    assert asked["arms"] == list(ARMS)
    assert asked["pays"]["evaluation"] == "free"
    assert asked["not_means"] == []
    assert asked["label_usd"] == {"stories": 0.2}
    assert len(asked["layers"]) == 1
    assert asked["path"] == SUITE
    assert (folder / "suite.yaml").read_text() == Path(SUITE).read_text()


def test_a_second_run_starts_no_arm_and_changes_none(run: Run, folder: Path) -> None:
    run()
    before = contents(folder)
    again, started = run()
    assert (again.exit_code, started) == (0, [])
    assert contents(folder) == before
    _, retried = run(done, "--retry")
    assert retried == []


def test_arms_that_were_not_chosen_are_run_later_and_those_that_were_are_not(run: Run, folder: Path) -> None:
    _, first = run(done, *TWO)
    assert {ARMS[name].cell.label for name in first} == {"annotate"}
    _, rest = run()
    assert sorted(first + rest) == sorted(ARMS)
    assert len(rest) == 6


@pytest.mark.parametrize(("exit_status", "signal"), [(-9, "SIGKILL"), (-15, "SIGTERM")])
def test_an_arm_killed_by_a_signal_is_a_failed_row_that_retry_runs_again(run: Run, folder: Path, exit_status: int, signal: str) -> None:
    lost = next(name for name, arm in ARMS.items() if arm.cell.label == "sft")

    def ends(arm: Arm, results: Path) -> Ending | Killed:
        if arm.id != lost:
            return done(arm, results)
        spend(arm, Ledger(results / arm.id))
        return Killed(exit_status, "a line that does not matter\n")

    result, _ = run(ends, *FOUR)
    assert result.exit_code == 1
    found = records(folder)
    assert found[lost].status == "failed"
    assert missing(found[lost].reason, signal) == []
    assert ("out of memory" in found[lost].reason) == (signal == "SIGKILL")
    assert (found[lost].spent_usd, found[lost].student) == (spent_usd(found[lost]), "")
    assert {record.status for name, record in found.items() if name != lost} == {"done"}
    assert f"failed: {lost}" in result.stdout.replace("\n", " ").replace("  ", " ")
    assert found[lost].reason in (folder / "report.md").read_text()

    unasked, started = run(done, *FOUR)
    assert (unasked.exit_code, started) == (1, [])
    retried, started = run(done, *FOUR, "--retry")
    assert (retried.exit_code, started) == (0, [lost])
    assert records(folder)[lost].status == "done"
    assert (folder / lost / "ledger.attempt-1.jsonl").exists()
    assert {name: record for name, record in records(folder).items() if name != lost} == {n: r for n, r in found.items() if n != lost}


@pytest.mark.parametrize(("log", "end"), [("first\nthe last line\n", "status 3: the last line"), ("", "status 3")])
def test_an_arm_that_ends_without_a_word_fails_with_the_last_line_of_its_log(run: Run, folder: Path, log: str, end: str) -> None:
    result, _ = run(lambda arm, results: Killed(3, log), *TWO)
    assert result.exit_code == 1
    assert {(record.status, record.spent_usd) for record in records(folder).values()} == {("failed", 0.0)}
    assert all(record.reason.endswith(end) for record in records(folder).values())
    assert not any(record.started == STARTED for record in records(folder).values())


def test_an_arm_that_leaves_no_outcome_has_failed_after_a_while(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours()
    monkeypatch.setattr(runner, "Clock", lambda: hours.clock)
    run(lambda arm, results: Killed(0), *TWO)
    assert [record.status for record in records(folder).values()] == ["failed"] * 2
    assert hours.passed == 2 * artifacts.VISIBLE_S


def test_an_arm_that_was_stopped_fails_with_the_line_of_its_watchdog_alone(run: Run, folder: Path) -> None:
    result, _ = run(lambda arm, results: Killed(STALLED, "a warning\nstopped: nothing to see\n"), *TWO)
    assert result.exit_code == 1
    assert {(record.status, record.reason) for record in records(folder).values()} == {("failed", "stopped: nothing to see")}


def test_a_damaged_ledger_of_an_arm_that_died_is_named_and_the_arm_has_a_record(run: Run, folder: Path) -> None:
    def ends(arm: Arm, results: Path) -> Killed:
        spend(arm, Ledger(results / arm.id))
        path = results / arm.id / "ledger.jsonl"
        path.write_text(path.read_text().replace("{", "", 1))
        return Killed(-9)

    result, _ = run(ends, *TWO)
    assert result.exit_code != 0
    for record in records(folder).values():
        assert (record.status, record.spent_usd) == ("failed", 0.0)
        assert record.reason.startswith("killed by SIGKILL")
        assert f"{record.arm}/ledger.jsonl:1" in record.reason


def test_the_reason_of_an_earlier_attempt_is_not_taken_for_the_next(run: Run, folder: Path) -> None:
    _, started = run(lambda arm, results: Ending(status="failed", reason="no memory"), *TWO)
    assert {record.reason for record in records(folder).values()} == {"no memory"}
    _, again = run(lambda arm, results: Killed(-9), *TWO, "--retry")
    assert again == started
    assert all(record.reason.startswith("killed by SIGKILL") for record in records(folder).values())


@pytest.mark.parametrize("status", ["infeasible", "skipped"])
def test_arms_that_cannot_be_are_rows_with_their_reason_and_no_failures(run: Run, folder: Path, status: str) -> None:
    def ends(arm: Arm, results: Path) -> Ending:
        Ledger(results / arm.id)
        return Ending(status=status, reason=REASON, spent_usd=0.25)  # type: ignore[arg-type]

    result, started = run(ends, *TWO)
    assert result.exit_code == 0, result.output
    assert {(record.status, record.reason, record.spent_usd) for record in records(folder).values()} == {(status, REASON, 0.25)}
    assert f"2 {status}" in result.stdout
    assert REASON in (folder / "report.md").read_text()
    assert (len(started), run(ends, *TWO, "--retry")[1]) == (2, [])


def test_ctrl_c_keeps_what_has_ended_and_the_same_command_runs_the_rest(run: Run, folder: Path) -> None:
    def ends(arm: Arm, results: Path) -> Ending:
        if arm.id == list(ARMS)[2]:
            spend(arm, Ledger(results / arm.id))
            raise KeyboardInterrupt
        return done(arm, results)

    stopped, started = run(ends, *FOUR)
    assert (stopped.exit_code, len(started)) == (130, 3)
    assert len(stopped.stderr.strip().splitlines()) == 1
    ended = records(folder)
    assert list(ended) == sorted(started[:2])
    resumed, rest = run(done, *FOUR)
    assert resumed.exit_code == 0, resumed.output
    assert rest == list(ARMS)[2:4]
    assert {name: record for name, record in records(folder).items() if name in ended} == ended
    assert all(record.spent_usd == spent_usd(record) for record in records(folder).values())


def test_arms_are_run_again_where_the_data_of_their_task_has_changed(run: Run, folder: Path) -> None:
    run(lambda arm, results: replace(done(arm, results), data_fingerprint="of other data"), *TWO)
    _, started = run(done, *TWO)
    assert len(started) == 2
    assert all((folder / name / "ledger.attempt-1.jsonl").exists() for name in started)


def test_arms_are_run_again_where_a_model_or_text_has_changed(run: Run, folder: Path) -> None:
    run(lambda arm, results: replace(done(arm, results), inputs_fingerprint="of other weights"), *TWO)
    assert len(run(done, *TWO)[1]) == 2
    assert run(done, *TWO)[1] == []


def test_two_runs_and_a_gc_do_not_work_in_one_folder_at_a_time(run: Run, folder: Path) -> None:
    run(done, *TWO)
    with leases.hold(folder / "run.lease"):
        for result in (run(done)[0], bench("store", "gc", folder)):
            assert result.exit_code == 2
            assert str(folder) in result.stderr
    assert len(records(folder)) == 2
