"""Energy: codecarbon's estimate for CPU, memory and GPU, and the GPU's own counter."""

from __future__ import annotations

import logging
import math
import tempfile
import threading
import time
from typing import Any, Literal

from pydantic import Field

from bench.contracts import Instrument, Profiler, Reading, Source
from bench.errors import MeasureError
from bench.system import gpu, machine


class Energy(Profiler):
    """Energy of the window in kWh by codecarbon, offline: CPU, RAM and GPU, and their sum.

    The readings are called `cpu_energy`, `ram_energy`, `gpu_energy`, and `energy` for the sum.

    CPU: the source is 'counter' where codecarbon may read RAPL. On most machines only root may; RAPL counts
    the whole package, whatever `tracking` is set to. Otherwise it is 'modelled': load times the rated power
    of a known CPU, or times 4 W per thread.

    RAM: the source is always 'assumed': 5 W for each memory module that such a size would have, at least 10
    W. It is never measured.

    GPU: the source is 'counter', or 'polled' power where the driver has no counter. It covers the one GPU
    that torch uses, all of it, also while it is idle. `gpu_energy_counter` is the same GPU by NVML's counter,
    read by bench at the start and the end.

    `energy` counts as 'modelled', because RAM is part of it. External checks of such tools found errors of up
    to 40 % (arXiv 2509.22092). CO2 is not computed: multiply kWh by the grid's intensity. Nothing is written,
    and no request goes over the network. Where there is a GPU that codecarbon does not see, neither the GPU
    readings nor `energy` have a value.

    Cost: about 0.1 % of a core at one sample per second. The first start in a process takes 2 s; `prepare`
    does it beforehand.
    """

    country_iso_code: str = Field(default="USA", pattern="^[A-Z]{3}$")
    """Three-letter country code of the grid. No reading depends on it. It is recorded for those who compute
    CO2."""
    sampling_s: float = Field(default=1.0, ge=0.1, le=60)
    """Seconds between two samples."""
    tracking: Literal["process", "machine"] = "process"
    """What the models of CPU and RAM count: 'process' is this process and its children, 'machine' is
    everything that runs here, including other arms."""

    def import_libraries(self) -> None:
        """Import codecarbon and, where torch is built without CUDA, have it look at the hardware, which it remembers.

        The import opens a connection to the driver, which is closed again. Each tracker opens one of its own. To ask torch for a
        GPU would start CUDA, after which no process can be forked.
        """
        import torch
        from codecarbon.core import gpu_nvidia

        if gpu_nvidia.PYNVML_AVAILABLE:
            gpu_nvidia.pynvml.nvmlShutdown()
        elif torch.version.cuda is None and torch.version.hip is None:
            self.prepare()

    def prepare(self) -> None:
        first = self.instrument()
        first.start()
        first.stop()

    def instrument(self) -> Instrument:
        return _Meter(self)


class _Meter:
    """A RunningInstrument of energy.

    codecarbon adds up power times the time since the last sample, and does not make sure that only one thread
    does so. Where its own sampling thread met `stop`, a window of one second counted as two. Therefore its
    thread is put off forever, and a thread of bench takes the samples.
    """

    quantity = "energy"

    def __init__(self, settings: Energy) -> None:
        self._settings = settings
        self._tracker: Any = None
        self._latest = _Latest()
        self._hush = _Hush()
        self._counter = _GpuCounter()
        self._sampling = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_sampling, name="bench energy", daemon=True)

    def start(self) -> None:
        self._counter.start()
        logging.getLogger("codecarbon").addFilter(self._hush)
        self._tracker = _tracker(self._settings, self._latest, self._counter.gpu_ids)
        self._tracker.start()
        self._thread.start()

    def so_far(self) -> float | None:
        """Return the kWh since the start, from a sample at most a quarter of a second old. None where it is
        unknown. Takes up to 5 ms.

        Samples are not fresher than this because codecarbon's model leaves out the milliseconds that a sample
        takes: 2 % at this rate.
        """
        if self._tracker is None:
            return None
        if time.monotonic() - self._latest.at > _FRESH_S:
            self._sample()
        return None if self._latest.total is None else self._total(self._parts(self._latest.total))

    def _sample(self) -> None:
        with self._sampling:
            self._tracker.flush()

    def _keep_sampling(self) -> None:
        while not self._ended.wait(self._settings.sampling_s):
            self._sample()

    def stop(self) -> list[Reading]:
        if self._tracker is None:
            return [*_nothing("never started"), self._counter.stop()]
        self._ended.set()
        self._thread.join()
        self._tracker.stop()
        logging.getLogger("codecarbon").removeFilter(self._hush)
        counted = self._counter.stop()
        # codecarbon swallows its own errors and then lacks this attribute; 0 would be a false reading
        seen = getattr(self._tracker, "final_emissions_data", None)
        if seen is None:
            return [*_nothing(f"codecarbon gave up: {self._hush.error or 'it does not say why'}"), counted]
        parts = self._parts(seen)
        total = self._total(parts)
        gaps = "; ".join(part.reason for part in parts if part.reason) if total is None else ""
        return [Reading("energy", total, "kWh", "modelled", reason=gaps), *parts, counted]

    def _parts(self, seen: Any) -> list[Reading]:
        return [self._cpu(seen), _ram(seen), self._gpu(seen)]

    def _total(self, parts: list[Reading]) -> float | None:
        """Return the sum, or None where a part is missing. A GPU that does not exist uses no energy."""
        values = [part.value for part in parts if self._counter.present or part.quantity != "gpu_energy"]
        return None if None in values else math.fsum(value for value in values if value is not None)

    def _cpu(self, seen: Any) -> Reading:
        # No public attribute states how the CPU is read; these are the descriptions that codecarbon logs.
        found = [part for part in self._tracker._conf.get("hardware", ()) if part.startswith(("CPU(", "Apple", "Raspberry"))]
        if not found:
            return _missing("cpu_energy", "codecarbon can neither read nor model this CPU")
        return Reading("cpu_energy", float(seen.cpu_energy), "kWh", _CPU_SOURCES.get(found[-1], "polled"))

    def _gpu(self, seen: Any) -> Reading:
        if not self._counter.gpu_ids:
            return _missing("gpu_energy", self._counter.reason)
        if not seen.gpu_model:
            return _missing("gpu_energy", "codecarbon does not see the GPU")
        if not seen.gpu_energy and self._counter.reason:
            return _missing("gpu_energy", f"codecarbon got neither energy nor power from the driver; {self._counter.reason}")
        return Reading("gpu_energy", float(seen.gpu_energy), "kWh", "polled" if self._counter.reason else "counter")


