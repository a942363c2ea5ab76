"""Starts processes as forks of one process that has imported their modules, so that a start costs no imports.

    this process                                  server: python -P -m bench.system.fork_server
    ForkServer.start(name, command, log)    -->   imports MODULE once, then forks; stops forks that make no progress
    ForkServer.next_ended()                 <--   name and exit status of a fork that has ended

A command is `python -P -m MODULE ARGUMENT ...`. Its fork runs MODULE as Python itself does: as `__main__`, with the arguments in
sys.argv. MODULE may have a function `before_fork(arguments)`. The server calls it once, with the arguments of the first command,
to import what MODULE uses later. It initialises no GPU.

The server execs every other command. It also execs all commands where it cannot fork safely: on other systems than Linux, where
MODULE cannot be imported, and where an import has left a thread.

`multiprocessing` has a fork server too. Its processes run the caller's main module again and have the caller's sys.path, and its
one server keeps the environment of its first start.
"""

from __future__ import annotations

import gc
import importlib
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from bench.system.garbage import gc_disabled
from bench.system.processes import can_fork, has_one_thread
from bench.system.watchdog import Watchdog

POLL_S = 0.05
"""Seconds between two looks for forks that have ended."""

PYTHON = (sys.executable, "-P", "-m")
"""How a command begins that can be forked. With -P the current folder is not on sys.path."""

NO_THREAD_OF_ARROW = ("JE_ARROW_MALLOC_CONF", "background_thread:false")
"""Environment variable, read when pyarrow is imported. Its allocator would start a thread, and forks would not be safe."""

IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores, and that another program does not."""


class ForkServer:
    """Starts processes and says how they end.

    No process is left when the block ends, or when this process is killed. The standard input of each process is a pipe from
    this process, in which nothing is ever written.
    """

    def __init__(self, environment: Mapping[str, str], stalled_minutes: float = 0.0) -> None:
        """environment: that of all processes. stalled_minutes: see `watchdog.Watchdog`; 0 stops no process."""
        self._environment, self._stalled_minutes = environment, stalled_minutes
        self._running: list[str] = []
        self._lost: list[tuple[str, int]] = []
        self._server: tuple[subprocess.Popen[bytes], Connection[Any, Any]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def start(self, name: str, command: Sequence[str], log: Path, more: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start a process. Its output and errors are added to `log`. more: variables that are added to its environment."""
        log.parent.mkdir(parents=True, exist_ok=True)
        log.open("ab").close()
        self._server = self._server or self._launched()
        self._running.append(name)
        with suppress(BrokenPipeError, ConnectionResetError):  # `next_ended` sees that the server is gone
            self._server[1].send((name, tuple(command), str(log.absolute()), dict(more)))

    def next_ended(self) -> tuple[str, int]:
        """Wait until a process ends. Return its name and its exit status, which is negative for a signal.

        If the server is killed, its processes end too, with its exit status.
        """
        if self._server and not self._lost:
            with suppress(EOFError, ConnectionResetError):
                name, status = self._server[1].recv()
                self._running.remove(name)
                return name, status
            status = self._close() or 1
            self._lost, self._running = [(name, status) for name in self._running], []
        return self._lost.pop(0)

    def _launched(self) -> tuple[subprocess.Popen[bytes], Connection[Any, Any]]:
        here, there = Pipe()
        with there:
            server = subprocess.Popen(  # noqa: S603
                [*PYTHON, __name__, str(there.fileno()), str(self._stalled_minutes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                env=self._environment,
            )
        return server, here

    def _close(self) -> int:
        """End the server, which kills its processes. Return its exit status."""
        if self._server is None:
            return 0
        (server, connection), self._server = self._server, None
        connection.close()
        server.terminate()  # ends its imports; once it has forked, it ends because the connection is closed
        server.communicate()  # closes the pipe too
        return server.returncode


def main(file_descriptor: int, stalled_minutes: float) -> None:
    """Serve the process at the other end of a connection. In a fork, run its command."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches all processes
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # Ctrl-Z stops the command alone: processes that measure their time go on
    os.environ.setdefault(*NO_THREAD_OF_ARROW)
    if command := _serve(Connection(file_descriptor), stalled_minutes):
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _run(*command)


def _serve(connection: Connection[Any, Any], stalled_minutes: float) -> tuple[Sequence[str], bool] | None:
    """Start processes until the other end closes, then kill those that run.

    In a fork, return its command, and whether it runs in the fork itself.
    """
    running: dict[int, tuple[str, Watchdog]] = {}
    imported: dict[str, bool] = {}
    try:
        while True:
            if connection.poll(POLL_S):
                name, command, log, more = connection.recv()
                here = _is_forked(command, imported)
                try:
                    pid = _fork()
                except OSError as error:  # too many processes, or too little memory
                    with suppress(OSError), Path(log).open("a", encoding="utf-8") as file:
                        file.write(f"cannot start a process: {error.strerror}\n")
                    connection.send((name, 1))
                    continue
                if not pid:
                    running.clear()
                    connection.close()
                    _redirect_output(log)
                    os.environ.update(more)
                    return command, here
                running[pid] = name, Watchdog(pid, Path(log), stalled_minutes)
            for pid, (name, watchdog) in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del running[pid]
                    connection.send((name, watchdog.status(os.waitstatus_to_exitcode(status))))
                else:
                    watchdog.look(time.monotonic())
    except (EOFError, ConnectionError):
        return None
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)
        for pid in running:
            os.waitpid(pid, 0)


def _fork() -> int:
    """Fork, with nothing left to write in both processes. This one then ends when its connection is closed, and not by a signal
    that would leave the others."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return os.fork()


def _is_forked(command: Sequence[str], imported: dict[str, bool]) -> bool:
    """Return whether a fork runs this command itself. `imported` maps the modules of earlier commands to the answer."""
    if tuple(command[:3]) != PYTHON or not can_fork():
        return False
    module, arguments = command[3], command[4:]
    if module not in imported:
        imported[module] = _import(module, arguments)
    return imported[module] and has_one_thread()


def _import(module: str, arguments: Sequence[str]) -> bool:
    """Import a module and what it will use. Return whether that worked; otherwise its processes say in their logs why not."""
    try:
        with gc_disabled():
            prepare = getattr(importlib.import_module(module), "before_fork", None)
            if prepare:
                prepare(arguments)
    except (Exception, SystemExit):
        return False
    gc.collect()
    gc.freeze()  # a collection in a fork would write to every page, and so copy it
    return True


def _redirect_output(log: str) -> None:
    with Path(log).open("ab") as file:
        for output in (1, 2):
            os.dup2(file.fileno(), output)


def _run(command: Sequence[str], here: bool) -> None:
    """Run a command in this process, as a module or as a program of its own."""
    if not here:
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], list(command))  # noqa: S606
    module = command[3]
    sys.argv = [module, *command[4:]]
    del sys.modules[module]  # it runs once more, as `__main__`
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
