"""The driver's own instruments for the GPU that torch uses: energy, memory and identity."""

from __future__ import annotations

from typing import Any

from bench.errors import MeasureError
from bench.system.nvml import Nvml


class Gpu:
    """The one GPU that torch calls 'cuda', as its driver sees it.

    It is found by its UUID, because NVML orders GPUs differently from torch unless CUDA_DEVICE_ORDER is
    PCI_BUS_ID. All methods but `close` raise MeasureError where the driver gives no answer.
    """

    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            raise MeasureError("torch sees no GPU here")
        self._nvml = Nvml()
        self._slice = False
        try:
            self._handle = self._find(str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid))
        except MeasureError:
            self.close()
            raise

    def _find(self, uuid: str) -> Any:
        try:
            return self._nvml.ask("nvmlDeviceGetHandleByUUID", f"GPU-{uuid}")
        except MeasureError:
            self._slice = True
            return self._nvml.ask("nvmlDeviceGetHandleByUUID", f"MIG-{uuid}")

    def index(self) -> int:
        """Return NVML's index of the GPU, which is also codecarbon's.

        The UUID cannot be used: codecarbon 3.3 strips the G of 'GPU-' and then finds nothing.
        """
        if self._slice:
            raise MeasureError("a slice of a GPU (MIG) has no number and no energy of its own")
        return int(self._nvml.ask("nvmlDeviceGetIndex", self._handle))

    def energy_kwh(self) -> float:
        """Return the kWh since the driver was loaded. The counter moves every 10 to 100 ms."""
        return float(self._nvml.ask("nvmlDeviceGetTotalEnergyConsumption", self._handle)) / 3.6e9

    def used_bytes(self) -> int:
        """Return the used memory of the whole device, including other processes."""
        return int(self._nvml.ask("nvmlDeviceGetMemoryInfo", self._handle).used)

    def bytes_by_process(self) -> dict[int, int]:
        """Return process id -> bytes. In a container with its own process ids it is empty, or lacks this
        process."""
        processes = self._nvml.ask("nvmlDeviceGetComputeRunningProcesses", self._handle)
        if any(p.usedGpuMemory is None for p in processes):
            raise MeasureError("the driver reports no memory by process (Windows, WSL)")
        return {p.pid: p.usedGpuMemory for p in processes}

    def close(self) -> None:
        self._nvml.close()
