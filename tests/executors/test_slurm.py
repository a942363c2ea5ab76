"""SLURM arrays by stand-ins of its commands: how tasks end, which start again, and what is cancelled."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.contracts import AGAIN, PARENT_PIPE
from bench.errors import BenchError
from bench.executors import _slurm_commands as commands
from bench.executors import _slurm_task as task
from bench.executors._slurm_arrays import REFUSALS
from bench.executors.slurm import Slurm
from bench.system import watchdog
from tests.ended import has_ended
from tests.executors.fake_slurm import FakeSlurm
from tests.facts import missing

STOPPED = """
import os, pathlib, signal, sys, time
name, stops, kept = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "kept"
before = len([*pathlib.Path().glob(f"{name}.stop-*")])
if before < stops:
    pathlib.Path(f"{name}.stop-{before}").touch()
    if kept:
        folder = pathlib.Path("results/store/cpu/key.unfinished", f"step-{before:09}")
        folder.mkdir(parents=True)
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
"""
"""Has its task stopped as SLURM does it, some times. With 'kept' it leaves a checkpoint before each."""

WAIT = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(60)"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    fake.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return fake


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def logs(names: Sequence[str]) -> dict[str, Path]:
    return {name: Path("results", name, "worker.log") for name in names}


def run(given: dict[str, Sequence[str]], **settings: object) -> dict[str, int]:
    """Name -> exit status."""
    ended: dict[str, int] = {}
    executor(**settings).run(given, logs([*given]), ended.__setitem__)
    return ended


def executor(**settings: object) -> Slurm:
    return Slurm(**{"poll_s": 0.02, "visible_s": 0.0, **settings})  # type: ignore[arg-type]


def last_line(name: str) -> str:
    return logs([name])[name].read_text().splitlines()[-1]


def test_one_array_runs_all_commands_and_says_how_each_ended(slurm: FakeSlurm) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    shown = python("import sys; print('out'); print('err', file=sys.stderr)")
    ended = run({"good": shown, "bad": python("raise SystemExit(3)"), "killed": python(killed)}, at_a_time=2)
    assert ended == {"good": 0, "bad": 3, "killed": -9}
    assert sorted(logs(["good"])["good"].read_text().split()) == ["err", "out"]
    (call,) = slurm.calls
    assert {"--array=0-2%2", "--requeue", "--export=ALL", "--cpus-per-task=1"} < {*call}
    assert not Path("results/slurm").exists()


def test_no_commands_ask_nothing_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert run({}) == {}


def test_settings_become_options_of_sbatch_and_those_of_the_user_come_last() -> None:
    given = Slurm(
        partition="gpu", time_minutes=90, memory_gb=1.5, cpus=4, gpus=1, gpu_type="a100", account="a", qos="q", options=("--mem=0", "-x n1")
    )
    expected = ["--partition=gpu", "--time=90", "--mem=1536M", "--cpus-per-task=4", "--gres=gpu:a100:1", "--account=a", "--qos=q"]
    assert given.sbatch_options() == [*expected, "--mem=0", "-x n1"]
    assert Slurm().sbatch_options() == ["--cpus-per-task=1"]
    assert (Slurm().device, Slurm(gpus=1).device) == ("cpu", "cuda")


def test_tasks_have_the_threads_of_their_cores_and_nothing_of_an_allocation_around_bench(
    slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_MEM_PER_NODE", "SLURM_CONF", "OWN", PARENT_PIPE):
        monkeypatch.setenv(name, "1")
    names = ["OMP_NUM_THREADS", "PYTHONUTF8", "SLURM_MEM_PER_NODE", "SLURM_CONF", "OWN", PARENT_PIPE, "HERE"]
    set_up = ("export HERE=before",)
    run({"shown": python(f"import os; print(*(os.environ.get(name) for name in {names}))")}, cpus=3, set_up=set_up)
    assert logs(["shown"])["shown"].read_text().split() == ["3", "1", "None", "1", "1", "None", "before"]


def test_a_command_that_asks_for_it_is_submitted_again(slurm: FakeSlurm) -> None:
    postponed = python(f"import pathlib, sys; seen = pathlib.Path('seen'); sys.exit(seen.exists() or seen.touch() or {AGAIN})")
    assert run({"postponed": postponed, "other": python("")}) == {"postponed": 1, "other": 0}
    assert [next(word for word in call if word.startswith("--array")) for call in slurm.calls] == ["--array=0-1", "--array=0-0"]


def test_a_stopped_command_is_submitted_again_as_long_as_it_leaves_something_new(slurm: FakeSlurm) -> None:
    assert run({"long": python(STOPPED, "long", "3", "kept")}) == {"long": 0}
    assert len(slurm.calls) == 4
    assert len(logs(["long"])["long"].read_text().splitlines()) == 3


def test_a_command_that_is_stopped_twice_and_leaves_nothing_new_has_failed_and_its_log_says_why(slurm: FakeSlurm) -> None:
    slurm.ends_as("TIMEOUT", "101_0", "102_0")
    assert run({"slow": python(STOPPED, "slow", "9", "nothing")}) == {"slow": 1}
    assert len(slurm.calls) == 2
    assert missing(last_line("slow"), "TIMEOUT", "time_minutes", "--checkpoint-minutes") == []


def test_a_command_that_was_stopped_once_may_leave_nothing(slurm: FakeSlurm) -> None:
    assert run({"unlucky": python(STOPPED, "unlucky", "1", "nothing"), "other": python("")}) == {"unlucky": 0, "other": 0}
    assert len(slurm.calls) == 2


def test_a_task_that_the_user_cancels_does_not_start_again(slurm: FakeSlurm) -> None:
    code = f"import subprocess, time; subprocess.run(['{slurm.folder}/bin/scancel', '101_0'], start_new_session=True); time.sleep(60)"
    assert run({"unwanted": python(code)}) == {"unwanted": 1}
    assert len(slurm.calls) == 1
    assert missing(last_line("unwanted"), "CANCELLED", "--retry") == []


def test_a_program_that_a_node_does_not_have_ends_with_what_the_node_said(slurm: FakeSlurm) -> None:
    assert run({"arm": python("")}, set_up=("echo nothing here", "exit 1")) == {"arm": 1}
    assert "nothing here" in last_line("arm")


def test_arms_that_end_are_seen_while_slurm_does_not_answer(slurm: FakeSlurm) -> None:
    silent = slurm.folder / "silent"
    code = f"import pathlib; pathlib.Path({str(silent)!r}).touch()"
    assert run({"one": python(code), "two": python("raise SystemExit(4)")}) == {"one": 0, "two": 4}
    assert silent.exists()


def test_ctrl_c_cancels_what_runs(slurm: FakeSlurm) -> None:
    def stop(name: str, status: int) -> None:
        raise KeyboardInterrupt

    given = {"first": python("import pathlib\nwhile not pathlib.Path('pid').exists(): pass"), "waiting": python(WAIT, "pid")}
    with pytest.raises(KeyboardInterrupt):
        executor().run(given, logs([*given]), stop)
    assert slurm.queue == []
    _wait_for_end(Path("pid"))


def test_tasks_that_a_killed_run_left_are_cancelled_before_their_commands_start_again(slurm: FakeSlurm) -> None:
    given = {"first": python(WAIT, "first.pid"), "other": python(WAIT, "other.pid")}
    code = f"""