QUANTITIES: dict[str, Source] = {"energy": "modelled", "cpu_energy": "modelled", "ram_energy": "assumed", "gpu_energy": "counter"}

_FRESH_S = 0.25

_NEVER_S = 1e6
"""Eleven days, so that codecarbon's own sampling thread never takes a sample."""

_CPU_SOURCES: dict[str, Source] = {"CPU(Intel Rapl)": "counter", "CPU(Windows Emi)": "counter", "CPU(Cpu Load)": "modelled"}


def _ram(seen: Any) -> Reading:
    if not seen.ram_energy:
        return _missing("ram_energy", "codecarbon could not tell the size of the memory")
    return Reading("ram_energy", float(seen.ram_energy), "kWh", "assumed")


def _nothing(reason: str) -> list[Reading]:
    return [_missing(quantity, reason) for quantity in QUANTITIES]


def _missing(quantity: str, reason: str) -> Reading:
    return Reading(quantity, None, "kWh", QUANTITIES[quantity], reason=reason)


class _GpuCounter:
    """NVML's energy counter, read at the start and the end of the window.

    present: whether there is a GPU to count. gpu_ids: codecarbon's index of the GPU. reason: why there is no
    value, or ''.
    """

    def __init__(self) -> None:
        self.present = False
        self.gpu_ids: list[int] = []
        self.reason = "never started"
        self._gpu: gpu.Gpu | None = None
        self._from_kwh = 0.0

    def start(self) -> None:
        self.present = machine.device("auto") == "cuda"
        try:
            self._gpu = gpu.Gpu()
            self.gpu_ids = [self._gpu.index()]
            self._from_kwh = self._gpu.energy_kwh()
        except MeasureError as silent:
            self.reason = str(silent)
        else:
            self.reason = ""

    def stop(self) -> Reading:
        value = None
        try:
            if self._gpu is not None and not self.reason:
                value = self._gpu.energy_kwh() - self._from_kwh
        except MeasureError as silent:
            self.reason = str(silent)
        if self._gpu is not None:
            self._gpu.close()
        if value is not None and value < 0:
            value, self.reason = None, "the counter went backwards: the driver was loaded anew"
        return Reading("gpu_energy_counter", value, "kWh", "counter", reason=self.reason)


class _Latest:
    """The output handler that codecarbon calls with its totals at every flush and at the end."""

    total: Any = None
    at = -math.inf

    def out(self, total: Any, _: Any) -> None:
        self.total, self.at = total, time.monotonic()

    def exit(self) -> None:
        """Do nothing; there is nothing to close."""


class _Hush(logging.Filter):
    """A filter that drops codecarbon's log messages, which go to stderr at any level while it is constructed.

    It keeps the first error that codecarbon swallowed.
    """

    error = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] and not self.error:
            self.error = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        return False


def _tracker(settings: Energy, latest: _Latest, gpu_ids: list[int]) -> Any:
    """Return a tracker with every parameter set.

    codecarbon takes parameters that are left out from CODECARBON_* variables and from .codecarbon.config.
    """
    from codecarbon import OfflineEmissionsTracker

    return OfflineEmissionsTracker(
        country_iso_code=settings.country_iso_code,
        region=None,
        cloud_provider=None,
        cloud_region=None,
        country_2letter_iso_code=None,
        measure_power_secs=_NEVER_S,
        tracking_mode=settings.tracking,
        gpu_ids=gpu_ids or None,
        output_methods=[],
        output_handlers=[latest],
        output_dir=tempfile.gettempdir(),
        output_file="",
        on_csv_write="append",
        api_call_interval=-1,
        api_endpoint="",
        api_key="",
        emissions_endpoint=None,
        # Not None: with a stray CODECARBON_CO2_SIGNAL_API_TOKEN codecarbon would then ask a server.
        electricitymaps_api_token="",
        project_name="bench",
        experiment_id="",
        experiment_name="",
        log_level="warning",
        logger_preamble="",
        logging_logger=None,
        prometheus_url="",
        metadata=None,
        force_cpu_power=None,
        force_ram_power=None,
        force_carbon_intensity_g_co2e_kwh=None,
        force_mode_cpu_load=False,
        pue=1.0,
        wue=0.0,
        allow_multiple_runs=True,
        rapl_include_dram=False,
        rapl_prefer_psys=False,
    )
