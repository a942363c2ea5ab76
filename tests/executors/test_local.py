"""Processes on this machine: as many at a time as asked for, their ends told, and none left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bench.contracts import AGAIN, PARENT_PIPE
from bench.executors import local
from bench.executors.local import Local
from bench.system import processes
from bench.system.processes import ONE_THREAD
from bench.system.watchdog import STALLED
from tests.ended import has_ended

ALONE = "import os, time; os.mkdir('busy'); time.sleep(0.05); os.rmdir('busy')"
"""Fails where another one runs at the same time."""

TOGETHER = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
"""
"""Ends when the other one has been started."""

TOGETHER_ON_A_GPU = """
import os, pathlib, sys, time
name, *others = sys.argv[1:]
pathlib.Path(name).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
while not all(pathlib.Path(other).exists() for other in others):
    time.sleep(0.01)
"""
"""Writes the GPUs that it sees, and ends when the others have been started."""

WAIT = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); os.read(0, 1)"
"""Writes its process number, and waits until nobody can write to it any more."""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def run(commands: dict[str, Sequence[str]], gpu_bytes: Mapping[str, float] = MappingProxyType({}), **settings: object) -> dict[str, int]:
    """Name -> exit status."""
    ended: dict[str, int] = {}
    logs = {name: Path("logs") / name / "worker.log" for name in commands}
    Local(**settings).run(commands, logs, ended.__setitem__, gpu_bytes)  # type: ignore[arg-type]
    return ended


def gone(*pids: Path) -> bool:
    """Whether the processes that wrote these files have ended."""
    return all(has_ended(int(path.read_text())) for path in pids)


def test_how_each_command_ended_is_reported_under_its_name() -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run({"good": python(""), "bad": python("raise SystemExit(3)"), "killed": python(killed)}) == {"good": 0, "bad": 3, "killed": -9}


def test_no_commands_are_no_processes() -> None:
    assert run({}) == {}


def test_what_a_command_prints_and_its_errors_are_added_to_its_own_log() -> None:
    for _ in range(2):
        run(
            {
                "one": python("import sys; print('said'); sys.stdout.flush(); print('wrong', file=sys.stderr)"),
                "other": python("print('else')"),
            }
        )
    assert Path("logs/one/worker.log").read_text().split() == ["said", "wrong"] * 2
    assert Path("logs/other/worker.log").read_text().split() == ["else"] * 2


def test_one_worker_runs_one_command_at_a_time_in_their_order() -> None:
    ended = run({str(i): python(ALONE) for i in range(4)}, workers=1)
    assert list(ended.items()) == [(str(i), 0) for i in range(4)]


def test_two_workers_run_two_commands_at_a_time() -> None:
    assert run({"a": python(TOGETHER, "a", "b"), "b": python(TOGETHER, "b", "a"), "c": python("")}, workers=2) == {"a": 0, "b": 0, "c": 0}


def test_a_command_that_asks_for_it_is_started_again_after_the_others() -> None:
    postponed = python(f"import pathlib, sys; seen = pathlib.Path('seen'); sys.exit(seen.exists() or seen.touch() or {AGAIN})")
    ended = run({"postponed": postponed, "a": python(""), "b": python("")}, workers=1)
    assert list(ended.items()) == [("a", 0), ("b", 0), ("postponed", 1)]


def test_by_default_there_is_a_process_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(processes, "cores", lambda: 2)
    assert run({"a": python(TOGETHER, "a", "b"), "b": python(TOGETHER, "b", "a")}) == {"a": 0, "b": 0}
    monkeypatch.setattr(processes, "cores", lambda: 1)
    assert run({str(i): python(ALONE) for i in range(3)}) == {"0": 0, "1": 0, "2": 0}


def gpus(count: int, sizes: Sequence[float] = (), **settings: object) -> list[str]:
    """Run this many processes, all at once, and return the GPU that each one sees. sizes: GPU memory that they take."""
    names = [f"gpu-{i}" for i in range(count)]
    commands = {name: python(TOGETHER_ON_A_GPU, name, *names) for name in names}
    assert run(commands, dict(zip(names, sizes, strict=False)), **settings) == dict.fromkeys(names, 0)
    return [Path(name).read_text() for name in names]


