"""Recipe -> artifact: made once, its bill kept beside it, so that each arm can pay what it would have paid alone.

    store/<where>/<key>/artifact/...    what was made
    store/<where>/<key>/bill.json       what making it took, and the recipe
    store/<where>/<key>.lock            held by the one process that makes it; others wait

<where> is the device and a hash of the profilers and checkpoints: bills and readings are of that device and by those profilers, and
a checkpoint's name does not say what its folder holds. An artifact stands whole or not at all: it is made in a folder of its own and
then moved into place.
"""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Protocol

from bench.contracts import Bill, Instrument, Meter, NoTally, Profiler, Progress, Reading, Recipe, Tally, Workbench, identify
from bench.errors import MeasureError
from bench.system import machine
from bench.system.files import atomic_write, exclusive_lock, write_json

SCHEMA = 1


@dataclass(frozen=True)
class Allowance:
    """How much of the paying meter work may use. amount None: as much as it needs."""

    meter: Meter
    amount: float | None = None


@dataclass(kw_only=True)
class Meters:
    """A Tally: counts FLOPs and time of one piece of work, and holds it to its allowance at every step.

    By seconds and kWh the next step is reckoned to take as much as the longest so far, and what comes after the last step
    (saving) as much as what came before the first (loading).
    """

    allowance: Allowance
    energy_so_far: Callable[[], float | None] = lambda: None
    flops: float = 0.0
    items: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    set_up_s: float | None = None
    """Seconds before the first step; None where there was no step."""
    started: float = field(default_factory=time.monotonic)
    _set_up: float = 0.0
    _last: float = 0.0
    _longest: float = 0.0

    def used(self) -> float:
        """Amount of the paying meter so far. Raises MeasureError where the meter gives no number."""
        if self.allowance.meter == "flops":
            return self.flops
        if self.allowance.meter == "items":
            return self.items
        if self.allowance.meter == "wall":
            return time.monotonic() - self.started
        kwh = self.energy_so_far()
        if kwh is None:
            raise MeasureError("the suite pays by energy, which cannot be read here")
        return kwh

    def room_for(self, flops: float, items: int = 0) -> bool:
        if self.set_up_s is None:
            self.set_up_s = time.monotonic() - self.started
            self._set_up = self._last = self.used()
        if self.allowance.amount is None:
            return True
        step = {"flops": flops, "items": items}.get(self.allowance.meter, self._longest + self._set_up)
        return self.used() + step <= self.allowance.amount

    def fraction(self) -> float:
        if self.allowance.meter == "items" or not self.allowance.amount:  # items are all used by the first step
            return 0.0
        return min(1.0, self.used() / self.allowance.amount)

    def advance(self, flops: float, items: int = 0) -> None:
        self.flops += flops
        self.items += items
        now = self.used()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def sold(self, prompt_tokens: int, output_tokens: int) -> None:
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens


@dataclass
class Window:
    """What was seen between its edges; filled when it closes."""

    instruments: list[Instrument]
    wall_s: float = 0.0
    readings: list[Reading] = field(default_factory=list)

    def stop(self, instrument: Instrument) -> None:
        """Keep what an instrument saw."""
        self.readings += instrument.stop()

    def kwh(self) -> float | None:
        """Energy, where an instrument measured it."""
        return next((r.value for r in self.readings if r.quantity == "energy" and r.unit == "kWh"), None)

    def kwh_so_far(self) -> float | None:
        """Energy since the window opened, from the first instrument that can tell."""
        return next((i.so_far() for i in self.instruments if hasattr(i, "so_far")), None)


@contextmanager
def window(profilers: Mapping[str, Profiler], device: str) -> Iterator[Window]:
    """Measure what happens inside: device idle at both edges, instruments released also when the work fails."""
    opened = Window([profiler.instrument() for profiler in profilers.values()])
    machine.synchronise(device)
    with ExitStack() as running:
        for instrument in opened.instruments:
            instrument.start()
            running.callback(opened.stop, instrument)
        begun = time.monotonic()
        try:
            yield opened
            machine.synchronise(device)
        finally:
            opened.wall_s = time.monotonic() - begun


class Workshop(Protocol):
    """What pays for recipes to be made: the store, or a dry run that only forecasts."""

    bench: Workbench

    def bill_for(self, recipe: Recipe, allowance: Allowance) -> tuple[Bill, bool]:
        """The bill, and whether the work had been done before."""
        ...

    def value(self, recipe: Recipe) -> object:
        """What a strategy gets to see of the artifact."""
        ...


