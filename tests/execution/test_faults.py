"""A run that a fault of the machine ends at any write loses nothing: the next run ends as if there had been none."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest

from bench.contracts import Job, Outcome
from bench.errors import BenchError
from bench.execution import artifacts, runner, worker
from bench.strategies.annotate import Annotate
from tests.execution.fake_worker import records
from tests.execution.faulty import End, Place, place, trivial
from tests.faults import CTRL_C, FULL, KILL, ONE_ERROR, READ_ONLY, TORN, Fault, Point

NAMED = os.environ.get("BENCH_FAULTS", "")
"""Names of faults, or `all`: they are tried at every point, as in `make soak`. Otherwise all are tried at some points."""
FAULTS = (KILL, TORN, CTRL_C, FULL, READ_ONLY, ONE_ERROR)

DEAR_USD = 8.0
"""Budget of the second arm."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a run finds and does."""

    begins: Callable[[Place], Sequence[str]]
    """Prepares a place, and returns options of the runs that follow in it."""
    short: tuple[Fault, ...]
    """Faults that `make test` tries, each at some points."""
    every: int = 1000
    """Distance of these points."""
    prepares: bool = False
    reports: bool = False


def new(there: Place) -> Sequence[str]:
    there.begin()
    return ()


def killed_before(there: Place) -> Sequence[str]:
    """An earlier run was killed while it made an artifact: its leases, a part and a checkpoint are left."""
    there.begin()
    points = the_end(there.run()).points
    there.begin()
    assert there.run(fault=KILL, at=1 + next(n for n, point in enumerate(points, 1) if point.path.endswith("artifact/number"))) is None
    return ()


def failed_before(there: Place) -> Sequence[str]:
    """One arm failed, and is retried."""
    there.begin()
    assert the_end(replace(there, strategy=raises(ValueError("no"))).run()).status == 1
    return ("--retry",)


def ended_before(there: Place) -> Sequence[str]:
    """All arms have ended, and there is no report."""
    there.begin()
    assert the_end(replace(there, reports=False).run()).status == 0
    return ()


def raises(error: Exception) -> Callable[[Annotate, Job], Outcome]:
    """A strategy that raises an error in the second arm, after its work."""

    def run(self: Annotate, job: Job) -> Outcome:
        outcome = trivial(self, job)
        if job.budget_usd == DEAR_USD:
            raise error
        return outcome

    return run


SCENES = {
    "new": Scene(begins=new, short=FAULTS, every=250),
    "killed before": Scene(begins=killed_before, short=(KILL, CTRL_C)),
    "failed before": Scene(begins=failed_before, short=(TORN, ONE_ERROR)),
    "preparing": Scene(begins=new, short=(READ_ONLY,), prepares=True),
    "report": Scene(begins=ended_before, short=(KILL,), reports=True),
}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place(tmp_path_factory.mktemp("faults"))


def the_end(found: End | None) -> End:
    assert found, "the run was killed"
    return found


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_a_run_with_a_fault_at_any_write_is_continued_without_loss(scene: Scene, there: Place, tmp_path: Path) -> None:
    here = replace(there, prepares=scene.prepares, reports=scene.reports)
    options = scene.begins(here)
    here.folder.rename(before := tmp_path / "before")
    here.begin(before)
    undisturbed = the_end(here.run(*options))
    assert undisturbed.status == 0, undisturbed.err
    expected = here.state()
    tried, wrong = Counter[str](), list[object]()
    for fault, at in hits(undisturbed.points, scene):
        here.begin(before)
        ended = here.run(*options, fault=fault, at=at)
        again = the_end(here.run(*options, *(["--retry"] if fault.error else [])))
        is_well = fault.kills if ended is None else is_one_line(ended, fault, here)
        lost = [one for one in here.lost(expected) if fault != ONE_ERROR or one != undisturbed.points[at - 1].path]  # could not be removed
        if not is_well or lost or (again.status, again.err) != (0, ""):
            seen = ended and (ended.status, ended.out[-500:], ended.err)
            wrong.append((fault.name, at, undisturbed.points[at - 1], seen, (again.status, again.err), lost))
        tried[fault.name] += 1
    print(f"{len(undisturbed.points)} points; {dict(tried)}")
    assert not wrong, "\n".join(map(str, wrong))