from pathlib import Path
from bench.executors.slurm import Slurm
Slurm(poll_s=0.02).run({given!r}, {{name: Path("results", name, "worker.log") for name in {[*given]}}}, lambda *_: None)
"""
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        while not all(Path(name).exists() and Path(name).read_text() for name in ("first.pid", "other.pid")):
            assert parent.poll() is None
        parent.send_signal(signal.SIGKILL)
    assert len(slurm.queue) == 2
    assert run({"first": python("")}) == {"first": 0}
    _wait_for_end(Path("first.pid"))
    assert [one.rpartition(",")[2] for one in slurm.queue if ",101_" in one] == ["101_1"]
    commands.cancel_tasks(["101_1"])
    _wait_for_end(Path("other.pid"))


def test_a_run_that_joins_leaves_the_tasks_of_a_run_at_work(slurm: FakeSlurm) -> None:
    waits = python("import pathlib, time\nwhile not pathlib.Path('end').exists(): time.sleep(0.01)")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, {"arm": waits})
        while not slurm.queue:
            assert not first.done()
            time.sleep(0.01)
        assert run({"arm": python("")}) == {"arm": 0}
        Path("end").touch()
        assert first.result() == {"arm": 0}
    assert len(slurm.calls) == 2
    assert not Path("results/slurm").exists()


def test_a_task_that_is_requeued_after_its_end_does_not_run_again(tmp_path: Path) -> None:
    task.write_commands(tmp_path, [("arm", python(f"open({str(tmp_path / 'ran')!r}, 'a').write('x')"), tmp_path / "arm" / "worker.log")])
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert [task.main(tmp_path, 0, 0.0), task.main(tmp_path, 0, 0.0)] == [0, 0]
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "ran").read_text() == "x"
    assert task.read_status(tmp_path, 0) == 0


def test_a_task_that_makes_no_progress_is_stopped_and_its_status_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "POLL_S", 0.01)
    log = tmp_path / "arm" / "worker.log"
    task.write_commands(tmp_path, [("arm", python("import time; time.sleep(600)"), log)])
    before = signal.getsignal(signal.SIGTERM)
    try:
        task.main(tmp_path, 0, 0.001)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert task.read_status(tmp_path, 0) == watchdog.STALLED
    assert log.read_text().strip().startswith("stopped")


def test_the_task_of_a_command_gets_the_minutes_without_progress(slurm: FakeSlurm) -> None:
    shown = python("import os; print(open(f'/proc/{os.getppid()}/cmdline').read().split(chr(0))[-2])")
    assert run({"shown": shown}, stalled_minutes=7.5) == {"shown": 0}
    assert last_line("shown") == "7.5"


def test_a_machine_without_slurm_and_a_refusal_are_one_line_each(slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm.refuse("sbatch: error: no partition none\nsbatch: error: submission failed\n")
    with pytest.raises(BenchError) as refused:
        run({"arm": python("")}, partition="none")
    (line,) = str(refused.value).splitlines()
    assert missing(line, "slurm", "sbatch", "no partition none", "submission failed") == []
    assert "error" not in line
    assert not [*Path("results/slurm").iterdir()]
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchError) as absent:
        run({"arm": python("")})
    assert missing(str(absent.value), "slurm", "sbatch", "squeue", "scancel") == []


def test_stopped_commands_are_submitted_again_until_slurm_has_refused_them_too_often(slurm: FakeSlurm) -> None:
    code = f"import pathlib; pathlib.Path({str(slurm.folder / 'refuse')!r}).write_text('no'); raise SystemExit({AGAIN})"
    looks: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        submit = commands.submit

        def counted(*arguments: object) -> str:
            looks.append(1)
            return submit(*arguments)  # type: ignore[arg-type]

        patch.setattr(commands, "submit", counted)
        with pytest.raises(BenchError, match="sbatch: no"):
            run({"arm": python(code)})
    assert len(looks) == 1 + REFUSALS


def _wait_for_end(pid: Path) -> None:
    """Wait until the process that wrote this file has ended."""
    number = int(pid.read_text())
    assert has_ended(number)
