"""What a worker imports before the processes of arms are forked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.contracts import no_progress
from bench.execution import inherited_data
from bench.suite import suite_file
from bench.tasks.files import Files
from tests.execution.fake_worker import SUITE

CODE = """
import json, os, sys
import pynvml, torch

asked, opened = [], 0

def ask(name):
    def answer(*arguments, **settings):
        asked.append(name)
        return False
    return answer

def count(step):
    def answer(*arguments, **settings):
        global opened
        opened += step
    return answer

for name in ("is_available", "device_count", "init", "_lazy_init", "is_bf16_supported", "get_device_capability"):
    setattr(torch.cuda, name, ask(name))
pynvml.nvmlInit, pynvml.nvmlShutdown = count(1), count(-1)

from bench.execution import worker
worker.before_fork(sys.argv[1:])
threads = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1
print(json.dumps([asked, opened, threads, sorted({*worker.USED_LATER, "codecarbon"} - sys.modules.keys())]))
"""


def test_no_gpu_is_asked_for_no_connection_to_its_driver_is_open_and_one_thread_is_left(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, SUITE, "arm", "1", "results", tmp_path, "cuda"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], 0, 1, []]


def test_data_that_was_read_before_the_fork_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inherited_data, "_read", {})
    (task,) = suite_file.read(Path(SUITE)).tasks.values()
    inherited_data.read_before_fork([task], tmp_path)
    found = task.splits(tmp_path, no_progress)
    shorter = task.model_copy(update={"test_examples": 3})
    assert len(inherited_data.splits(shorter, tmp_path, no_progress).test) == 3 < len(found.test)
    monkeypatch.delattr(Files, "splits")
    assert inherited_data.splits(task, tmp_path, no_progress) == found