class Store:
    """Artifacts under one folder, shared by all arms of a results folder."""

    def __init__(
        self, folder: Path, cache: Path, device: str, profilers: Mapping[str, Profiler], progress: Progress, models: str = ""
    ) -> None:
        """models: fingerprint of the checkpoints that recipes name."""
        decides = json.dumps([models, *(identify(profiler) for profiler in profilers.values())], sort_keys=True)
        self.folder = folder / f"{device}-{hashlib.sha256(decides.encode()).hexdigest()[:8]}"
        self.cache, self.device, self.profilers, self.progress = cache, device, profilers, progress
        self.bench = self._bench(NoTally())

    def artifact(self, recipe: Recipe) -> Path:
        """Folder of what was made."""
        return self.folder / recipe.key / "artifact"

    def value(self, recipe: Recipe) -> object:
        return recipe.read(self.artifact(recipe))

    def bill(self, recipe: Recipe) -> Bill | None:
        """The bill of something made before, else None."""
        path = self.folder / recipe.key / "bill.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        readings = tuple(Reading(**reading) for reading in kept["readings"])
        return Bill(**{f.name: kept[f.name] for f in fields(Bill)} | {"readings": readings})

    def bill_for(self, recipe: Recipe, allowance: Allowance) -> tuple[Bill, bool]:
        """Make it unless it is made; raises OverBudget where it does not fit the allowance, and then keeps nothing."""
        if bill := self.bill(recipe):
            return bill, True

        def say_that_it_waits() -> None:
            self.progress("waiting for an arm that makes the same", 0, 1)

        with exclusive_lock(self.folder / f"{recipe.key}.lock", say_that_it_waits):
            if bill := self.bill(recipe):
                return bill, True
            return self._make(recipe, allowance), False

    def _make(self, recipe: Recipe, allowance: Allowance) -> Bill:
        with atomic_write(self.folder / recipe.key) as making:
            (making / "artifact").mkdir(parents=True)
            with window(self.profilers, self.device) as seen:
                meters = Meters(allowance=allowance, energy_so_far=seen.kwh_so_far)
                recipe.make(making / "artifact", self._bench(meters))
            if meters.set_up_s is not None:
                seen.readings.append(Reading("set_up", meters.set_up_s, "s", "counter"))
            bill = Bill(
                flops=meters.flops,
                wall_s=seen.wall_s,
                kwh=seen.kwh(),
                readings=tuple(seen.readings),
                items=meters.items,
                prompt_tokens=meters.prompt_tokens,
                output_tokens=meters.output_tokens,
            )
            write_json(making / "bill.json", {"schema": SCHEMA, "recipe": recipe.identity(), **asdict(bill)})
        return bill

    def _bench(self, tally: Tally) -> Workbench:
        return Workbench(cache=self.cache, device=self.device, artifact=self.artifact, tally=tally, progress=self.progress)


class DryStore:
    """Forecasts instead of making: for `bench plan`. Knows FLOPs; seconds and kWh, not known before the work, count as none.

    Over a store, the bill and the content of what lies there are told as they are.
    """

    def __init__(self, cache: Path, progress: Progress) -> None:
        self.bench = Workbench(cache=cache, device="cpu", artifact=lambda recipe: Path(recipe.key), tally=NoTally(), progress=progress)
        self._made: Store | None = None
        self._bills: dict[str, Bill] = {}

    def over(self, made: Store | None) -> DryStore:
        """The same, with what it reckoned so far, over another store."""
        other = copy.copy(self)  # not deep: both know the same bills
        other._made = made
        return other

    def bill_for(self, recipe: Recipe, allowance: Allowance) -> tuple[Bill, bool]:  # noqa: ARG002
        if self._made and (bill := self._made.bill(recipe)):
            return bill, True
        if recipe.key not in self._bills:
            prompt_tokens, output_tokens = recipe.forecast_tokens(self.bench)
            self._bills[recipe.key] = Bill(
                flops=recipe.forecast_flops(self.bench),
                wall_s=0.0,
                kwh=0.0,
                readings=(),
                items=recipe.forecast_items(self.bench),
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
            )
        return self._bills[recipe.key], False

    def value(self, recipe: Recipe) -> object:
        if self._made and self._made.artifact(recipe).exists():
            return self._made.value(recipe)
        return recipe.pretend(self.bench)
