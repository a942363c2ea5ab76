"""A real SLURM on this machine: one node, munge, and no accounting. `make test-slurm` installs it and runs this file."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from bench.errors import BenchError
from bench.execution import ledger
from bench.execution.job import REPEATED
from bench.executors import _slurm_commands as slurm
from bench.executors import _slurm_task as slurm_task
from bench.executors.slurm import Slurm
from tests.execution.fake_worker import SUITE, records

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scancel", "scontrol")
MISSING = [name for name in NEEDED if not shutil.which(name)]

pytestmark = [
    pytest.mark.skipif("BENCH_SLURM" not in os.environ, reason="`make test-slurm` runs these tests"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="slurmd has to be started by root"),
]

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
JobRequeue=1
KillWait=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""

MEASURED = ("s", "kWh")
"""Units whose quantity is another one each time."""

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Prints a line, whatever pytest captures."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", flush=True)

    return line


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a SLURM that runs. Its daemons end with the tests."""
    folder = tmp_path_factory.mktemp("slurm")
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = one.getsockname()[1], other.getsockname()[1]
    text = CONF.format(host=socket.gethostname().split(".")[0], folder=folder, ports=ports, cpus=os.cpu_count())
    (folder / "slurm.conf").write_text(text)
    files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        try:
            start("munged", "--force", f"--key-file={key}", *(f"--{name}={folder}/munge.{end}" for name, end in files.items()))
            folder.chmod(0o755)
            start("slurmctld")
            time.sleep(1)
            start("slurmd")
            until(lambda: "idle" in ask("sinfo", "--noheader", "--format=%T"), "no idle node", 60)
            yield folder
        finally:
            for name in ("slurmd", "slurmctld", "munge"):
                stop(folder / f"{name}.pid")


def start(*command: str) -> None:
    """Start a daemon, or skip the test with its reason."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[0]} does not start here: {(done.stderr or done.stdout).strip()}")


def stop(pid_file: Path) -> None:
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        daemon = psutil.Process(int(pid_file.read_text()))
        daemon.terminate()
        daemon.wait(30)


def ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


def until(condition: Callable[[], Any], why: str, seconds: float = 300) -> Any:
    """Wait for something that is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, why
        time.sleep(0.2)
    return found


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def logs(results: Path, names: Sequence[str]) -> dict[str, Path]:
    return {name: results / name / "worker.log" for name in names}


def executor(**settings: object) -> Slurm:
    return Slurm(**{"poll_s": 0.5, "visible_s": 2.0, **settings})  # type: ignore[arg-type]


def bench_run(suite: str | Path, only: str, executor: str, *settings: str, results: Path, cache: Path) -> list[str]:
    """The command that runs arms of a suite. A training writes a checkpoint after each step."""
    options = [word for one in settings for word in ("--executor-set", one)]
    folders = ["--results", str(results), "--cache", str(cache)]
    given = ["run", str(suite), "--only", only, "--device", "cpu", "--executor", executor, *options, "--checkpoint-minutes", "0", *folders]
    return [sys.executable, "-m", "bench", *given]


def paid_and_scored(results: Path) -> dict[str, tuple[str, float | None, list[Any]]]:
    """Arm -> its status, dollars, and rows of charges and scores, without what is measured anew each time."""
    return {
        arm: (
            record.status,
            record.spent_usd,
            [row for row in ledger.rows(results / arm) if row["row"] in ("charge", "score") and row.get("unit") not in MEASURED],
        )
        for arm, record in records(results).items()
    }


def states(results: Path) -> dict[str, str]:
    """Arm -> what it does."""
    found = {}
    for path in results.glob("*/progress.json"):
        with suppress(OSError, ValueError):
            found[path.parent.name] = json.loads(path.read_text(encoding="utf-8"))["what"]
    return found


def run_and_disturb(
    suite: str | Path, only: str, folder: Path, say: Say, disturb: Callable[[Path], str], *settings: str
) -> tuple[Path, str]:
    """Run arms of a suite with `local`, and with `slurm` while something disturbs it. Scores and charges have to be the same.

    Return the results folder of slurm, and what `disturb` returned, which is the name of the arm.
    """
    local, results, cache = folder / "local" / "smoke", folder / "slurm" / "smoke", folder / "cache"
    subprocess.run(bench_run(suite, only, "local", results=local.parent, cache=cache), check=True, capture_output=True)
    begun = time.monotonic()
    command = bench_run(suite, only, "slurm", "poll_s=1", "visible_s=2", *settings, results=results.parent, cache=cache)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bench:
        disturbed = disturb(results)
        printed, _ = bench.communicate(timeout=3600)
    for line in printed.splitlines():
        if line.startswith("["):
            say(line)
    assert bench.returncode == 0
    assert paid_and_scored(results) == paid_and_scored(local)
    assert not (results / "slurm").exists()
    say(f"{len(records(results))} arms in {time.monotonic() - begun:.0f} s; scores and charges are those of local")
    return results, disturbed


def task_of(results: Path, arm: str) -> tuple[str, str]:
    """Return the array and the id of the task that runs an arm."""
    arrays = {path.name: [task["name"] for task in slurm_task.read_commands(path)] for path in (results / "slurm").glob("bench-*")}
    return next((array, task) for (array, index), task in slurm.queued(arrays).items() if arrays[array][index] == arm)


def requeue(array: str, task: str, say: Say) -> None:
    """Have SLURM put a running task back into the queue, and start it at once."""
    say(f"scontrol requeue {task} {ask('scontrol', 'requeue', task).strip()}")
    until(lambda: f"{task} PENDING" in ask("squeue", "--noheader", "--array", f"--name={array}", "--format=%i %T"), "not requeued")
    say(ask("squeue", "--noheader", "--array", f"--name={array}", "--format=%i %T %r").strip().replace("\n", ", "))
    say(f"scontrol update StartTime=now {ask('scontrol', 'update', f'JobId={task}', 'StartTime=now').strip()}")


