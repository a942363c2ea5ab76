"""The first signal stops a command and its processes. The second ends it."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bench.system.signals import STOPPED

CHILD = "import os, pathlib, time; pathlib.Path('child').write_text(str(os.getpid())); time.sleep(100)"

RUNS = f"""
import sys
from pathlib import Path
from bench.executors.local import Local
from bench.system.signals import stoppable
try:
    with stoppable():
        Local(workers=1).run({{"a": [sys.executable, "-c", {CHILD!r}]}}, {{"a": Path("a/worker.log")}}, print)
except KeyboardInterrupt:
    sys.exit("stopped")
"""

CLEANS_UP = """
import pathlib, time
from bench.system.signals import stoppable
with stoppable():
    try:
        pathlib.Path("child").write_text("0")
        time.sleep(100)
    finally:
        pathlib.Path("cleaning").touch()
        time.sleep(100)
"""


GOES_ON = """
import os, pathlib, time
pathlib.Path("child").write_text(str(os.getpid()))
while not pathlib.Path("go").exists():
    time.sleep(0.01)
pathlib.Path("ended").touch()
"""


def started(code: str, folder: Path, ignored: bool = False, group: int | None = None) -> subprocess.Popen[str]:
    """Start a process in `folder`, and wait for its file `child`. ignored: with SIGINT ignored, as a shell starts a background job.

    group: 0 for a process group of its own, as a shell starts a job.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, process_group=group)
    finally:
        signal.signal(signal.SIGINT, before)
    written(folder / "child", process)
    return process


def written(path: Path, process: subprocess.Popen[str]) -> str:
    while not path.exists() or (path.name == "child" and not path.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    return path.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("ignored", [False, True], ids=["foreground", "background"])
def test_one_signal_stops_a_run_and_its_processes(number: signal.Signals, ignored: bool, tmp_path: Path) -> None:
    process = started(RUNS, tmp_path, ignored)
    child = int((tmp_path / "child").read_text())
    process.send_signal(number)
    assert process.communicate()[1] == "stopped\n"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    process = started(CLEANS_UP, tmp_path)
    process.send_signal(signal.SIGTERM)
    written(tmp_path / "cleaning", process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == STOPPED


def test_ctrl_z_stops_the_command_alone_and_fg_continues_it(tmp_path: Path) -> None:
    """Arms measure their time, so they go on."""
    process = started(RUNS.replace(repr(CHILD), repr(GOES_ON)), tmp_path, group=0)
    command, child = psutil.Process(process.pid), psutil.Process(int((tmp_path / "child").read_text()))
    try:
        os.killpg(process.pid, signal.SIGTSTP)
        while command.status() != psutil.STATUS_STOPPED:
            time.sleep(0.01)
        (tmp_path / "go").touch()
        while not (tmp_path / "ended").exists():
            with suppress(psutil.NoSuchProcess):
                assert child.status() != psutil.STATUS_STOPPED
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGCONT)
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
