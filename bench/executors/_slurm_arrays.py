"""The SLURM job arrays of one run: what is submitted, what has ended, and what is submitted again.

    results/<suite>/slurm/<array>/commands.jsonl, job.sh     what the tasks of an array run
    results/<suite>/slurm/<array>/<index>.status             how a task ended, written by itself; see _slurm_task.py
    results/<suite>/slurm/<run>.lease                        held while the run is at work; <array> is bench-<suite>-<run>-<number>

A task has ended when its status is there, whatever SLURM remembers. A task that has left the queue without a status was stopped.
"""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.contracts import AGAIN
from bench.errors import BenchError
from bench.executors import _slurm_commands as slurm
from bench.executors import _slurm_task as slurm_task
from bench.executors._slurm_commands import Place
from bench.system import leases
from bench.system.files import write_text
from bench.system.leases import Lease
from bench.system.results_folder import BILL

TASKS = 1000
"""Most tasks of one array. SLURM's own limit, MaxArraySize, is 1001 unless a cluster sets another one."""

REFUSALS = 10
"""Refusals in a row after which stopped commands are not submitted again. A controller that restarts refuses for a minute or two."""

CANCEL_S = 120.0
"""Seconds in which tasks of an earlier run have to end after they are cancelled."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command in the queue."""

    folder: Path
    """Folder of its array, which has the array's name."""
    job: str
    """Id of the array in SLURM."""
    index: int

    @property
    def array(self) -> str:
        """Name of its array, which SLURM calls the name of the job."""
        return self.folder.name


