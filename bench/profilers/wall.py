"""Time: elapsed time, and the CPU time of this process."""

from __future__ import annotations

import time

from bench.contracts import Instrument, Profiler, Reading
from bench.system import machine


class Wall(Profiler):
    """Seconds on a monotonic clock, and CPU seconds of this process over all its threads, without children.

    A GPU that this process has used is idle at both ends of the window.
    """

    def instrument(self) -> Instrument:
        return _Clocks()


class _Clocks:
    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None

    def start(self) -> None:
        machine.synchronise("cuda")
        self._started = time.perf_counter(), time.process_time()

    def stop(self) -> list[Reading]:
        if self._started is None:
            return [_reading("wall", None), _reading("cpu_time", None)]
        machine.synchronise("cuda")
        wall, worked = time.perf_counter(), time.process_time()
        return [_reading("wall", wall - self._started[0]), _reading("cpu_time", worked - self._started[1])]


def _reading(quantity: str, value: float | None) -> Reading:
    return Reading(quantity, value, "s", "counter", reason="" if value is not None else "never started")
