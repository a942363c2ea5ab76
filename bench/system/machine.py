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
from bench.system.nvml import Nvml

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