@dataclass(kw_only=True)
class Arrays:
    """The arrays of one run, and the commands that wait or run in them."""

    results: Path
    commands: Mapping[str, Sequence[str]]
    """Name -> argv."""
    logs: Mapping[str, Path]
    options: Sequence[str]
    """Options of sbatch."""
    environment: Mapping[str, str]
    """Variables that the tasks have besides those of this process."""
    set_up: Sequence[str]
    """Lines of bash that each task runs first."""
    at_a_time: int | None
    """Tasks of an array that run at the same time."""
    poll_s: float
    visible_s: float
    """Seconds after which a file that another machine wrote is visible."""
    stalled_minutes: float
    """Minutes without progress after which a command is stopped; see `watchdog.Watchdog`."""
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    """Random name of this run."""
    tasks: dict[str, Task] = field(default_factory=dict)
    """Commands that wait or run, each with its task."""
    again: list[str] = field(default_factory=list)
    """Commands to be submitted again."""
    _folders: list[Path] = field(default_factory=list)
    _missing_since: dict[str, float] = field(default_factory=dict)
    _kept: dict[str, frozenset[Path]] = field(default_factory=dict)
    """Command -> what the store held when it was stopped last."""
    _refusals: int = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Hold the lease of this run inside the block, so that other runs leave its arrays alone."""
        with leases.hold(self._lease(self.run)):
            yield
        with suppress(OSError):  # another run has files there
            (self.results / "slurm").rmdir()

    def _lease(self, run: str) -> Path:
        return self.results / "slurm" / f"{run}.lease"

    def submit(self, names: Sequence[str]) -> None:
        """Submit commands as one array, or as several where there are too many for one. Raises Unanswered where SLURM refuses."""
        for start in range(0, len(names), TASKS):
            chunk = names[start : start + TASKS]
            folder = self._folder(chunk)
            limit = f"%{self.at_a_time}" if self.at_a_time else ""
            own = {
                "job-name": folder.name,
                "array": f"0-{len(chunk) - 1}{limit}",
                "output": f"{str(folder).replace('%', '%%')}/%a.log",
                "chdir": Path.cwd(),
                "open-mode": "append",
                "export": "ALL",
            }
            options = ["--requeue", *(f"--{name}={value}" for name, value in own.items()), *self.options]
            try:
                job = slurm.submit(folder / "job.sh", options, self.environment)
            except BaseException:
                slurm.cancel([folder.name])  # it may be in the queue, although the answer is lost
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self.tasks |= {name: Task(folder=folder, job=job, index=index) for index, name in enumerate(chunk)}

    def _folder(self, names: Sequence[str]) -> Path:
        """Make the folder of an array: the commands, and the script that each task runs."""
        name = "-".join(["bench", re.sub(r"[^\w.-]", "_", self.results.name), self.run, str(len(self._folders))])
        folder = self.results / "slurm" / name
        folder.mkdir(parents=True)
        self._folders.append(folder)
        slurm_task.write_commands(folder, ((name, self.commands[name], self.logs[name]) for name in names))
        run = shlex.join([sys.executable, "-P", "-m", slurm_task.__name__, str(folder), str(self.stalled_minutes)])
        write_text(folder / "job.sh", "\n".join(["#!/bin/bash", *self.set_up, f"exec {run}", ""]))
        return folder

    def look(self) -> Iterator[tuple[str, int]]:
        """Yield the commands that have ended, each with its exit status, and submit again those that have to.

        Raises Unanswered where SLURM refuses them too often.
        """
        queued: dict[Place, str] | None = None
        with suppress(slurm.Unanswered):  # perhaps the controller restarts; what has ended is still seen in the folder
            queued = slurm.queued({task.array for task in self.tasks.values()}) if self.tasks else {}
        for name, task in list(self.tasks.items()):
            status = slurm_task.read_status(task.folder, task.index)
            if status is None:
                if not self._is_missing(name, queued):
                    continue
                status = self._stopped(name)
            del self.tasks[name]
            if status == AGAIN:
                self.again.append(name)
            else:
                yield name, status
        self._submit_again()

    def _is_missing(self, name: str, queued: Mapping[Place, str] | None) -> bool:
        """Return whether a task without a status has left the queue long enough ago for a status to be visible."""
        place = self.tasks[name].array, self.tasks[name].index
        if queued is None or place in queued:
            self._missing_since.pop(name, None)
            return False
        since = self._missing_since.setdefault(name, time.monotonic())
        return time.monotonic() - since >= self.visible_s

    def _stopped(self, name: str) -> int:
        """Return AGAIN for a command that SLURM stopped, or 1 where it does not start again. A line in its log says why.

        A command starts again after its first stop. After a later one it does so if the store holds something new since the one before:
        an artifact or a training checkpoint. A command that the user cancelled does not start again.
        """
        task = self.tasks[name]
        self._missing_since.pop(name, None)
        state = slurm.state(f"{task.job}_{task.index}") or "stopped"
        before, self._kept[name] = self._kept.get(name), _kept(self.results)
        status, then = AGAIN, "it is submitted again"
        if state == "CANCELLED":
            status, then = 1, "`bench run --retry` runs it again"
        elif before == self._kept[name]:
            status, then = 1, "the store holds nothing new since it was stopped before; raise time_minutes, or lower --checkpoint-minutes"
        output = task.folder / f"{task.index}.log"
        last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if output.exists() else []
        self.logs[name].parent.mkdir(parents=True, exist_ok=True)
        with self.logs[name].open("a", encoding="utf-8") as log:
            log.write(f"SLURM ended this arm ({': '.join([state, *last])}); {then}\n")
        return status

    def _submit_again(self) -> None:
        if not self.again:
            return
        try:
            self.submit(self.again)
            self._refusals = 0
        except slurm.Unanswered:
            self._refusals += 1
            if self._refusals >= REFUSALS:
                raise
        self.again = [name for name in self.again if name not in self.tasks]

    def remove(self) -> None:
        """Remove the folders of the arrays. Nothing of them is left in the queue."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def cancel_earlier(self) -> None:
        """End tasks that a killed `bench run` left for the same commands, and remove the folders of their arrays.

        Arrays of a run that is at work stay. Raises Unanswered where SLURM does not answer, and BenchError where a task does not end.
        """
        arrays = {path: path.name.rsplit("-", 2)[1] for path in (self.results / "slurm").glob("bench-*")}
        at_work = {run for run in set(arrays.values()) if self._is_at_work(run)}
        earlier = {path: slurm_task.read_commands(path) for path, run in arrays.items() if run not in at_work}
        places = {(path.name, i): path for path, found in earlier.items() for i, task in enumerate(found) if task["name"] in self.commands}
        left, deadline = dict[Place, str](), time.monotonic() + CANCEL_S
        while places:
            left = slurm.queued({array for array, _ in places})
            ids = [task for place, task in left.items() if place in places]
            if not ids:
                break
            if time.monotonic() > deadline:
                raise BenchError(f"executor slurm: tasks of an earlier run do not end: {', '.join(ids)}; end them with scancel")
            slurm.cancel_tasks(ids)
            time.sleep(self.poll_s)
        for path in set(places.values()) - {path for path in earlier if path.name in {array for array, _ in left}}:
            shutil.rmtree(path, ignore_errors=True)

    def _is_at_work(self, run: str) -> bool:
        """Return whether another run is at work. That of another machine is watched for a sign, for up to `leases.EXPIRY_S` seconds."""
        lease = Lease(self._lease(run), renewed=False)
        while not lease.take():
            if lease.holder_is_alive:
                return True
            time.sleep(min(self.poll_s, leases.BEAT_S))
        lease.release()
        return False


def _kept(results: Path) -> frozenset[Path]:
    """Return what survives in the store when a process is stopped: artifacts, and checkpoints of unfinished trainings."""
    found = (path for pattern in (f"*/*/{BILL}", "*/*.unfinished/step-*") for path in (results / "store").glob(pattern))
    return frozenset(path for path in found if ".part" not in (path.suffix, path.parent.suffix))
