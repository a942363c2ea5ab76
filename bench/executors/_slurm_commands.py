"""Asks SLURM by its commands: sbatch, squeue, scancel, and scontrol or sacct."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.contracts import PARENT_PIPE
from bench.errors import BenchError

NEEDED = ("sbatch", "squeue", "scancel")
ANSWER_S = 120
"""Seconds after which a command counts as unanswered. SLURM's own limit is 10 to 60 s."""

Place = tuple[str, int]
"""Name of an array, and index of a task in it."""


class Unanswered(BenchError):
    """A command of SLURM failed. The message is that of the command, in one line."""


def require() -> None:
    """Raise BenchError where a command of SLURM is missing."""
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        raise BenchError(
            f"executor slurm: this machine has no {', '.join(missing)}; start bench on a machine of the cluster that has SLURM's commands"
        )


def submit(script: Path, options: Sequence[str], environment: Mapping[str, str]) -> str:
    """Submit a script, and return the id of its job. Raises Unanswered where SLURM refuses.

    `environment` is added to that of this process, and the tasks inherit both.
    """
    answer = _ask("sbatch", "--parsable", *options, str(script), environment={**_environment(), **environment})
    return answer.strip().partition(";")[0]


def queued(arrays: Iterable[str]) -> dict[Place, str]:
    """Return the tasks of these arrays that wait or run, each with its id in SLURM, such as '17_3'. Raises Unanswered."""
    answer = _ask("squeue", "--noheader", "--array", f"--name={','.join(arrays)}", "--format=%j %K %i")
    found = (line.split() for line in answer.splitlines())
    return {(words[0], int(words[1])): words[2] for words in found if len(words) == 3 and words[1].isdigit()}


def cancel(arrays: Iterable[str]) -> None:
    """Cancel all tasks of these arrays that wait or run, as far as SLURM answers."""
    for name in arrays:
        with suppress(Unanswered):
            _ask("scancel", f"--name={name}")


def cancel_tasks(ids: Iterable[str]) -> None:
    """Cancel single tasks. Raises Unanswered."""
    _ask("scancel", *ids)


def state(task: str) -> str:
    """Return how a task that has left the queue ended, such as 'TIMEOUT'; '' where SLURM does not know.

    scontrol knows it for some minutes. sacct knows it for months, on clusters with accounting.
    """
    asked = {
        r"JobState=(\w+)": ("scontrol", "--oneliner", "show", "job", task),
        r"^(\w+)": ("sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={task}", "--format=State"),
    }
    for pattern, command in asked.items():
        try:
            if found := re.search(pattern, _ask(*command)):
                return found[1]
        except (BenchError, OSError):
            continue
    return ""


def _ask(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what a command prints. It has a session of its own, so Ctrl-C does not end it halfway."""
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            env=environment or _environment(),
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unanswered(f"executor slurm: {command[0]} does not answer") from None
    if done.returncode:
        lines = [line.partition("error: ")[2] or line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Unanswered(f"executor slurm: {command[0]}: {'; '.join(lines) or f'exit status {done.returncode}'}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Return the environment of this process without what an allocation in which it runs says of itself."""
    own = {name for name in os.environ if name.startswith("SLURM_") and name != "SLURM_CONF"}
    return {name: value for name, value in os.environ.items() if name not in own | {PARENT_PIPE}}
