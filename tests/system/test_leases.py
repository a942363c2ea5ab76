"""Leases: one holder at a time, free at once after a kill on this machine, free after a while on another one."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.system import leases
from bench.system.leases import BEAT_S, EXPIRY_S, Clock, Lease

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process began")

HOLDS = """
import sys
from pathlib import Path
from bench.system import leases
with leases.hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lease until its input ends."""
    command = [sys.executable, "-c", HOLDS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


@dataclass
class Hours:
    """A clock whose time passes only in its sleeps. asleep: called after each."""

    passed: float = 0.0
    asleep: Callable[[float], object] = lambda now: None

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.asleep(self.passed)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.passed, sleep=self.sleep)


def no_wait(_: float) -> None:
    pytest.fail("it waited")


AT_ONCE = Clock(sleep=no_wait)


def write_elsewhere(path: Path, beat: int = 0, owner: str = "theirs") -> None:
    """Write the lease of a process of another machine; it has the id of a process that runs here."""
    path.write_text(json.dumps({"owner": owner, "machine": "other", "host": "other", "pid": os.getpid(), "beat": beat}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "one.lease"


def test_one_holder_at_a_time_and_nothing_is_left(path: Path) -> None:
    first, second = Lease(path), Lease(path)
    assert first.take()
    assert not second.take()
    assert (first.is_held, second.is_held, second.holder_is_alive) == (True, False, True)
    assert second.holder
    assert second.holder.pid == os.getpid()
    first.release()
    assert second.take()
    second.release()
    assert list(path.parent.iterdir()) == []


def test_a_lease_held_by_another_process_is_refused_or_waited_for(path: Path) -> None:
    def refuse(_: Lease) -> None:
        raise BlockingIOError

    looks: list[object] = []
    with held(path) as holder:
        with pytest.raises(BlockingIOError), leases.hold(path, refuse):
            pytest.fail("two processes hold the lease")

        def release(_: Lease) -> None:
            looks.append(holder.poll())
            holder.communicate("")

        with leases.hold(path, release):
            assert holder.returncode == 0
    assert looks == [None]


def test_a_killed_holder_of_this_machine_delays_nobody(path: Path) -> None:
    with held(path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        owner, cleaned = json.loads(path.read_text())["owner"], []
        (path.parent / f"{path.name}.0123456789abcdef").touch()  # of one that was killed while it took the lease over
        with leases.hold(path, clock=AT_ONCE, clean_up=lambda owner: cleaned.append((owner, path.exists()))):
            assert cleaned == [(owner, True)]
    assert list(path.parent.iterdir()) == []


def test_a_zombie_is_dead(path: Path) -> None:
    with held(path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        with leases.hold(path, clock=AT_ONCE):
            pass


def written_here(path: Path) -> dict[str, object]:
    """Return what a lease of this process holds."""
    with leases.hold(path):
        content: dict[str, object] = json.loads(path.read_text())
    return content


@linux
def test_a_process_that_has_the_id_of_a_dead_holder_delays_nobody(path: Path) -> None:
    path.write_text(json.dumps({**written_here(path), "started": "1"}))
    with leases.hold(path, clock=AT_ONCE):
        pass


def test_a_lease_of_an_earlier_version_is_that_of_a_process_that_lives_until_it_expires(path: Path) -> None:
    content = written_here(path)
    del content["started"]
    path.write_text(json.dumps(content))
    hours, alive = Hours(), list[bool]()
    with leases.hold(path, lambda lease: alive.append(lease.holder_is_alive), clock=hours.clock):
        assert EXPIRY_S <= hours.passed < EXPIRY_S + 2
    assert set(alive) == {True}


@linux
def test_a_process_of_this_machine_that_lives_keeps_its_lease_without_renewing_it(path: Path) -> None:
    hours = Hours()

    def look(lease: Lease) -> None:
        if hours.passed > 3 * EXPIRY_S:
            raise BlockingIOError

    with leases.hold(path, renewed=False) as kept:
        with pytest.raises(BlockingIOError), leases.hold(path, look, clock=hours.clock):
            pytest.fail("two hold the lease")
        assert kept.is_held


def test_a_lease_whose_file_cannot_be_removed_is_free_and_names_its_holder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EIO, "Input/output error")

    lease = Lease(path, renewed=False)
    assert lease.take()
    with monkeypatch.context() as disk:
        disk.setattr(Path, "unlink", fails)
        with pytest.raises(OSError, match="Input/output"):
            lease.release()
    ended = list[str]()
    with leases.hold(path, clock=AT_ONCE, clean_up=ended.append):
        assert ended == [lease.owner]


def test_time_in_which_the_process_that_watches_was_suspended_does_not_count(path: Path) -> None:
    path.parent.mkdir()
    write_elsewhere(path)
    hours = Hours()
    lease = Lease(path, clock=hours.clock)
    assert not lease.take()
    hours.passed += 100 * EXPIRY_S
    while not lease.take():
        hours.passed += BEAT_S
    assert hours.passed - 100 * EXPIRY_S >= EXPIRY_S - BEAT_S
    lease.release()


@pytest.mark.parametrize("left", [write_elsewhere, Path.touch], ids=["whole", "empty"])
def test_a_lease_of_another_machine_expires_where_it_does_not_change(path: Path, left: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    left(path)
    hours, looks = Hours(passed=1e6), []
    look, clean_up = (lambda lease: looks.append(lease.holder_is_alive)), (lambda owner: pytest.fail("it may be at work"))
    with leases.hold(path, look, clock=hours.clock, clean_up=clean_up) as lease:
        assert EXPIRY_S <= hours.passed - 1e6 < EXPIRY_S + 2
        assert lease.is_held
    assert set(looks) == {False}


def test_a_lease_that_is_renewed_does_not_expire(path: Path) -> None:
    """The other machine beats for ten minutes, at times late, and then no more."""
    path.parent.mkdir()
    write_elsewhere(path)
    last = [0.0]

    def beat(now: float) -> None:
        if now <= 600 and now - last[0] > 6 * BEAT_S:
            write_elsewhere(path, int(now))
            last[0] = now

    hours, alive = Hours(asleep=beat), []
    with leases.hold(path, lambda lease: alive.append(lease.holder_is_alive), clock=hours.clock):
        assert last[0] > 500
        assert EXPIRY_S <= hours.passed - last[0] < EXPIRY_S + 2
    assert (alive[0], alive[-1]) == (False, True)


def test_the_holder_renews_its_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_S", 0.01)
    seen = set()
    with leases.hold(path):
        while len(seen) < 3:
            seen.add(json.loads(path.read_text())["beat"])


def test_a_holder_that_lost_its_lease_knows_it_and_leaves_that_of_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, hours = Lease(path, renewed=False), Hours()
    assert slow.take()
    monkeypatch.setattr(leases, "_machine", lambda: "other")
    with leases.hold(path, clock=hours.clock) as quick:
        assert hours.passed >= EXPIRY_S
        assert (slow.is_held, quick.is_held) == (False, True)
        slow._write(1)
        slow.release()
        assert quick.is_held
    assert not path.exists()


def test_a_lease_that_was_taken_over_meanwhile_is_put_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes see that the same holder is dead. The second one moves the lease of the first away, and back."""
    with held(path) as holder:
        holder.kill()
        holder.wait()
    assert path.exists()
    first, second, read = Lease(path), Lease(path), leases._content

    def late(one: Path) -> bytes | None:
        found = read(one)
        monkeypatch.setattr(leases, "_content", read)
        assert first.take()
        return found

    monkeypatch.setattr(leases, "_content", late)
    assert not second.take()
    assert (first.is_held, second.is_held) == (True, False)
    first.release()
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_leaves_no_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="space"):
            Lease(path).take()
    with leases.hold(path, clock=AT_ONCE):
        pass


RACES = """
import sys
from pathlib import Path
from bench.system import leases
for i in range(int(sys.argv[2])):
    with leases.hold(Path(sys.argv[1])):
        count = int(Path(sys.argv[3]).read_text())
        Path(sys.argv[3]).write_text(str(count + 1))
"""


def test_three_processes_exclude_each_other(path: Path, tmp_path: Path) -> None:
    count, each = tmp_path / "count", 40
    count.write_text("0")
    command = [sys.executable, "-c", RACES, str(path), str(each), str(count)]
    others = [subprocess.Popen(command) for _ in range(3)]
    assert [other.wait() for other in others] == [0, 0, 0]
    assert int(count.read_text()) == 3 * each


def test_time_is_that_of_a_clock_that_nobody_sets() -> None:
    assert Clock().now is time.monotonic
