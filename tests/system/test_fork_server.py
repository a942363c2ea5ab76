"""Processes that are forks of one that has imported their module, with real processes of small modules."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.system.fork_server import ForkServer
from bench.system.watchdog import STALLED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forks on Linux alone")

Run = Callable[..., dict[str, int]]


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """Folder of modules, beside the current folder."""
    folder = tmp_path / "modules"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(modules: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(modules), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.fixture
def run(tmp_path: Path, modules: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Function: (source of a module, arguments of each process) -> number of the process -> its exit status."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(source: str, *processes: tuple[str, ...]) -> dict[str, int]:
        (modules / "one.py").write_text(textwrap.dedent(source))
        with ForkServer(environment) as server:
            for i, arguments in enumerate(processes or [()]):
                server.start(str(i), python("one", *arguments), Path(f"{i}.log"))
            return dict(server.next_ended() for _ in processes or [()])

    return run


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", *arguments]


def log(name: str = "0") -> str:
    return Path(f"{name}.log").read_text()


def test_the_module_is_prepared_once_in_the_parent_and_runs_as_main(run: Run) -> None:
    source = """
    import os, pathlib, sys
    import shared

    def before_fork(arguments):
        shared.prepared.append((os.getpid(), list(arguments)))

    if __name__ == "__main__":
        ((pid, arguments),) = shared.prepared
        print(pid == os.getppid(), arguments, sys.argv[1:], os.path.basename(sys.argv[0]), len(os.listdir("/proc/self/task")))
    """
    Path("../modules/shared.py").write_text("prepared = []")
    assert run(source, ("a", "b"), ("c",)) == {"0": 0, "1": 0}
    assert log("0").split("\n")[0] == "True ['a', 'b'] ['a', 'b'] one.py 1"
    assert log("1").split("\n")[0] == "True ['a', 'b'] ['c'] one.py 1"


def test_a_process_can_have_more_variables_than_the_others(
    tmp_path: Path, modules: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (modules / "one.py").write_text("import os\nif __name__ == '__main__': print(os.environ.get('BENCH_MORE'), os.environ['BENCH_ALL'])")
    with ForkServer({**environment, "BENCH_ALL": "all"}) as server:
        for name, command in {"fork": python("one"), "exec": [sys.executable, str(modules / "one.py")]}.items():
            server.start(name, command, Path(f"{name}.log"), {"BENCH_MORE": name})
            server.start(f"plain-{name}", command, Path(f"plain-{name}.log"))
        assert [server.next_ended()[1] for _ in range(4)] == [0] * 4
    assert {name: log(name).strip() for name in ("fork", "plain-fork", "exec", "plain-exec")} == {
        "fork": "fork all",
        "plain-fork": "None all",
        "exec": "exec all",
        "plain-exec": "None all",
    }


@pytest.mark.parametrize("forked", [True, False])
def test_a_process_that_makes_no_progress_is_stopped(tmp_path: Path, modules: Path, environment: dict[str, str], forked: bool) -> None:
    (modules / "one.py").write_text(WAIT)
    command = python("one", str(tmp_path / "pid")) if forked else [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    with ForkServer(environment, stalled_minutes=0.01) as server:
        server.start("stalled", command, tmp_path / "stalled" / "log")
        assert server.next_ended() == ("stalled", STALLED)
    assert (tmp_path / "stalled" / "log").read_text().strip().startswith("stopped")


def test_the_current_folder_is_not_on_the_path_of_imports(run: Run) -> None:
    Path("json.py").write_text("raise SystemExit(7)")
    assert run("import json, sys, os; print(json.dumps(['', os.getcwd()]), any(p in ('', os.getcwd()) for p in sys.path))") == {"0": 0}
    assert log().split()[-1] == "False"


@pytest.mark.parametrize(
    ("body", "status", "last"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no more')", 1, "no more"),
        ("raise ValueError('odd')", 1, "ValueError: odd"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("import atexit; atexit.register(print, 'at exit')", 0, "at exit"),
        ("import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()", 0, "late"),
    ],
)
def test_a_fork_ends_as_a_process_of_its_own_would(run: Run, body: str, status: int, last: str) -> None:
    assert run(f"if __name__ == '__main__':\n    {body}") == {"0": status}
    assert log().strip().split("\n")[-1] == last


def test_ctrl_c_interrupts_a_fork_as_it_does_python(run: Run) -> None:
    source = """
    import os, signal
    if __name__ == "__main__":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where the tests run with SIGINT ignored
        os.kill(os.getpid(), signal.SIGINT)
    """
    assert run(source) == {"0": -signal.SIGINT}
    assert log().strip().split("\n")[-1] == "KeyboardInterrupt"


def test_a_module_printing_as_it_is_imported_prints_once_for_each_process(run: Run) -> None:
    assert run("print('imported')", (), ()) == {"0": 0, "1": 0}
    assert [log("0").split(), log("1").split()] == [["imported"]] * 2


@pytest.mark.parametrize(
    "prepare",
    ["raise ImportError", "raise SystemExit(9)", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"],
)
def test_where_a_fork_would_not_be_safe_the_process_starts_from_nothing(run: Run, prepare: str) -> None:
    source = f"""
    import os, sys, threading, time
    prepared = []

    def before_fork(arguments):
        sys.prepared = True
        {prepare}

    if __name__ == "__main__":
        print(hasattr(sys, "prepared"), sys.argv[1:])
        sys.exit(4)
    """
    assert run(source, ("a",), ("b",)) == {"0": 4, "1": 4}
    assert [log("0"), log("1")] == ["False ['a']\n", "False ['b']\n"]


def test_a_process_that_cannot_be_forked_fails_alone_and_its_log_says_why(run: Run) -> None:
    source = """
    import errno, os
    fork = os.fork

    def refuse():
        os.fork = fork
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def before_fork(arguments):
        os.fork = refuse
    """
    assert run(source, (), ()) == {"0": 1, "1": 0}
    assert log("0").strip().endswith(os.strerror(errno.EAGAIN))
    assert log("1") == ""


def test_a_module_that_cannot_be_imported_says_so_in_the_log(run: Run) -> None:
    assert run("import nothing_of_this_name") == {"0": 1}
    assert "nothing_of_this_name" in log().strip().split("\n")[-1]


WAIT = """
import os, pathlib, sys, time
if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(600)
"""
"""Writes its process number, and does not care whether its parent is there."""


def written(path: Path) -> psutil.Process:
    """The process that writes its number to a file."""
    while not (path.exists() and path.read_text()):
        time.sleep(0.01)
    return psutil.Process(int(path.read_text()))


def gone(*processes: psutil.Process) -> bool:
    return not psutil.wait_procs(processes, timeout=60)[1]


def test_where_the_block_ends_early_no_process_is_left(tmp_path: Path, modules: Path, environment: dict[str, str]) -> None:
    (modules / "one.py").write_text(WAIT)
    with ForkServer(environment) as server:
        server.start("waits", python("one", str(tmp_path / "pid")), tmp_path / "log")
        process = written(tmp_path / "pid")
        parent = process.parent()
    assert parent
    assert gone(process, parent)


def test_where_the_server_is_killed_its_processes_fail_and_the_next_ones_run(
    tmp_path: Path, modules: Path, environment: dict[str, str]
) -> None:
    (modules / "one.py").write_text(WAIT.replace("time.sleep(600)", "os.read(0, 1)"))
    (modules / "other.py").write_text("import sys\nif __name__ == '__main__': sys.exit(5)")
    with ForkServer(environment) as server:
        for name in ("a", "b"):
            server.start(name, python("one", str(tmp_path / name)), tmp_path / "log")
        processes = [written(tmp_path / name) for name in ("a", "b")]
        (parent,) = {process.parent() for process in processes}
        assert parent
        parent.kill()
        assert sorted(server.next_ended() for _ in range(2)) == [("a", -signal.SIGKILL), ("b", -signal.SIGKILL)]
        assert gone(*processes)
        server.start("c", python("other"), tmp_path / "log")
        assert server.next_ended() == ("c", 5)


def test_a_parent_that_is_killed_leaves_no_process(tmp_path: Path, modules: Path, environment: dict[str, str]) -> None:
    (modules / "one.py").write_text(WAIT)
    code = f"""
import os
from pathlib import Path
from bench.system.fork_server import ForkServer
from bench.system.watchdog import STALLED
with ForkServer(os.environ) as server:
    for name in ("a", "b"):
        server.start(name, {python("one")!r} + [name], Path(name + ".log"))
    server.next_ended()
"""
    with subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=tmp_path) as parent:
        processes = [written(tmp_path / name) for name in ("a", "b")]
        server = processes[0].parent()
        os.kill(parent.pid, signal.SIGKILL)
    assert server
    assert gone(*processes, server)