@pytest.mark.parametrize(
    ("visible", "settings", "expected"),
    [
        ("0,3,GPU-b", {}, ["0", "3", "GPU-b"]),
        ("0,1", {"per_device": 2}, ["0", "0", "1", "1"]),
        ("0,1", {"workers": 3}, ["0", "0", "1"]),
        ("0,1", {"workers": 2, "per_device": 2}, ["0", "1"]),
        ("5", {"per_device": 2}, ["5", "5"]),
        ("", {"workers": 2}, ["", ""]),
    ],
)
def test_processes_are_spread_over_the_gpus_and_each_sees_one(
    visible: str, settings: dict[str, object], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert sorted(gpus(len(expected), **settings)) == expected


@pytest.fixture
def ten_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs with ten free bytes each, and eight cores."""
    monkeypatch.setattr(local, "free_bytes", lambda gpus: dict.fromkeys(gpus, 10))
    monkeypatch.setattr(processes, "cores", lambda: 8)


@pytest.mark.parametrize(
    ("visible", "sizes", "expected"),
    [("0,1", [4, 6, 6, 4], ["0", "1", "0", "1"]), ("5", [5, 5], ["5", "5"])],
)
@pytest.mark.usefixtures("ten_bytes")
def test_processes_share_a_gpu_where_its_memory_holds_them(
    visible: str, sizes: list[float], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus(len(expected), sizes, per_device="auto") == expected


@pytest.mark.usefixtures("ten_bytes")
def test_a_process_has_a_gpu_of_its_own_where_there_is_no_room_or_memory_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    names = ["half", "more than half", "unknown", "small", "larger than the GPU"]
    sizes = {"half": 5, "more than half": 6, "small": 1, "larger than the GPU": 20}
    assert run({name: python(ALONE) for name in names}, sizes, per_device="auto") == dict.fromkeys(names, 0)
    small = dict.fromkeys(["a", "b"], 1)
    assert run({name: python(ALONE) for name in small}, small, per_device="auto", workers=1) == dict.fromkeys(small, 0)
    monkeypatch.setattr(local, "free_bytes", lambda gpus: {})
    assert run({name: python(ALONE) for name in small}, small, per_device="auto") == dict.fromkeys(small, 0)


@pytest.mark.parametrize("per_device", [1, 3, "auto"])
def test_without_a_gpu_there_is_a_process_for_each_core(per_device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 5)
    assert Local(per_device=per_device)._at_most(0) == 5


def test_a_gpu_whose_process_has_ended_takes_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    long = python(TOGETHER_ON_A_GPU, "long", "last")
    short = {name: python(TOGETHER_ON_A_GPU, name) for name in ("a", "b", "last")}
    assert run({"long": long, **short}) == dict.fromkeys(["a", "b", "last", "long"], 0)
    assert {name: Path(name).read_text() for name in ("long", *short)} == {"long": "0", "a": "1", "b": "1", "last": "1"}


def test_a_process_that_makes_no_progress_is_stopped() -> None:
    assert run({"stalls": python("import time; time.sleep(600)")}, stalled_minutes=0.01) == {"stalls": STALLED}
    assert Path("logs/stalls/worker.log").read_text().strip().startswith("stopped")


@pytest.mark.parametrize("one_thread", [True, False])
def test_each_process_uses_one_thread_by_default(one_thread: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "inherited")
    names = [*ONE_THREAD, PARENT_PIPE]
    run({"told": python(f"import os; print(*(os.environ[name] for name in {names}))")}, one_thread=one_thread)
    told = dict(zip(names, Path("logs/told/worker.log").read_text().split(), strict=True))
    assert told == {**(ONE_THREAD if one_thread else dict.fromkeys(ONE_THREAD, "inherited")), PARENT_PIPE: "1"}
    assert ONE_THREAD["OMP_NUM_THREADS"] == "1"


def test_where_the_work_is_broken_off_no_process_is_left() -> None:
    def stop(name: str, status: int) -> None:
        raise KeyboardInterrupt

    first = python(TOGETHER, "a", "pid")
    with pytest.raises(KeyboardInterrupt):
        Local(workers=2).run({"first": first, "waiting": python(WAIT, "pid")}, {n: Path(n) for n in ("first", "waiting")}, stop)
    assert gone(Path("pid"))


def test_a_parent_that_is_killed_leaves_no_process() -> None:
    """Children read from a pipe that no other process holds open, so that they see the end of their parent."""
    code = f"""
import sys
from pathlib import Path
from bench.executors.local import Local
commands = {{name: [sys.executable, "-S", "-c", {WAIT!r}, name] for name in ("one", "two")}}
Local(workers=2).run(commands, {{name: Path(name + ".log") for name in commands}}, lambda *_: None)
"""
    whole = f"import sys; sys.path[:] = {sys.path!r}\n{code}"
    with subprocess.Popen([sys.executable, "-c", whole]) as parent:
        while not all(Path(name).exists() and Path(name).read_text() for name in ("one", "two")):
            assert parent.poll() is None
        os.kill(parent.pid, signal.SIGKILL)
    assert gone(Path("one"), Path("two"))
