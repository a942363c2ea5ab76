"""Several processes in one results folder: which of them leads, and which arm is at work.

    results/<suite>/run.lease          held by `bench run`, or by `bench store gc`
    results/<suite>/<arm>/arm.lease    held by the process of an arm, until it has written outcome.json
    results/<suite>/report.lease       held while the report is written

A run that joins another one does not hold run.lease. No arm runs twice all the same, because each has a lease.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.errors import BenchError
from bench.system import leases
from bench.system.leases import Clock, Lease
from bench.system.results_folder import SUITE_YAML

RUN, ARM, REPORT = "run.lease", "arm.lease", "report.lease"

WAIT_S, LOOK_S = 30.0, 0.2
"""Seconds in which the run that leads writes its suite, and between two looks."""


class AtWorkError(BenchError):
    """Another run is at work in the folder."""


@contextmanager
def one_run(results: Path, join: bool = False, say: Callable[[str], object] = lambda line: None) -> Iterator[bool]:  # noqa: ARG005
    """Hold a results folder for one run inside the block, and yield True.

    join: yield False where another run holds it. Otherwise raises AtWorkError. The holder may be a process of another machine that was
    killed; then its lease is watched, for up to `leases.EXPIRY_S` seconds, and `say` gets a line.
    """
    lines: list[str] = []

    def refuse(lease: Lease) -> None:
        where = f", as process {lease.holder.pid} of {lease.holder.host}" if lease.holder else ""
        if join or lease.holder_is_alive:
            raise AtWorkError(f"another bench run is at work in {results}{where}; wait for it, or share its arms with `bench run --join`")
        if not lines:
            lines.append(f"another bench run was at work in {results}{where}; waiting up to {leases.EXPIRY_S:.0f} s for a sign of it")
            say(lines[0])

    with ExitStack() as held:
        leads = True
        try:
            held.enter_context(leases.hold(results / RUN, refuse))
        except AtWorkError:
            leads = False
            if not join:
                raise
        yield leads


def refuse_arms_at_work(results: Path) -> None:
    """Raise AtWorkError where an arm is at work, perhaps for a run that joined another one."""

    def refuse(lease: Lease) -> None:
        if lease.holder_is_alive:
            raise AtWorkError(f"the arm {lease.path.parent.name} is at work; wait for it")

    for path in sorted(results.glob(f"*/{ARM}")):
        with leases.hold(path, refuse, renewed=False):
            pass


def wait_for_suite(results: Path, text: str, clock: Clock | None = None) -> None:
    """Wait until the run that leads has written suite.yaml. Raises BenchError where its suite is another one."""
    clock = clock or Clock()
    until, path = clock.now() + WAIT_S, results / SUITE_YAML
    while not path.exists() or path.read_text(encoding="utf-8") != text:
        if clock.now() >= until:
            raise BenchError(f"--join: the run at work in {results} has another suite; compare yours with {path}")
        clock.sleep(LOOK_S)
