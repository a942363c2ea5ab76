"""Forecasts what work takes: on this device by calibration, on a GPU of the table by its published speed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.execution.job import Work
from bench.forecast.calibrate import Throughput
from bench.forecast.gpus import Card


@dataclass(frozen=True)
class ResourceUse:
    """Time, energy and memory of work. None where a value is not forecast."""

    seconds: float | None
    kwh: float | None
    peak_bytes: float | None

    @staticmethod
    def together(taken: Iterable[ResourceUse]) -> ResourceUse:
        """Return the totals of work done one after the other. Times and energy are sums, and missing where one is missing. Memory is the
        largest known peak."""
        each = list(taken)
        peaks = [one.peak_bytes for one in each if one.peak_bytes is not None]
        return ResourceUse(added([one.seconds for one in each]), added([one.kwh for one in each]), max(peaks, default=None))


def added(amounts: Sequence[float | None]) -> float | None:
    """Return the sum, or None where an amount is missing."""
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if len(known) == len(amounts) else None


NOTHING = ResourceUse(0.0, 0.0, None)


class Device(Protocol):
    """A place to run work."""

    @property
    def title(self) -> str:
        """Its name, with the assumptions about it."""
        ...

    @property
    def room_bytes(self) -> float:
        """Memory in bytes that one arm may use."""
        ...

    @property
    def card(self) -> Card | None:
        """The GPU. None: the device is a CPU."""
        ...

    @property
    def reasons(self) -> Mapping[str, str]:
        """Kind of recipe -> why its time is not forecast."""
        ...

    def start_s(self, task_label: str) -> float | None:
        """Return the seconds from starting the process of an arm to its strategy. None where unknown."""
        ...

    def takes(self, work: Work) -> ResourceUse: ...


@dataclass(frozen=True, kw_only=True)
class NoDevice:
    """No device: nothing is forecast."""

    title: str = ""
    room_bytes: float = math.inf
    card: Card | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def start_s(self, task_label: str) -> float | None:  # noqa: ARG002
        return None

    def takes(self, work: Work) -> ResourceUse:  # noqa: ARG002
        return ResourceUse(None, None, None)


@dataclass(frozen=True, kw_only=True)
class ThisMachine:
    """This device. For finished work it returns the measurements."""

    title: str
    room_bytes: float
    throughputs: Mapping[str, Throughput | None]
    """Recipe key -> its speed. None or absent where it is unknown."""
    peaks: Mapping[str, int | None]
    """Recipe key -> peak bytes of its tensors. None or absent where it is unknown."""
    process_counts: bool
    """Whether the memory of the process itself counts too, as on a CPU."""
    ratios: Mapping[str, float] = field(default_factory=dict)
    """Recipe key -> ratio of its FLOPs at the expected output length to those at the maximum; 1 where absent."""
    kept_shares: Mapping[str, float] = field(default_factory=dict)
    """Recipe key -> share of its FLOPs in steps that read kept encoder states; 0 where absent."""
    starts: Mapping[str, float | None] = field(default_factory=dict)
    """Task label -> seconds from starting the process of an arm to its strategy."""
    card: Card | None = None
    """The GPU. None: the device is a CPU."""
    reasons: Mapping[str, str] = field(default_factory=dict)

    def start_s(self, task_label: str) -> float | None:
        return self.starts.get(task_label)

    def takes(self, work: Work) -> ResourceUse:
        if work.shared:
            read = {reading.quantity: reading.value for reading in work.bill.readings}
            resident = read.get("peak_rss")
            whole = None if resident is None else resident + (read.get("inherited_rss") or 0)  # with the libraries that forks share
            return ResourceUse(work.bill.wall_s, work.bill.kwh, read.get("gpu_peak_allocated") or whole)
        if not work.recipe.on_device:
            return ResourceUse(None, None, None)
        if work.recipe.key not in self.throughputs:
            return NOTHING
        throughput, tensors = self.throughputs[work.recipe.key], self.peaks.get(work.recipe.key)
        if throughput is None:
            return ResourceUse(None, None, tensors)
        flops = self.ratios.get(work.recipe.key, 1.0) * work.bill.flops
        seconds = throughput.seconds(flops, self.kept_shares.get(work.recipe.key, 0.0))
        kwh = None if throughput.watts is None else throughput.watts * seconds / 3.6e6
        own = throughput.resident_bytes if self.process_counts else 0
        return ResourceUse(seconds, kwh, None if tensors is None else tensors + own)


@dataclass(frozen=True, kw_only=True)
class CatalogGpu:
    """A GPU of the table."""

    card: Card
    training: float
    """Share of its peak speed that training is assumed to use."""
    generating: float
    """Share of its peak speed that generation is assumed to use. Generation waits for memory at every token."""
    context_bytes: float
    """Bytes of the GPU's memory that torch cannot give to tensors."""
    kept_free: float
    """Fraction of the GPU's memory that is lost to fragmentation."""
    peaks: Mapping[str, int | None] = field(default_factory=dict)
    """Recipe key -> peak bytes of its tensors, or None."""
    ratios: Mapping[str, float] = field(default_factory=dict)
    """Recipe key -> ratio of its FLOPs at the expected output length to those at the maximum; 1 where absent."""
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        if self.card.bf16_flops_per_second is None:
            return f"{self.card.title}, bf16 speed unknown, so only memory is forecast"
        name = f"{self.card.title}, training at {100 * self.training:g} % and generation at {100 * self.generating:g} % of its bf16 peak"
        watts = "" if self.card.watts is None else f", {self.card.watts:g} W throughout"
        return f"{name}{watts}, all assumed"

    @property
    def room_bytes(self) -> float:
        return self.card.memory_bytes

    def start_s(self, task_label: str) -> float | None:  # noqa: ARG002
        return 0.0  # its CPU is not known, so the start of processes is left out (docs/planning.md)

    def takes(self, work: Work) -> ResourceUse:
        if not work.recipe.on_device:
            return ResourceUse(None, None, None)
        tensors = self.peaks.get(work.recipe.key)
        peak = None if tensors is None else tensors / (1 - self.kept_free) + self.context_bytes
        if not work.bill.flops and work.recipe.activity != "unknown":
            return ResourceUse(0.0, 0.0, peak)
        speed = self.card.bf16_flops_per_second
        if speed is None or work.recipe.activity == "unknown":
            return ResourceUse(None, None, peak)
        utilization = self.generating if work.recipe.activity == "generation" else self.training
        seconds = self.ratios.get(work.recipe.key, 1.0) * work.bill.flops / (speed * utilization)
        return ResourceUse(seconds, None if self.card.watts is None else self.card.watts * seconds / 3.6e6, peak)
