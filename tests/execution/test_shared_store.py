"""A store that several machines share: made once, never in part, checked when it is read, and free again after a maker is gone."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import FLOPS, Bill, BuildContext, Limit, Recipe, no_progress
from bench.errors import OverBudget
from bench.execution import artifacts
from bench.execution.store import Store
from bench.system.leases import EXPIRY_S, Clock
from tests.system.test_leases import AT_ONCE, Hours, write_elsewhere

RACES = int(os.environ.get("BENCH_RACES", "30"))
"""Recipes for which two processes race. `make soak` sets more."""

LATE_RACES = max(4, RACES // 10)

FREE = Limit(meter=FLOPS)

HOOKS: list[Callable[[], object]] = []
"""Called in the middle of the next making."""

SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Numbers(Recipe):
    """Three files, and one FLOP for each."""

    number: int

    def forecast_flops(self, context: BuildContext) -> float:
        return 3.0

    def make(self, folder: Path, context: BuildContext) -> None:
        for i in range(3):
            (folder / f"{i}.txt").write_text(f"{self.number}\n")
            context.usage.record_step(1)
            if i == 1 and HOOKS:
                HOOKS.pop()()

    def read(self, folder: Path) -> list[int]:
        return [int((folder / f"{i}.txt").read_text()) for i in range(3)]


def store(folder: Path, clock: Clock | None = None) -> Store:
    return Store(folder / "store", folder / "cache", "cpu", {}, no_progress, clock=clock)


def left(folder: Path) -> set[str]:
    """What lies in the store."""
    return {path.name for path in store(folder).folder.iterdir()}


def race(folder: str, rounds: int, start: Any, told: Any, late: bool) -> None:
    """Make the same recipes as another process, each at the same moment."""
    if late:
        pass_for_another_machine()
    mine = store(Path(folder))
    for number in range(rounds):
        start.wait(60)
        bill, shared = mine.bill_for(Numbers(number), FREE)
        told.put((number, shared, bill.flops, bill.wall_s, mine.value(Numbers(number)) if shared or not late else []))


LATE_S = {"bill.json": 0.02, "0.txt": 0.1, "2.txt": 0.2}
"""Seconds after which another machine sees a file of this name. The bill is the first that it sees, though it was written last."""


def pass_for_another_machine() -> None:
    """Read what is younger than LATE_S as if it were not there, in this process. Exclusive creation and moves go to the server at once."""
    opened, name = Path.open, f"machine {os.getpid()}"

    def late(self: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if "r" in mode and ".part" not in str(self) and time.time() - os.stat(self).st_ctime < LATE_S.get(self.name, 0.0):
            raise FileNotFoundError(2, "not visible yet", str(self))
        return opened(self, mode, *rest, **named)

    Path.open = late  # type: ignore[assignment,method-assign]
    artifacts.machine = lambda: name


@pytest.mark.parametrize(("rounds", "late"), [(RACES, False), (LATE_RACES, True)], ids=["one machine", "late files"])
def test_of_two_that_race_for_a_recipe_one_makes_it(tmp_path: Path, rounds: int, late: bool) -> None:
    start, told = SPAWN.Barrier(2), SPAWN.Queue()
    both = [SPAWN.Process(target=race, args=(str(tmp_path), rounds, start, told, late)) for _ in range(2)]
    for process in both:
        process.start()
    found = [told.get(timeout=120) for _ in range(2 * rounds)]
    for process in both:
        process.join(60)
    for number in range(rounds):
        one, other = (answer for answer in found if answer[0] == number)
        assert sorted([one[1], other[1]]) == [False, True]
        assert one[2:4] == other[2:4]
        assert {str(answer[4]) for answer in (one, other) if answer[1] or not late} == {str([number] * 3)}
    assert left(tmp_path) == {Numbers(number).key for number in range(rounds)}


def killed_in_the_middle(folder: str) -> None:
    HOOKS.append(lambda: os.kill(os.getpid(), signal.SIGKILL))
    store(Path(folder)).bill_for(Numbers(1), FREE)


def test_what_a_killed_maker_of_this_machine_left_is_made_at_once_and_removed(tmp_path: Path) -> None:
    maker = SPAWN.Process(target=killed_in_the_middle, args=(str(tmp_path),))
    maker.start()
    maker.join()
    assert maker.exitcode == -signal.SIGKILL
    assert {name.rpartition(".")[2] for name in left(tmp_path)} == {"lease", "part"}
    assert store(tmp_path, AT_ONCE).bill_for(Numbers(1), FREE)[1] is False
    assert left(tmp_path) == {Numbers(1).key}


def test_a_maker_of_another_machine_that_is_gone_delays_but_does_not_block(tmp_path: Path) -> None:
    hours = Hours()
    mine = store(tmp_path, hours.clock)
    mine.folder.mkdir(parents=True)
    write_elsewhere(mine.folder / f"{Numbers(1).key}.lease")
    (mine.folder / f"{Numbers(1).key}.theirs.part").mkdir()
    assert mine.bill_for(Numbers(1), FREE)[1] is False
    assert EXPIRY_S <= hours.passed < EXPIRY_S + 2
    assert left(tmp_path) == {Numbers(1).key, f"{Numbers(1).key}.theirs.part"}


def test_the_first_complete_copy_stays_and_both_makers_charge_its_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first maker is suspended in the middle. The second one cannot know that it lives, and is faster."""
    bills: list[tuple[Bill, bool]] = []

    def meanwhile() -> None:
        monkeypatch.setattr("bench.system.leases._machine", lambda: "other")
        bills.append(store(tmp_path, Hours().clock).bill_for(Numbers(1), FREE))

    HOOKS.append(meanwhile)
    bills.append(store(tmp_path).bill_for(Numbers(1), FREE))
    assert [shared for _, shared in bills] == [False, True]
    assert bills[0][0] == bills[1][0] == store(tmp_path).bill(Numbers(1))
    assert left(tmp_path) == {Numbers(1).key}