def hits(points: Sequence[Point], scene: Scene) -> Iterator[tuple[Fault, int]]:
    """Yield faults with the number of a point at which each is tried. In `make test` each fault begins with another point."""
    long = [fault for fault in FAULTS if NAMED == "all" or fault.name in NAMED.split(",")]
    for fault in long or scene.short:
        able = [number for number, point in enumerate(points, 1) if point.call in fault.calls]
        every = 1 if long else min(scene.every, len(able))
        for at in able[7 * len(fault.name) % every :: every]:
            yield fault, at


def is_one_line(ended: End, fault: Fault, there: Place) -> bool:
    """Return whether a command that a fault ended says so in one line, and names a file where it is an error of the disk."""
    if "Traceback" in ended.out + ended.err:
        return False
    if fault == CTRL_C:
        return (ended.status, ended.err.count("\n")) == (130, 1)
    if ended.status == 2:
        names_it = ended.err.startswith(str(there.folder)) and os.strerror(fault.error or 0) in ended.err
        return names_it and ended.err.count("\n") == 1
    return (ended.status, ended.err, ended.out.count("\nfailed: ")) in ((0, "", 0), (1, "", 1), (1, "", 2))


ERRORS = {"error": ValueError("one line\nand another"), "memory": MemoryError(), "nan": BenchError("step 1: the loss is nan")}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_an_arm_whose_strategy_raises_fails_in_one_line_and_is_not_retried_by_itself(error: Exception, there: Place) -> None:
    def attempts() -> int:
        return len([*there.results.glob("*/ledger*.jsonl")])

    there.begin()
    failing = replace(there, strategy=raises(error))
    for _ in range(2):
        ended = the_end(failing.run())
        assert (ended.status, ended.err, ended.out.count("\nfailed: ")) == (1, "", 1)
        assert attempts() == 2
    cheap, dear = records(there.results).values()
    assert (cheap.status, dear.status) == ("done", "failed")
    assert dear.reason
    assert "\n" not in dear.reason
    assert the_end(there.run("--retry")).status == 0
    assert attempts() == 3


def test_no_memory_in_the_command_itself_is_one_line(there: Place) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    there.begin()
    ended = the_end(replace(there, also=lambda patch: patch.setattr(runner, "_describe", exhausted)).run())
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert the_end(there.run()).status == 0


HOUR_S, DAY_S = 3600.0, 86400.0


def jumps(patch: pytest.MonkeyPatch) -> None:
    """Set the clock back by an hour, then ahead by a day, then right, and so on, each time that somebody looks."""
    real, offsets = time.time, itertools.cycle([0.0, -HOUR_S, DAY_S])

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(time.time(), tz or UTC)

    patch.setattr(time, "time", lambda: real() + next(offsets))
    patch.setattr(time, "time_ns", lambda: int(1e9 * time.time()))
    for module in (runner, worker):
        patch.setattr(module, "datetime", Jumping)


def test_a_clock_that_is_set_while_arms_run_changes_no_duration(there: Place) -> None:
    there.begin()
    assert the_end(there.run()).status == 0
    expected = there.state()
    there.begin()
    assert the_end(replace(there, also=jumps).run()).status == 0
    assert there.state() == expected
    found = records(there.results).values()
    assert any(abs((datetime.fromisoformat(one.ended) - datetime.fromisoformat(one.started)).total_seconds()) > HOUR_S / 2 for one in found)
    assert all(0 <= (one.duration_s or 0) < HOUR_S / 2 for one in found)
    bills = [artifacts.read_bill(path.parent) or {} for path in there.results.rglob("bill.json")]
    assert len(bills) == 3
    assert all(0 <= bill["wall_s"] < HOUR_S / 2 for bill in bills)
