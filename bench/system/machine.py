"""Facts about the host, its packages and its device. Importing this module is cheap, and nothing uses the
network."""

from __future__ import annotations

import os
import platform
import sys
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import __version__
from bench.errors import BenchError, MeasureError
from bench.system.nvml import Nvml

PACKAGES = ("torch", "transformers", "datasets", "evaluate", "rouge-score-rs", "sacrebleu", "regex", "codecarbon", "pandas")


def facts() -> dict[str, Any]:
    """Return the conditions of a measurement, as JSON. What is unknown is None.

    It includes no host name, user name or path. `threads` is the number of threads set for OpenMP, and
    therefore for torch, or None where it is not set.
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
        "packages": {"bench": __version__, **{name: version(name) for name in PACKAGES}},
        **_graphics(),
    }


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines() if listing.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def version(package: str) -> str | None:
    """Return the version of an installed package, else None."""
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
        gpus = [{"name": nvml.ask("nvmlDeviceGetName", h), "memory_bytes": _memory_bytes(nvml, h)} for h in nvml.handles()]
        return {"gpus": gpus, "driver": nvml.ask("nvmlSystemGetDriverVersion")}
    except MeasureError as silent:
        return {"gpus": [], "driver": None, "no_gpu": str(silent)}
    finally:
        nvml.close()


def _memory_bytes(nvml: Nvml, handle: Any) -> int | None:
    """Return the memory of a GPU, or None where it shares the host's memory: then NVML answers NotSupported."""
    try:
        return int(nvml.ask("nvmlDeviceGetMemoryInfo", handle).total)
    except MeasureError:
        return None


def device(name: str) -> str:
    """Return 'cpu' or 'cuda' for 'auto', 'cpu' or 'cuda'.

    Raises BenchError for other names, and for 'cuda' where there is no GPU.
    """
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
    """Return whether the device runs bf16 autocast. A GPU has to do so without emulation. A CPU always can,
    but it is not always faster."""
    if device == "cpu":
        return True
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def synchronise(device: str) -> None:
    """Wait until the device is idle. A GPU that this process never used is idle, and is not initialised."""
    torch = sys.modules.get("torch")
    if device != "cpu" and torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()


@cache
def bf16_slowdown() -> float:
    """Return how many times as long this CPU takes for a bf16 matrix product as for one in fp32.

    The result is under 1 where the CPU has bf16 in hardware. It is measured on 256 x 256 numbers in some
    hundredths of a second, because CPU flags have different names on each platform. CPUs that only emulate
    bf16 take 50 times as long.
    """
    import torch

    numbers = torch.ones(256, 256)
    fp32, bf16 = (_seconds_of_product(numbers.to(kind)) for kind in (torch.float32, torch.bfloat16))
    return bf16 / fp32


def _seconds_of_product(numbers: Any) -> float:
    """Return the shortest of three times, after one product that is not counted."""
    _ = numbers @ numbers
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        _ = numbers @ numbers
        seconds.append(time.perf_counter() - begun)
    return min(seconds)