@dataclass(frozen=True)
class TooDear(Numbers):
    """The budget ends its making."""

    def make(self, folder: Path, context: BuildContext) -> None:
        HOOKS.pop()()
        raise OverBudget


def test_a_maker_that_was_suspended_leaves_the_checkpoints_of_the_next(tmp_path: Path) -> None:
    mine = store(tmp_path)
    kept = mine.folder / f"{TooDear(1).key}.unfinished" / "step-000000001"

    def meanwhile() -> None:
        write_elsewhere(mine.folder / f"{TooDear(1).key}.lease")
        kept.mkdir(parents=True)

    HOOKS.append(meanwhile)
    with pytest.raises(OverBudget):
        mine.bill_for(TooDear(1), FREE)
    assert kept.exists()


def test_checkpoints_beside_a_complete_artifact_are_removed_although_no_lease_is_left(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.bill_for(Numbers(1), FREE)
    (made.folder / f"{Numbers(1).key}.unfinished" / "step-000000001").mkdir(parents=True)
    store(tmp_path).bill_for(Numbers(1), FREE)
    assert left(tmp_path) == {Numbers(1).key}


def elsewhere(folder: Path) -> None:
    """Let the bill say that another machine made the artifact."""
    path = folder / "bill.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "machine": "another"}))


def flip(folder: Path) -> None:
    (folder / "artifact" / "1.txt").write_text("7\n")


def truncate(folder: Path) -> None:
    (folder / "artifact" / "1.txt").write_text("")


def lose(folder: Path) -> None:
    (folder / "artifact" / "1.txt").unlink()


def spoil_bill(folder: Path) -> None:
    (folder / "bill.json").write_text("{")


@pytest.mark.parametrize("from_elsewhere", [True, False])
@pytest.mark.parametrize(("damage", "named"), [(flip, "1.txt"), (truncate, "1.txt"), (lose, "1.txt"), (spoil_bill, "bill.json")])
def test_a_damaged_artifact_is_named_and_made_again(
    tmp_path: Path, damage: Callable[[Path], None], named: str, from_elsewhere: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = store(tmp_path)
    mine.bill_for(Numbers(5), FREE)
    if from_elsewhere:
        elsewhere(mine.artifact(Numbers(5)).parent)
    damage(mine.artifact(Numbers(5)).parent)
    _, shared = store(tmp_path, Hours().clock).bill_for(Numbers(5), FREE)
    lines = capsys.readouterr().err.splitlines()
    if damage is flip and not from_elsewhere:  # its size is right; `bench store verify` reads it
        assert (shared, lines, mine.value(Numbers(5))) == (True, [], [5, 7, 5])
        return
    assert (shared, mine.value(Numbers(5))) == (False, [5, 5, 5])
    assert len(lines) == 1
    assert f"{Numbers(5).key}/" in lines[0]
    assert f"{named}:" in lines[0]
    assert len([name for name in left(tmp_path) if ".damaged-" in name]) == 1


def test_a_folder_without_a_bill_is_no_artifact(tmp_path: Path) -> None:
    mine, hours = store(tmp_path), Hours()
    shutil.copytree(Path(__file__).parent / "checks", mine.folder / Numbers(1).key)
    assert mine.bill(Numbers(1)) is None
    assert store(tmp_path, hours.clock).bill_for(Numbers(1), FREE)[1] is False
    assert hours.passed >= artifacts.VISIBLE_S
    assert mine.value(Numbers(1)) == [1, 1, 1]


def test_an_artifact_of_an_earlier_version_has_no_checksums_and_is_used(tmp_path: Path) -> None:
    mine = store(tmp_path)
    bill, _ = mine.bill_for(Numbers(1), FREE)
    path = mine.artifact(Numbers(1)).parent / "bill.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in kept.items() if name not in ("files", "machine")}))
    assert store(tmp_path, AT_ONCE).bill_for(Numbers(1), FREE) == (bill, True)


def test_each_process_reads_an_artifact_of_another_machine_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path).bill_for(Numbers(1), FREE)
    hashed: list[Path] = []
    monkeypatch.setattr(artifacts, "sha256", lambda path: hashed.append(path) or "")
    mine = store(tmp_path)
    mine.bill_for(Numbers(1), FREE)
    assert hashed == []
    monkeypatch.undo()
    elsewhere(mine.artifact(Numbers(1)).parent)
    real = artifacts.sha256
    monkeypatch.setattr(artifacts, "sha256", lambda path: hashed.append(path) or real(path))
    again = store(tmp_path)
    for _ in range(3):
        again.bill_for(Numbers(1), FREE)
    assert [path.name for path in hashed] == ["0.txt", "1.txt", "2.txt"]
