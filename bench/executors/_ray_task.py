"""What a Ray task does on its node: it runs one process. Ray is not imported here."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contracts import PARENT_PIPE
from bench.system import processes
from bench.system.watchdog import watched


def run_command(
    command: Sequence[str], log: str, folder: str, environment: Mapping[str, str], threads: int, stalled_minutes: float
) -> int | str:
    """Run a process, and return its exit status. Return a line that says what is wrong where it cannot be started on this node.

    log: a file that exists, to which the output is added. folder: the current folder of the process. environment: variables that it
    gets where this node has no value for them. threads: how many it may use. stalled_minutes: see `Watchdog`.

    The process ends when this one does, if it reads its standard input as PARENT_PIPE asks.
    """
    variables = {**environment, **os.environ, **processes.UTF_8, **processes.threads(threads), PARENT_PIPE: "1"}
    try:
        Path(log).stat()  # where it is missing, the folder is not shared, and `open` would make the log on this node alone
        with Path(log).open("ab") as output:
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=folder, env=variables
            )
    except OSError as error:
        return f"{platform.node()}: {error}"
    with process:
        try:
            return watched(process, Path(log), stalled_minutes)
        finally:
            process.kill()  # where the task is cancelled
