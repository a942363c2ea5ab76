"""Processes that make no progress are stopped, and others are left alone. Time is a number that the tests choose."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.system import files
from bench.system.watchdog import LOOKS, STALLED, Watchdog

MINUTES = 10.0
EVERY_S = 60 * MINUTES / LOOKS

Process = subprocess.Popen[str]


def started(code: str) -> Process:
    """A process that has come to its end of file, and waits."""
    command = [sys.executable, "-S", "-c", f"import signal, sys\n{code}\nprint('ready', flush=True)\nsys.stdin.read()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def process() -> Iterator[Process]:
    with started("") as process:
        yield process
        process.kill()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "worker.log"
    path.write_text("first line")
    return path


def look(watchdog: Watchdog, first: int, last: int) -> None:
    for i in range(first, last + 1):
        watchdog.look(i * EVERY_S)


def test_a_process_whose_files_do_not_change_is_stopped_and_its_log_says_where(process: Process, log: Path) -> None:
    (log.parent / "progress.json").write_text('{"what": "training", "done": 3, "total": 10}')
    watchdog = Watchdog(process.pid, log, MINUTES)
    look(watchdog, 0, LOOKS - 1)
    assert process.poll() is None
    look(watchdog, LOOKS, LOOKS)
    assert process.wait() == -signal.SIGTERM
    assert watchdog.status(-signal.SIGTERM) == STALLED
    first, last = log.read_text().splitlines()
    assert first == "first line"
    assert "10 minutes" in last
    assert last.endswith("training, 3 of 10")


def test_a_process_that_ignores_the_first_signal_is_killed_at_the_next_look(log: Path) -> None:
    with started("signal.signal(signal.SIGTERM, signal.SIG_IGN)") as process:
        watchdog = Watchdog(process.pid, log, MINUTES)
        look(watchdog, 0, LOOKS)
        assert process.poll() is None
        look(watchdog, LOOKS + 1, LOOKS + 1)
        assert process.wait() == -signal.SIGKILL
        assert watchdog.status(-signal.SIGKILL) == STALLED


@pytest.mark.parametrize("name", ["worker.log", "progress.json", "ledger.jsonl"])
def test_a_process_that_changes_one_file_goes_on(process: Process, log: Path, name: str) -> None:
    watchdog = Watchdog(process.pid, log, MINUTES)
    for i in range(4):
        look(watchdog, i * LOOKS, (i + 1) * LOOKS - 1)
        (log.parent / name).write_text("x" * i)
    assert process.poll() is None
    assert watchdog.status(3) == 3
    assert log.read_text() == ("xxx" if name == "worker.log" else "first line")


def test_a_process_that_waits_for_another_one_goes_on(process: Process, log: Path) -> None:
    progress = log.parent / "progress.json"
    progress.write_text(json.dumps({"what": "waiting for something", "done": 0, "total": 1}))
    watchdog = Watchdog(process.pid, log, MINUTES)
    look(watchdog, 0, 5 * LOOKS)
    assert process.poll() is None
    progress.write_text(json.dumps({"what": "training", "done": 0, "total": 1}))
    look(watchdog, 5 * LOOKS + 1, 7 * LOOKS)
    assert process.wait() == -signal.SIGTERM


def test_time_in_which_nobody_looks_does_not_count(process: Process, log: Path) -> None:
    watchdog = Watchdog(process.pid, log, MINUTES)
    for day in range(LOOKS):
        watchdog.look(day * 86400.0)
    for _ in range(5 * LOOKS):
        watchdog.look((LOOKS - 1) * 86400.0)
    assert process.poll() is None


def test_a_file_system_that_gives_no_answer_stops_nothing(process: Process, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> str:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(files, "state", broken)
    look(Watchdog(process.pid, log, MINUTES), 0, 5 * LOOKS)
    assert process.poll() is None


def test_a_log_that_cannot_be_written_does_not_hide_that_a_process_was_stopped(process: Process, log: Path) -> None:
    watchdog = Watchdog(process.pid, log, MINUTES)
    look(watchdog, 0, LOOKS)
    log.unlink()
    log.mkdir()
    assert watchdog.status(process.wait()) == STALLED


def test_0_minutes_stop_nothing(process: Process, log: Path) -> None:
    watchdog = Watchdog(process.pid, log, 0)
    for i in range(5 * LOOKS):
        watchdog.look(i * 86400.0)
    assert process.poll() is None


@pytest.mark.parametrize("content", ["{", "[]", '{"what": null}', '{"done": 1}', "3"])
def test_a_progress_file_that_tells_nothing_is_no_obstacle(process: Process, log: Path, content: str) -> None:
    (log.parent / "progress.json").write_text(content)
    watchdog = Watchdog(process.pid, log, MINUTES)
    look(watchdog, 0, LOOKS)
    assert process.wait() == -signal.SIGTERM
    assert watchdog.status(-signal.SIGTERM) == STALLED
    assert log.read_text().endswith("10 minutes\n")
