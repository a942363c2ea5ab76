"""Measures one piece of work: `StepMeter` counts its steps, and a `Window` runs the instruments of the profilers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from bench.contracts import ADDED_UNITS, Instrument, Limit, Profiler, Reading, RunningInstrument
from bench.errors import MeasureError
from bench.system import machine


@dataclass(kw_only=True)
class StepMeter:
    """A UsageMeter that counts the amounts of one piece of work, and checks its limit before every step.

    Where a meter is not known in advance, the next step is assumed to take as much as the longest so far. The
    work after the last step (saving) is assumed to take as much as that before the first (loading).
    """

    limit: Limit
    measured: Callable[[str], float | None] = lambda quantity: None  # noqa: ARG005
    """Reading -> its amount so far."""
    flops: float = 0.0
    items: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    set_up_s: float | None = None
    """Seconds before the first step; None where there was no step."""
    cut_short: bool = False
    """Whether the last step that was asked about does not fit. Work that ends with it is not complete."""
    started: float = field(default_factory=time.monotonic)
    _set_up: float = 0.0
    _last: float = 0.0
    _longest: float = 0.0

    @property
    def wall_s(self) -> float:
        return time.monotonic() - self.started

    def used(self) -> float:
        """Return the amount of the paying meter so far. Raises MeasureError where the meter gives no number."""
        amount = self.limit.meter.quantity(self)
        if amount is None:
            raise MeasureError(f"the suite pays by {self.limit.meter.name}, which cannot be read here")
        return amount

    def can_afford(self, flops: float, items: int = 0) -> bool:
        if self.set_up_s is None:
            self.set_up_s = self.wall_s
            self._set_up = self._last = self.used()
        if math.isinf(self.limit.amount):
            return True
        step = self.limit.meter.of_step(flops, items) if self.limit.meter.known_in_advance else self._longest + self._set_up
        self.cut_short = self.used() + step > self.limit.amount
        return not self.cut_short

    def fraction_used(self) -> float:
        if self.limit.meter.whole or self.limit.amount in (0.0, math.inf):
            return 0.0
        return min(1.0, self.used() / self.limit.amount)

    def record_step(self, flops: float, items: int = 0) -> None:
        self.flops += flops
        self.items += items
        now = self.used()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def record_tokens(self, prompt_tokens: int, output_tokens: int) -> None:
        self.prompt_tokens += prompt_tokens
        self.output_tokens += output_tokens

    def amounts(self) -> dict[str, Any]:
        """Return what was used so far, as JSON."""
        counts = {name: getattr(self, name) for name in ("flops", "items", "prompt_tokens", "output_tokens", "set_up_s")}
        return {**counts, "wall_s": self.wall_s, "set_up": self._set_up, "longest": self._longest}

    def continue_from(self, amounts: Mapping[str, Any]) -> None:
        """Set the amounts to those that `amounts` returned before, in this process or another. What was used since does not count.

        The window of the work continues first, because a meter may read it.
        """
        for name in ("flops", "items", "prompt_tokens", "output_tokens", "set_up_s"):
            setattr(self, name, amounts[name])
        self.started = time.monotonic() - amounts["wall_s"]
        self._set_up, self._longest = amounts["set_up"], amounts["longest"]
        self._last = self.used()


@dataclass(kw_only=True)
class Window:
    """Measurements between the start and the end of a piece of work. They are complete when the window
    closes."""

    instruments: list[Instrument]
    wall_s: float = 0.0
    readings: list[Reading] = field(default_factory=list)
    interrupted: bool = False
    """Whether another process began the work. Only instruments that can be read while they run then have a sum for all of it."""
    _begun: float = 0.0
    _carried: dict[str, float] = field(default_factory=dict)
    """Quantity -> amount to add to what this window measured."""

    def start(self) -> None:
        """Start the clock."""
        self._begun = time.monotonic()

    def end(self) -> None:
        """Stop the clock."""
        self.wall_s = time.monotonic() - self._begun + self._carried.get("wall", 0.0)

    def stop(self, instrument: Instrument) -> None:
        """Stop an instrument, and keep its readings."""
        self.readings += map(self._of_all_the_work, instrument.stop())

    def measured(self) -> dict[str, float]:
        """Return quantity -> amount since the window opened: seconds of "wall", and what instruments can say while they run."""
        running = {i.quantity: i.so_far() for i in self.instruments if isinstance(i, RunningInstrument)}
        return {"wall": time.monotonic() - self._begun, **{name: value for name, value in running.items() if value is not None}}

    def amounts(self) -> dict[str, float]:
        """Return the amounts of `measured` that count for the work, as JSON."""
        return {name: value + self._carried.get(name, 0.0) for name, value in self.measured().items()}

    def continue_from(self, amounts: Mapping[str, float]) -> None:
        """Set the amounts to those that `amounts` returned before, in this process or another. What was measured since does not count."""
        self._carried = {name: amounts[name] - value for name, value in self.measured().items() if name in amounts}

    def _of_all_the_work(self, reading: Reading) -> Reading:
        """Return a reading of this window as one of all the work."""
        if reading.value is None:
            return reading
        if reading.quantity in self._carried:
            return replace(reading, value=reading.value + self._carried[reading.quantity])
        if self.interrupted and reading.unit in ADDED_UNITS:
            return replace(reading, value=None, reason="the training was interrupted, and this is known only for its last process")
        return reading

    def kwh(self) -> float | None:
        """Return the energy, or None where no instrument measured it."""
        return next((r.value for r in self.readings if r.quantity == "energy" and r.unit == "kWh"), None)

    def so_far(self, quantity: str) -> float | None:
        """Return the amount of a reading so far, from the first instrument that can be read while it runs."""
        found = next((i.so_far() for i in self.instruments if isinstance(i, RunningInstrument) and i.quantity == quantity), None)
        return None if found is None else found + self._carried.get(quantity, 0.0)


@contextmanager
def window(profilers: Mapping[str, Profiler], device: str) -> Iterator[Window]:
    """Measure the work inside the block. The device is idle at both ends, and instruments stop even when the
    work fails."""
    opened = Window(instruments=[profiler.instrument() for profiler in profilers.values()])
    machine.synchronise(device)
    with ExitStack() as running:
        for instrument in opened.instruments:
            instrument.start()
            running.callback(opened.stop, instrument)
        opened.start()
        try:
            yield opened
            machine.synchronise(device)
        finally:
            opened.end()
