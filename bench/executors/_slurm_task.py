"""Runs the command of one task of a SLURM array, and writes how it ended.

    python -P -m bench.executors._slurm_task FOLDER STALLED_MINUTES

    FOLDER/commands.jsonl      a line for each task: {"name": ..., "argv": [...], "log": ...}
    FOLDER/<index>.status      exit status of the command, negative for a signal; written last, atomically
    FOLDER/<index>.log         output of SLURM and of this process

A task that SLURM stops writes no status: its time is over, or another job takes its place.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.system.files import write_text
from bench.system.watchdog import watched

COMMANDS = "commands.jsonl"


def write_commands(folder: Path, commands: Iterable[tuple[str, Sequence[str], Path]]) -> None:
    """Write the (name, argv, log) of each task, by its index."""
    lines = [json.dumps({"name": name, "argv": list(argv), "log": str(log.absolute())}) for name, argv, log in commands]
    write_text(folder / COMMANDS, "\n".join(lines) + "\n")


def read_commands(folder: Path) -> list[Mapping[str, Any]]:
    """Return the tasks by their index; none where the folder holds no commands."""
    path = folder / COMMANDS
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def status_path(folder: Path, index: int) -> Path:
    """Return the path of the exit status of a task."""
    return folder / f"{index}.status"


def read_status(folder: Path, index: int) -> int | None:
    """Return the exit status of a task; None where it has not ended."""
    try:
        return int(status_path(folder, index).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def main(folder: Path, index: int, stalled_minutes: float) -> int:
    """Run a task, unless it has ended before. Return the exit status of this process. stalled_minutes: see `Watchdog`."""
    if read_status(folder, index) is not None:  # SLURM started it again after its end
        return 0
    task = read_commands(folder)[index]
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        if child:
            child.terminate()

    child: subprocess.Popen[bytes] | None = None
    signal.signal(signal.SIGTERM, stop)
    log = Path(task["log"])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(task["argv"], stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603
    if stopped:
        child.terminate()
    status = watched(child, log, stalled_minutes)
    if stopped or status == -signal.SIGTERM:  # SLURM signals the child too, perhaps before this process
        return 128 + signal.SIGTERM
    write_text(status_path(folder, index), str(status))
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(os.environ["SLURM_ARRAY_TASK_ID"]), float(sys.argv[2])))
