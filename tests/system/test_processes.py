"""How many processes work at a time, and work on several of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bench.system import processes

forks = pytest.mark.skipif(sys.platform != "linux", reason="work is forked on Linux alone")


def leave(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail(path: Path) -> None:
    with path.open("a") as tried:
        tried.write("tried\n")
    raise ValueError("no")


@pytest.mark.parametrize(("device", "cores", "expected"), [("cpu", 1, 1), ("cpu", 5, 5), ("cpu", 64, 8), ("cuda", 64, 1)])
def test_a_cpu_takes_a_process_per_core_up_to_a_limit_and_a_gpu_one(
    device: str, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: cores)
    assert processes.concurrency(device) == expected


@pytest.mark.parametrize(("visible", "expected"), [("0,1,2", 3), ("GPU-a", 1), ("", 1)])
def test_every_gpu_takes_a_process(visible: str, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert processes.concurrency("cuda") == expected


def test_children_have_one_thread_and_the_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with processes.one_thread():
        code = f"import os; print([os.environ[name] for name in {[*processes.ONE_THREAD]}])"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == str([*processes.ONE_THREAD.values()]).split()
    assert os.environ == before


def test_numpy_has_one_thread_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, expected in (("6", "6"), (None, "1")):
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", said) if said else monkeypatch.delenv("OPENBLAS_NUM_THREADS")
        processes.limit_numpy_threads()
        assert os.environ["OPENBLAS_NUM_THREADS"] == expected


def test_what_each_piece_of_work_gives_comes_in_order() -> None:
    with processes.parallel_map([partial(pow, 2, power) for power in range(6)], workers=2) as found:
        assert [*found] == [1, 2, 4, 8, 16, 32]


def test_one_worker_works_in_this_process() -> None:
    with processes.parallel_map([os.getpid, os.getpid], workers=1) as found:
        assert {*found} == {os.getpid()}


@forks
def test_work_beside_a_block_is_another_process_s_and_done_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    with processes.run_in_background(partial(leave, tmp_path / "pid")):
        pass
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_on_one_core_work_is_done_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    with processes.run_in_background(partial(leave, tmp_path / "pid")):
        assert not (tmp_path / "pid").exists()
    assert int((tmp_path / "pid").read_text()) == os.getpid()


@forks
def test_work_that_fails_there_is_done_here_and_says_what_was_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    with pytest.raises(ValueError, match="no"), processes.run_in_background(partial(fail, tmp_path / "tries")):
        pass
    assert (tmp_path / "tries").read_text() == "tried\ntried\n"
    assert capfd.readouterr().err == ""


@forks
def test_work_in_a_child_returns_its_result_and_leaves_nothing_here() -> None:
    left = []

    def work() -> tuple[int, int]:
        left.append(1)
        return os.getpid(), len(left)

    pid, count = processes.in_child(work)
    assert pid != os.getpid()
    assert (count, left) == (1, [])


@forks
def test_work_that_fails_in_a_child_is_done_again_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"):
        processes.in_child(partial(fail, tmp_path / "tried"))
    assert (tmp_path / "tried").read_text().split() == ["tried"] * 2


@forks
def test_work_in_a_child_is_interrupted_with_its_parent_and_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        try:
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(600)
        finally:
            leave(tmp_path / "left")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with SIGINT ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.in_child(work)
    finally:
        signal.signal(signal.SIGINT, before)
    assert int((tmp_path / "left").read_text()) != os.getpid()


def test_where_nothing_is_forked_the_work_of_a_child_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "can_fork", lambda: False)
    assert processes.in_child(os.getpid) == os.getpid()
