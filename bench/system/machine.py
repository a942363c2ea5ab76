"""Facts of the host, its packages and its device. Nothing here is heavy to import, and nothing asks the network."""

from __future__ import annotations

import os
import platform
import sys
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.errors import BenchError, MeasureError

PACKAGES = ("bench", "torch", "transformers", "datasets", "evaluate", "rouge-score", "codecarbon", "pandas")


def facts() -> dict[str, Any]:
    """The conditions of a measurement, as JSON. No host name, user name or path is in it; what cannot be told is None.

    threads: what OpenMP, and so torch, was told to use; None where nobody said.
    """
    import psutil

    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "ram_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        **_graphics(),
    }


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines() if listing.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _graphics() -> dict[str, Any]:
    try:
        nvml = Nvml()
    except MeasureError as none:
        return {"gpus": [], "driver": None, "no_gpu": str(none)}
    try:
        handles = [nvml.ask("nvmlDeviceGetHandleByIndex", i) for i in range(nvml.ask("nvmlDeviceGetCount"))]
        gpus = [{"name": nvml.ask("nvmlDeviceGetName", h), "memory_bytes": _memory_bytes(nvml, h)} for h in handles]
        return {"gpus": gpus, "driver": nvml.ask("nvmlSystemGetDriverVersion")}
    except MeasureError as silent:
        return {"gpus": [], "driver": None, "no_gpu": str(silent)}
    finally:
        nvml.close()


def _memory_bytes(nvml: Nvml, handle: Any) -> int | None:
    """None on GPUs that share the host's memory: they answer NotSupported."""
    try:
        return int(nvml.ask("nvmlDeviceGetMemoryInfo", handle).total)
    except MeasureError:
        return None


class Nvml:
    """The driver's own instruments, from the package nvidia-ml-py. Raises MeasureError where there is no driver."""

    def __init__(self) -> None:
        import pynvml

        self._pynvml = pynvml
        self.ask("nvmlInit")

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call an NVML function by name. Raises MeasureError with NVML's own words, such as 'Not Supported' under MIG."""
        try:
            return getattr(self._pynvml, function)(*arguments)
        except self._pynvml.NVMLError as error:
            raise MeasureError(f"{function}: {error}") from None

    def close(self) -> None:
        """NVML counts its users, so this leaves others' handles alive."""
        self.ask("nvmlShutdown")


class Gpu:
    """The one GPU that torch calls 'cuda', seen by its driver. All but `close` raise MeasureError where there is no answer.

    It is found by its UUID: NVML counts the GPUs in another order than torch unless CUDA_DEVICE_ORDER is PCI_BUS_ID.
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
        """NVML's number of it, codecarbon's as well: its UUID would not do, codecarbon 3.3 strips the G of 'GPU-' and finds nothing."""
        if self._slice:
            raise MeasureError("a slice of a GPU (MIG) has no number and no energy of its own")
        return int(self._nvml.ask("nvmlDeviceGetIndex", self._handle))

    def energy_kwh(self) -> float:
        """Counted since the driver was loaded. The counter moves every 10 to 100 ms."""
        return float(self._nvml.ask("nvmlDeviceGetTotalEnergyConsumption", self._handle)) / 3.6e9

    def used_bytes(self) -> int:
        """Of the whole device, other processes included."""
        return int(self._nvml.ask("nvmlDeviceGetMemoryInfo", self._handle).used)

    def bytes_by_process(self) -> dict[int, int]:
        """Process id -> bytes. Empty or without this process in a container that has process ids of its own."""
        processes = self._nvml.ask("nvmlDeviceGetComputeRunningProcesses", self._handle)
        if any(p.usedGpuMemory is None for p in processes):
            raise MeasureError("the driver tells no memory by process (Windows, WSL)")
        return {p.pid: p.usedGpuMemory for p in processes}

    def close(self) -> None:
        self._nvml.close()


def device(name: str) -> str:
    """'auto', 'cpu' or 'cuda' -> 'cpu' or 'cuda'. Raises BenchError for other names, and for 'cuda' where there is none."""
    if name not in ("auto", "cpu", "cuda"):
        raise BenchError(f"no device '{name}'; there are: auto, cpu, cuda")
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise BenchError("device 'cuda' asked for, but torch sees no GPU here; say 'auto' or 'cpu'")
    return "cpu"


def bf16_supported(device: str) -> bool:
    """Whether bf16 autocast runs without emulation on a GPU. On a CPU it always runs, if not always faster."""
    if device == "cpu":
        return True
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def synchronise(device: str) -> None:
    """Wait until the device is idle. A GPU that this process never touched is idle, and is not woken."""
    torch = sys.modules.get("torch")
    if device != "cpu" and torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


@cache
def bf16_slowdown() -> float:
    """How many times as long this CPU takes for a bf16 matrix product as in fp32: under 1 where it has bf16 in hardware.

    Measured, on 256 x 256 numbers, for some hundredths of a second: flags of CPUs have other names everywhere, and those that only
    emulate take 50 times as long.
    """
    import torch

    numbers = torch.ones(256, 256)
    fp32, bf16 = (_seconds_of_product(numbers.to(kind)) for kind in (torch.float32, torch.bfloat16))
    return bf16 / fp32


def _seconds_of_product(numbers: Any) -> float:
    """The quickest of three, after one that lays things out."""
    _ = numbers @ numbers
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        _ = numbers @ numbers
        seconds.append(time.perf_counter() - begun)
    return min(seconds)
