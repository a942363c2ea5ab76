"""Peak memory: resident set, torch's allocator, and what the GPU's driver reports."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import psutil
from pydantic import Field

from bench.contracts import Direction, Instrument, Profiler, Reading
from bench.errors import MeasureError
from bench.system import allocator, machine, processes
from bench.system.gpu import Gpu

_LIBRARY = re.compile(r"\.so(\.\d+)*$")
"""Paths of shared libraries."""


class Memory(Profiler):
    """Peaks within the window, in bytes, of this process alone unless stated otherwise.

    peak_rss: resident set without `inherited_rss`, polled, with a sample at the start and the end. A short
    spike between two samples is missed. What earlier work freed goes back to the system before the window.

    inherited_rss: pages that this process shares with the one of which it is a fork, because neither has
    written to them since: mostly imported modules. Code of shared libraries counts too, which the system
    holds once for all processes. They are counted at the end of the window, and taken off the peak. Pages
    that the process copies after its peak still count there. VmHWM cannot be used: Linux starts it at the
    resident set of the moment of the fork.

    gpu_peak_allocated, gpu_peak_reserved: torch's allocator on its current GPU, without the CUDA context and
    library workspaces. The allocator has one peak, which the start of a window resets. Therefore windows must
    not overlap.

    gpu_process_memory: what the driver (NVML) assigns to this process, including the context. Managed memory
    is not part of it.

    gpu_device_memory, gpu_device_baseline: what the whole device holds at its peak and at the start,
    including other processes.

    gpu_foreign_processes: the largest number of other processes seen on the device at a time. Where it is
    above 0, the device's numbers include work that is not this arm's.

    Polling ten times a second takes 0.3 % of a core for RSS alone and about 1.5 % with NVML.
    """

    polling_s: float = Field(default=0.1, ge=0.01, le=10)
    """Seconds between two samples."""

    def prepare(self) -> None:
        """Load torch and initialise its GPU."""
        _reset_allocator()

    def instrument(self) -> Instrument:
        return _Watch(self.polling_s)


@dataclass(kw_only=True)
class _Peak:
    """The largest value that `read` returned, or the last reason why it returned none."""

    quantity: str
    unit: str
    read: Callable[[], float]
    direction: Direction = "lower"
    value: float | None = None
    reason: str = ""

    def sample(self) -> None:
        try:
            seen = float(self.read())
        except MeasureError as error:
            self.reason = str(error)
        else:
            self.value = seen if self.value is None else max(self.value, seen)

    def reading(self) -> Reading:
        return Reading(self.quantity, self.value, self.unit, "polled", self.direction, "" if self.value is not None else self.reason)


class _Watch:
    def __init__(self, polling_s: float) -> None:
        self._polling_s = polling_s
        self._gpu: Gpu | MeasureError = MeasureError("never started")
        self._allocator: str = "never started"
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._baseline = _Peak(
            quantity="gpu_device_baseline", unit="bytes", read=lambda: self._driver().used_bytes(), direction="none", reason="never started"
        )
        self._peaks = (
            _Peak(quantity="peak_rss", unit="bytes", read=_resident_bytes, reason="never started"),
            _Peak(quantity="gpu_process_memory", unit="bytes", read=lambda: self._processes()[os.getpid()], reason="never started"),
            _Peak(quantity="gpu_device_memory", unit="bytes", read=lambda: self._driver().used_bytes(), reason="never started"),
            _Peak(quantity="gpu_foreign_processes", unit="processes", read=lambda: len(self._processes()) - 1, reason="never started"),
        )

    def start(self) -> None:
        allocator.give_back_freed()
        machine.synchronise("cuda")
        self._allocator = _reset_allocator()
        try:
            self._gpu = Gpu()
        except MeasureError as none:
            self._gpu = none
        self._baseline.sample()
        self._sample()
        self._thread = threading.Thread(target=self._poll, name="bench memory", daemon=True)
        self._thread.start()

    def stop(self) -> list[Reading]:
        if self._thread is not None:
            machine.synchronise("cuda")
            self._ended.set()
            self._thread.join()
            self._sample()
        if isinstance(self._gpu, Gpu):
            self._gpu.close()
        resident, *others = (peak.reading() for peak in (*self._peaks, self._baseline))
        return [*_own(resident), *others, *_allocator_peaks(self._allocator)]

    def _poll(self) -> None:
        while not self._ended.wait(self._polling_s):
            self._sample()

    def _sample(self) -> None:
        for peak in self._peaks:
            peak.sample()

    def _driver(self) -> Gpu:
        if isinstance(self._gpu, MeasureError):
            raise self._gpu
        return self._gpu

    def _processes(self) -> dict[int, int]:
        processes = self._driver().bytes_by_process()
        if os.getpid() not in processes:
            raise MeasureError("the driver does not list this process: no work on the GPU yet, or a container with process ids of its own")
        return processes


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _own(resident: Reading) -> tuple[Reading, Reading]:
    """Return the resident bytes of a process without those that it inherited, and those."""
    inherited = _inherited()
    if resident.value is None:
        return resident, replace(inherited, value=None, reason=resident.reason)
    return replace(resident, value=resident.value - (inherited.value or 0.0)), inherited


def _inherited() -> Reading:
    """Read how many resident bytes this process has not made: pages without a file that other processes hold too, and shared libraries."""
    none = Reading("inherited_rss", 0.0, "bytes", "counter", "none")
    if not processes.can_fork():
        return none
    try:
        mapped = psutil.Process().memory_maps()
    except (OSError, psutil.Error) as error:
        return replace(none, value=None, reason=str(error))
    libraries = [one for one in mapped if _LIBRARY.search(one.path)]
    written = sum(one.shared_dirty for one in [*libraries, *(one for one in mapped if one.path.startswith("["))])
    return replace(none, value=float(written + sum(one.rss - one.anonymous for one in libraries)))


def _reset_allocator() -> str:
    """Start a new peak. Return why there is none, or ''."""
    import torch

    if not torch.cuda.is_available():
        return "torch sees no GPU here"
    torch.cuda.reset_peak_memory_stats()
    return ""


def _allocator_peaks(gap: str) -> list[Reading]:
    names = ("gpu_peak_allocated", "gpu_peak_reserved")
    if gap:
        return [Reading(name, None, "bytes", "counter", reason=gap) for name in names]
    import torch

    peaks = (torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())
    return [Reading(name, float(peak), "bytes", "counter") for name, peak in zip(names, peaks, strict=True)]
