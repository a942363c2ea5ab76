"""Made once, paid by all, whole or not at all, and never beyond its allowance."""

import json
import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.contracts import FLOPS, ITEMS, WALL, Bill, BuildContext, Instrument, Limit, Part, Profiler, Reading, Recipe, no_progress
from bench.errors import BenchError, OverBudget
from bench.execution.measurement import StepMeter, window
from bench.execution.store import DryStore, Store


@dataclass(frozen=True)
class Steps(Recipe):
    """So many steps of ten FLOPs; each leaves a line."""

    activity = "training"

    steps: int
    name: str = ""
    seconds_a_step: float = 0.0
    tail_s: float = 0.0

    def forecast_flops(self, context: BuildContext) -> float:
        return 10.0 * self.placeholder(context)

    def make(self, folder: Path, context: BuildContext) -> None:
        for step in range(self.steps):
            if not context.usage.can_afford(10):
                if self.limit is None or step == 0:
                    raise OverBudget("no room")
                break
            time.sleep(self.seconds_a_step)
            with (folder / "steps").open("a") as lines:
                lines.write(f"{step}\n")
            context.usage.record_step(10)
        time.sleep(self.tail_s)

    def read(self, folder: Path) -> int:
        return len((folder / "steps").read_text().splitlines())

    def placeholder(self, context: BuildContext) -> int:
        fit = self.steps if self.limit is None or self.limit.meter is not FLOPS else min(self.steps, int(self.limit.amount // 10))
        if not fit:
            raise OverBudget("no room")
        return fit


@dataclass(frozen=True)
class Broken(Recipe):
    """Leaves half a file and fails."""

    def forecast_flops(self, context: BuildContext) -> float:
        return 0.0

    def make(self, folder: Path, context: BuildContext) -> None:
        (folder / "half").write_text("ha")
        raise RuntimeError("in the middle")


RUNNING: list[Instrument] = []


class Light(Instrument):
    """Is in RUNNING while it measures."""

    def start(self) -> None:
        RUNNING.append(self)

    def stop(self) -> tuple[Reading, ...]:
        RUNNING.remove(self)
        return (Reading("light", 1.0, "1", "counter"),)


class Lights(Profiler):
    def instrument(self) -> Instrument:
        return Light()


@dataclass(frozen=True)
class Verified(Steps):
    """Writes how many instruments run while it is made and verified."""

    right: bool = True

    def make(self, folder: Path, context: BuildContext) -> None:
        super().make(folder, context)
        (folder / "made").write_text(str(len(RUNNING)))

    def verify(self, folder: Path, context: BuildContext) -> None:
        if not self.right:
            raise BenchError("wrong")
        context.usage.record_step(1000)
        (folder / "verified").write_text(str(len(RUNNING)))


def store(folder: Path, profilers: dict[str, Profiler] | None = None) -> Store:
    return Store(folder / "store", folder / "cache", "cpu", profilers or {}, no_progress)


FREE = Limit(meter=FLOPS)


def test_the_second_to_ask_finds_the_artifact_and_the_same_bill(tmp_path: Path) -> None:
    first, shared_first = store(tmp_path).bill_for(Steps(3), FREE)
    again, shared_again = store(tmp_path).bill_for(Steps(3), FREE)
    assert (shared_first, shared_again) == (False, True)
    assert again == first
    assert first.flops == 30
    assert store(tmp_path).value(Steps(3)) == 3


def test_recipes_that_make_different_things_have_different_keys() -> None:
    recipes = [Steps(3), Steps(4), Steps(3, "x"), Steps(3, limit=Limit(meter=FLOPS, amount=10.0)), Broken()]
    assert len({recipe.key for recipe in recipes}) == len(recipes)
    assert Steps(3).key == Steps(3).key


def test_what_failed_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        store(tmp_path).bill_for(Broken(), FREE)
    assert store(tmp_path).bill(Broken()) is None
    assert list(store(tmp_path).folder.iterdir()) == []


def test_a_check_of_an_artifact_is_neither_measured_nor_charged(tmp_path: Path) -> None:
    lit = store(tmp_path, {"light": Lights()})
    bill, _ = lit.bill_for(Verified(3), FREE)
    seen = [(lit.artifact(Verified(3)) / name).read_text() for name in ("made", "verified")]
    assert (seen, bill.flops, RUNNING) == (["1", "0"], 30, [])


def test_an_artifact_that_is_found_wrong_is_not_kept(tmp_path: Path) -> None:
    wrong = Verified(3, right=False)
    with pytest.raises(BenchError):
        store(tmp_path).bill_for(wrong, FREE)
    assert store(tmp_path).bill(wrong) is None


def test_what_a_killed_process_left_half_made_is_made_anew(tmp_path: Path) -> None:
    half = store(tmp_path).folder / f"{Steps(2).key}.making" / "artifact"
    half.mkdir(parents=True)
    (half / "steps").write_text("0\n1\n2\n3\n")
    store(tmp_path).bill_for(Steps(2), FREE)
    assert store(tmp_path).value(Steps(2)) == 2


def test_a_recipe_with_a_limit_stops_at_the_step_that_no_longer_fits(tmp_path: Path) -> None:
    recipe = Steps(10, limit=Limit(meter=FLOPS, amount=35.0))
    bill, _ = store(tmp_path).bill_for(recipe, Limit(meter=FLOPS, amount=35.0))
    assert (bill.flops, store(tmp_path).value(recipe)) == (30, 3)


def test_a_recipe_without_a_limit_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(OverBudget):
        store(tmp_path).bill_for(Steps(10), Limit(meter=FLOPS, amount=35.0))
    assert store(tmp_path).bill(Steps(10)) is None


def test_by_the_clock_work_stops_before_a_step_like_the_longest_would_overrun(tmp_path: Path) -> None:
    recipe = Steps(100, seconds_a_step=0.05, limit=Limit(meter=WALL, amount=0.5))
    bill, _ = store(tmp_path).bill_for(recipe, Limit(meter=WALL, amount=0.5))
    assert 1 <= store(tmp_path).value(recipe) < 11
    assert bill.wall_s >= 0.05


def test_the_tally_tells_how_much_of_its_allowance_is_used() -> None:
    meters = StepMeter(limit=Limit(meter=FLOPS, amount=40))
    assert meters.can_afford(40)
    assert not meters.can_afford(41)
    meters.record_step(30)
    assert meters.fraction_used() == 0.75
    assert not meters.can_afford(11)
    assert StepMeter(limit=Limit(meter=FLOPS)).fraction_used() == 0.0


def test_items_are_counted_beside_flops_and_held_to_an_allowance_of_their_own() -> None:
    meters = StepMeter(limit=Limit(meter=ITEMS, amount=5))
    assert meters.can_afford(1e9, 5)
    assert not meters.can_afford(0, 6)
    meters.record_step(10, 4)
    assert (meters.flops, meters.items, meters.used()) == (10, 4, 4)
    assert meters.fraction_used() == 0.0
    assert not meters.can_afford(0, 2)


def make_in_process(folder: str, queue: "multiprocessing.Queue[bool]") -> None:
    _, shared = store(Path(folder)).bill_for(Steps(4, seconds_a_step=0.1), FREE)
    queue.put(shared)


def test_of_two_processes_that_want_the_same_one_makes_it_and_one_waits(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[bool] = spawn.Queue()
    both = [spawn.Process(target=make_in_process, args=(str(tmp_path), queue)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert sorted([queue.get(timeout=5), queue.get(timeout=5)]) == [False, True]


class Bell:
    """Writes down when it is started and stopped."""

    def __init__(self, log: list[str], fails: bool) -> None:
        self.log, self.fails = log, fails

    def start(self) -> None:
        self.log.append("start")
        if self.fails:
            raise RuntimeError("no bell")

    def stop(self) -> list[Reading]:
        self.log.append("stop")
        return [Reading("energy", 0.25, "kWh", "counter")]


LOG: list[str] = []


class Ringing(Profiler):
    fails: bool = False

    def instrument(self) -> Instrument:
        return Bell(LOG, self.fails)


def test_instruments_are_released_when_the_work_fails_and_when_another_will_not_start() -> None:
    LOG.clear()
    with pytest.raises(ZeroDivisionError), window({"a": Ringing()}, "cpu"):
        raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="no bell"), window({"a": Ringing(), "b": Ringing(fails=True)}, "cpu"):
        pass
    assert LOG == ["start", "stop", "start", "start", "stop"]


def test_the_bill_keeps_what_the_instruments_saw(tmp_path: Path) -> None:
    made = store(tmp_path, {"bell": Ringing()})
    made.bill_for(Steps(1), FREE)
    bill = made.bill(Steps(1))
    assert isinstance(bill, Bill)
    assert bill.kwh == 0.25
    assert bill.readings[0] == Reading("energy", 0.25, "kWh", "counter")
    assert [(r.quantity, r.unit) for r in bill.readings] == [("energy", "kWh"), ("set_up", "s")]
    kept = json.loads((made.folder / Steps(1).key / "bill.json").read_text())
    assert kept["recipe"]["steps"] == 1


@pytest.mark.parametrize(("amount", "cut_short"), [(30.0, False), (25.0, True)])
def test_a_bill_says_whether_a_limit_cut_the_work_short(tmp_path: Path, amount: float, cut_short: bool) -> None:
    limit = Limit(meter=FLOPS, amount=amount)
    for shared in (False, True):
        bill, found = store(tmp_path).bill_for(Steps(3, limit=limit), limit)
        assert (bill.cut_short, found) == (cut_short, shared)


def test_work_that_goes_on_in_smaller_steps_is_not_cut_short() -> None:
    meter = StepMeter(limit=Limit(meter=FLOPS, amount=40))
    assert [(meter.can_afford(flops), meter.cut_short) for flops in (50, 25)] == [(False, True), (True, False)]


@pytest.mark.parametrize("limit", [None, Limit(meter=WALL, amount=9.0)])
def test_a_bill_of_an_earlier_version_is_read_and_work_with_a_limit_counts_as_cut_short(tmp_path: Path, limit: Limit | None) -> None:
    made, recipe = store(tmp_path), Steps(1, limit=limit)
    made.bill_for(recipe, limit or FREE)
    path = made.folder / recipe.key / "bill.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "cut_short"}))
    bill, found = store(tmp_path).bill_for(recipe, limit or FREE)
    assert (bill.cut_short, found) == (limit is not None, True)


def test_a_dry_store_forecasts_and_makes_nothing(tmp_path: Path) -> None:
    dry = DryStore(tmp_path, no_progress)
    assert dry.bill_for(Steps(7), FREE)[0].flops == 70
    assert dry.bill_for(Steps(7, limit=Limit(meter=FLOPS, amount=25.0)), Limit(meter=FLOPS, amount=25.0))[0].flops == 20
    assert dry.value(Steps(7)) == 7
    assert dry.value(Steps(7, limit=Limit(meter=FLOPS, amount=25.0))) == 2
    with pytest.raises(OverBudget):
        dry.bill_for(Steps(7, limit=Limit(meter=FLOPS, amount=5.0)), Limit(meter=FLOPS, amount=5.0))
    assert dry.value(Steps(7, limit=Limit(meter=WALL, amount=0.1))) == 7
    assert not list(tmp_path.iterdir())


def test_a_dry_store_over_a_store_tells_what_is_made_there_as_it_is(tmp_path: Path) -> None:
    real = store(tmp_path)
    real.bill_for(Steps(3), FREE)
    dry = DryStore(tmp_path, no_progress)
    assert dry.bill_for(Steps(7), FREE) == (Bill(flops=70.0, wall_s=0.0, kwh=0.0, readings=()), False)
    over = dry.over(real)
    assert over.bill_for(Steps(3), FREE) == (real.bill(Steps(3)), True)
    assert over.value(Steps(3)) == real.value(Steps(3))
    assert over.value(Steps(7)) == 7
    assert dry.bill_for(Steps(3), FREE) == (Bill(flops=30.0, wall_s=0.0, kwh=0.0, readings=()), False)
    assert over.over(None).bill_for(Steps(3), FREE)[1] is False


def test_a_part_is_frozen_and_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Ringing().fails = True  # type: ignore[misc]
    with pytest.raises(ValueError, match="Extra inputs"):
        Ringing(volume=3)  # type: ignore[call-arg]
    assert issubclass(Ringing, Part)