def test_smoke_has_the_same_scores_and_charges_as_with_local_although_a_task_is_requeued(cluster: Path, tmp_path: Path, say: Say) -> None:
    def disturb(results: Path) -> str:
        arm = until(lambda: next(iter(states(results)), ""), "no arm begins", 1800)
        requeue(*task_of(results, arm), say)
        return str(arm)

    results, arm = run_and_disturb(SUITE, "*", tmp_path, say, disturb)
    assert records(results)[arm].status == "done"


def test_an_arm_that_runs_out_of_time_continues_with_the_same_scores_and_charges(cluster: Path, tmp_path: Path, say: Say) -> None:
    """A training is halted until its time is over. SLURM then ends the task, and the training continues in another one."""
    suite = tmp_path / "smoke.yaml"
    suite.write_text(Path(SUITE).read_text(encoding="utf-8").replace("epochs: 1", "epochs: 1, batch_size: 1"), encoding="utf-8")

    def disturb(results: Path) -> str:
        arm = until(
            lambda: next((arm for arm, what in states(results).items() if what == "training" and steps(results)), ""), "no arm trains", 1800
        )
        workers = (one for one in psutil.process_iter(["cmdline"]) if "bench.execution.worker" in (one.info["cmdline"] or ()))
        (worker,) = (one for one in workers if arm in one.info["cmdline"])
        worker.suspend()
        _, task = task_of(results, arm)
        say(f"halted: {arm}, training; checkpoints {steps(results)}; limit of {task} is now a minute")
        ask("scontrol", "update", f"JobId={task}", "TimeLimit=1")
        return str(arm)

    def steps(results: Path) -> list[str]:
        return [path.name for path in results.glob("store/*/*.unfinished/step-*[0-9]")]

    results, arm = run_and_disturb(suite, "*annotate*", tmp_path, say, disturb, "time_minutes=600")
    log = (results / arm / "worker.log").read_text(encoding="utf-8")
    stops = [line for line in log.splitlines() if "(TIMEOUT" in line]
    for line in stops:
        say(line)
    assert stops
    repeated = {arm: record.facts[REPEATED] for arm, record in records(results).items() if REPEATED in record.facts}
    say(f"seconds of repeated work: {repeated}")


def test_a_requeued_task_runs_again_and_its_end_is_seen(cluster: Path, tmp_path: Path, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os, pathlib, time
restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
pathlib.Path("starts").open("a").write(restarts + "\\n")
print("restarts:", restarts, flush=True)
while restarts == "0":
    time.sleep(0.1)
"""
    results, ended = tmp_path / "results", dict[str, int]()
    monkeypatch.chdir(tmp_path)
    runs = Thread(target=executor().run, args=({"arm": python(code)}, logs(results, ["arm"]), ended.__setitem__))
    runs.start()
    until((tmp_path / "starts").exists, "the task does not start")
    (array,) = (path.name for path in (results / "slurm").glob("bench-*"))
    (task,) = slurm.queued([array]).values()
    requeue(array, task, say)
    runs.join(300)
    assert ended == {"arm": 0}
    say((results / "arm" / "worker.log").read_text().strip().replace("\n", ", "))
    assert (tmp_path / "starts").read_text().split() == ["0", "1"]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="two tasks run at the same time")
def test_a_run_that_joins_leaves_the_tasks_of_a_run_at_work(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results, ended = tmp_path / "results", {"first": dict[str, int](), "other": dict[str, int]()}
    waits = python("import pathlib, time\npathlib.Path('begun').touch()\nwhile not pathlib.Path('end').exists(): time.sleep(0.1)")
    first = Thread(target=executor().run, args=({"arm": waits}, logs(results, ["arm"]), ended["first"].__setitem__))
    first.start()
    until((tmp_path / "begun").exists, "the task does not start")
    executor().run({"arm": python("")}, logs(results, ["arm"]), ended["other"].__setitem__)
    (tmp_path / "end").touch()
    first.join(300)
    assert ended == {"first": {"arm": 0}, "other": {"arm": 0}}
    assert not (results / "slurm").exists()


def test_ctrl_c_leaves_nothing_in_the_queue(cluster: Path, tmp_path: Path) -> None:
    def stop(name: str, status: int) -> None:
        raise KeyboardInterrupt

    given = {"first": python(""), "other": python("import time; time.sleep(600)"), "third": python("import time; time.sleep(600)")}
    with pytest.raises(KeyboardInterrupt):
        executor().run(given, logs(tmp_path, [*given]), stop)
    until(lambda: not ask("squeue", "--noheader").strip(), "tasks are left", 30)


def test_what_slurm_refuses_is_its_own_line(cluster: Path, tmp_path: Path, say: Say) -> None:
    with pytest.raises(BenchError) as caught:
        executor(partition="none").run({"arm": python("")}, logs(tmp_path, ["arm"]), lambda *_: None)
    say(str(caught.value))
    assert len(str(caught.value).splitlines()) == 1
    assert "invalid partition" in str(caught.value).lower()


def test_a_killed_task_and_a_failed_one_end_as_they_do_with_local(cluster: Path, tmp_path: Path) -> None:
    killed = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    given, ended = {"good": python(""), "bad": python("raise SystemExit(3)"), "killed": python(killed)}, dict[str, int]()
    executor().run(given, logs(tmp_path, [*given]), ended.__setitem__)
    assert ended == {"good": 0, "bad": 3, "killed": -9}
