"""The Ray executor without Ray: a stand-in for the package runs each task in a thread of this process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from bench import registry
from bench.contracts import AGAIN, PARENT_PIPE
from bench.errors import BenchError
from bench.executors._ray_task import run_command
from bench.executors.ray import Ray
from bench.system import watchdog
from bench.system.watchdog import STALLED


class RayError(Exception):
    pass


class RayTaskError(RayError):
    pass


class FakeRay:
    """The functions of the package that the executor uses, on one node with one CPU."""

    def __init__(self) -> None:
        self.exceptions = SimpleNamespace(RayTaskError=RayTaskError)
        self.asked: list[dict[str, Any]] = []
        """Options of tasks and of the connection."""
        self.cancelled, self.cancelling = 0, threading.Event()
        self.fails: Callable[[str], Exception | None] = lambda log: None
        """Gives the error with which the next start of a command ends."""
        self._node = ThreadPoolExecutor(1)

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0}}]

    def init(self, **options: object) -> None:
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        self.asked.append(options)

    def remote(self, **options: object) -> Callable[[Callable[..., int | str]], Any]:
        self.asked.append(options)

        def start(function: Callable[..., int | str], *arguments: Any) -> Any:
            future = self._node.submit(self._run, function, *arguments)
            return SimpleNamespace(future=lambda: future, cancel=future.cancel)

        return lambda function: SimpleNamespace(remote=lambda *arguments: start(function, *arguments))

    def _run(self, function: Callable[..., int | str], command: Sequence[str], log: str, *arguments: Any) -> int | str:
        if error := self.fails(Path(log).parent.name):
            raise error
        return function(command, log, *arguments)

    def cancel(self, task: Any, force: bool) -> None:
        task.cancel()
        self.cancelled += force
        self.cancelling.set()

    def wait(self, tasks: list[Any], num_returns: int, timeout: float) -> None:
        assert len(tasks) == num_returns

    def shutdown(self) -> None:
        self._node.shutdown()
        self.asked.append({})


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def log(name: str) -> Path:
    return Path("logs") / name / "worker.log"


def run(commands: dict[str, Sequence[str]], **settings: object) -> dict[str, int]:
    """Name -> exit status."""
    ended: dict[str, int] = {}
    Ray(**settings).run(commands, {name: log(name) for name in commands}, ended.__setitem__)  # type: ignore[arg-type]
    return ended


def test_it_stands_on_the_shelf_of_executors() -> None:
    assert registry.find("executors", "ray") is Ray


@pytest.mark.parametrize("wrong", [{"cpus_per_arm": 0}, {"gpus_per_arm": -1}, {"retries": -1}, {"stalled_minutes": -1}, {"gpu": 1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Ray(**wrong)  # type: ignore[arg-type]


def test_without_the_package_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BenchError, match=r"pip install 'costbench\[ray\]'") as refused:
        run({"one": python("")})
    assert "\n" not in str(refused.value)


def test_nothing_is_imported_for_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run({}) == {}


@pytest.mark.parametrize("error", [ConnectionError, RuntimeError, ValueError])
def test_where_no_cluster_answers_one_line_names_the_address(
    fake: FakeRay, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refuse(**_: object) -> None:
        raise error("no answer\nand more")

    monkeypatch.setattr(fake, "init", refuse)
    with pytest.raises(BenchError, match=r"'10\.0\.0\.1:6379' \(no answer\)") as refused:
        run({"one": python("")}, address="10.0.0.1:6379")
    assert "`ray start --head`" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_each_command_ends_under_its_name_and_the_cluster_is_left(fake: FakeRay) -> None:
    commands = {"good": python("print('fine')"), "bad": python("raise SystemExit(3)")}
    assert run(commands, cpus_per_arm=2, gpus_per_arm=0.5, address="here") == {"good": 0, "bad": 3}
    first, task, last = fake.asked
    assert first["address"] == "here"
    assert task == {"num_cpus": 2, "num_gpus": 0.5, "max_retries": 0}
    assert last == {}
    assert log("good").read_text() == "fine\n"


def test_a_command_that_asks_for_it_is_started_again_after_the_others(fake: FakeRay) -> None:
    postponed = python(f"import pathlib, sys; seen = pathlib.Path('seen'); sys.exit(seen.exists() or seen.touch() or {AGAIN})")
    assert list(run({"postponed": postponed, "a": python(""), "b": python("")}).items()) == [("a", 0), ("b", 0), ("postponed", 1)]


@pytest.mark.parametrize(("retries", "status"), [(2, 0), (1, 1)])
def test_a_command_whose_node_dies_is_started_again_and_its_log_says_so(fake: FakeRay, retries: int, status: int) -> None:
    deaths = iter([RayError("The node died.\nDetails"), RayError("The worker died.")])
    fake.fails = lambda name: next(deaths, None) if name == "unlucky" else None
    assert run({"unlucky": python("print('alive')"), "other": python("")}, retries=retries) == {"unlucky": status, "other": 0}
    lines = log("unlucky").read_text().split("\n")
    assert [line.split(": ")[1] for line in lines if ": " in line] == ["The node died.", "The worker died."]
    assert ("alive" in lines) == (status == 0)
    assert lines[-2].endswith("alive" if status == 0 else "The worker died.")


@pytest.mark.parametrize(
    ("settings", "waits"), [({}, 0), ({"cpus_per_arm": 2, "gpus_per_arm": 1}, 0), ({"cpus_per_arm": 3}, 1), ({"gpus_per_arm": 2}, 1)]
)
def test_where_no_node_is_large_enough_one_line_says_so(
    fake: FakeRay, capsys: pytest.CaptureFixture[str], settings: dict[str, object], waits: int
) -> None:
    run({"one": python("")}, **settings)
    assert len(capsys.readouterr().err.splitlines()) == waits


def test_a_node_that_cannot_run_bench_ends_the_run_with_one_line(fake: FakeRay) -> None:
    fake.fails = lambda name: RayTaskError("Traceback\n  File x\nModuleNotFoundError: No module named 'bench'")
    with pytest.raises(BenchError, match="ModuleNotFoundError") as refused:
        run({"one": python(""), "two": python("")})
    assert "\n" not in str(refused.value)
    assert fake.asked[-1] == {}


def test_a_program_that_a_node_lacks_ends_the_run_with_one_line(fake: FakeRay) -> None:
    with pytest.raises(BenchError, match="/no/such/python"):
        run({"one": ["/no/such/python"]})


def test_what_ends_the_run_cancels_its_tasks(fake: FakeRay) -> None:
    def stop(name: str, status: int) -> None:
        raise KeyboardInterrupt

    fake.fails = lambda name: None if name == "first" else RayError(str(fake.cancelling.wait(60)))
    commands = {name: python("") for name in ("first", "second", "third")}
    with pytest.raises(KeyboardInterrupt):
        Ray().run(commands, {name: log(name) for name in commands}, stop)
    assert fake.cancelled == 2
    assert fake.asked[-1] == {}


TASK: dict[str, Any] = {"folder": ".", "environment": {}, "threads": 1, "stalled_minutes": 0.0}


def test_a_process_has_the_variables_of_its_node_before_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").touch()
    monkeypatch.setenv("BENCH_BOTH", "node")
    names = ["BENCH_BOTH", "BENCH_ONE", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", PARENT_PIPE]
    code = f"import os; print(*(os.environ[name] for name in {names}), os.getcwd())"
    given = {"environment": {"BENCH_BOTH": "run", "BENCH_ONE": "run"}, "threads": 3, "folder": str(tmp_path.parent)}
    assert run_command(python(code), str(tmp_path / "log"), **{**TASK, **given}) == 0
    assert (tmp_path / "log").read_text().split() == ["node", "run", "3", "false", "1", str(tmp_path.parent)]


def test_a_log_that_a_node_does_not_see_is_not_made_there(tmp_path: Path) -> None:
    result = run_command(python(""), str(tmp_path / "elsewhere"), **TASK)
    assert isinstance(result, str)
    assert "elsewhere" in result
    assert not (tmp_path / "elsewhere").exists()


def test_a_process_killed_by_a_signal_and_one_without_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "POLL_S", 0.02)
    (tmp_path / "log").touch()
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert run_command(python(killed), str(tmp_path / "log"), **TASK) == -9
    stalls = python("import time; time.sleep(600)")
    assert run_command(stalls, str(tmp_path / "log"), **{**TASK, "stalled_minutes": 0.001}) == STALLED
    assert (tmp_path / "log").read_text().strip().startswith("stopped")


def test_a_task_that_is_interrupted_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").touch()
    started: list[subprocess.Popen[bytes]] = []

    def interrupt(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        started.append(process)
        if len(started) == 1:
            raise KeyboardInterrupt
        return wait(process, timeout)

    wait = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_command(python("import time; time.sleep(600)"), str(tmp_path / "log"), **TASK)
    assert started[0].returncode == -9
