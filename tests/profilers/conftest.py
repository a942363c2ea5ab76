import os
from types import SimpleNamespace

import pynvml
import pytest
import torch


class FakeDriver:
    """NVML and torch of a machine with one GPU. `unsupported`: NVML functions that answer Not Supported."""

    def __init__(self) -> None:
        self.unsupported: set[str] = set()
        self.millijoules = 5_000_000_000
        self.used = 3_000
        self.processes = {os.getpid(): 1_000}
        self.allocated, self.reserved = 700, 900
        self.users = 0
        self.synchronised = 0
        self.slice = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, answer in {
            "nvmlInit": lambda: self._use(1),
            "nvmlShutdown": lambda: self._use(-1),
            "nvmlDeviceGetHandleByUUID": self._handle,
            "nvmlDeviceGetIndex": lambda handle: 6,
            "nvmlDeviceGetTotalEnergyConsumption": lambda handle: self.millijoules,
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(used=self.used),
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: [
                SimpleNamespace(pid=p, usedGpuMemory=b) for p, b in self.processes.items()
            ],
        }.items():
            monkeypatch.setattr(pynvml, name, self._supported(name, answer))
        for name, answer in {
            "is_available": lambda: True,
            "is_initialized": lambda: True,
            "current_device": lambda: 0,
            "get_device_properties": lambda index: SimpleNamespace(uuid="aaaa-bbbb"),
            "synchronize": self._synchronise,
            "reset_peak_memory_stats": lambda: setattr(self, "allocated", 0),
            "max_memory_allocated": lambda: self.allocated,
            "max_memory_reserved": lambda: self.reserved,
        }.items():
            monkeypatch.setattr(torch.cuda, name, answer)

    def _supported(self, name, answer):
        def ask(*arguments):
            if name in self.unsupported:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return answer(*arguments)

        return ask

    def _handle(self, uuid):
        if uuid != ("MIG-aaaa-bbbb" if self.slice else "GPU-aaaa-bbbb"):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    def _use(self, change):
        self.users += change

    def _synchronise(self):
        self.synchronised += 1


@pytest.fixture
def gpu(monkeypatch):
    driver = FakeDriver()
    driver.install(monkeypatch)
    return driver


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def measure():
    """measure(profiler, work): quantity -> reading."""

    def run(profiler, work=lambda: None):
        instrument = profiler.instrument()
        instrument.start()
        try:
            work()
        finally:
            readings = instrument.stop()
        return {reading.quantity: reading for reading in readings}

    return run
