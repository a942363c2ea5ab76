"""A connection to the NVIDIA driver (NVML), which GPUs there are, and their free memory. Nothing here imports torch."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from typing import Any

from bench.errors import MeasureError


class Nvml:
    """A connection to NVML, by the package nvidia-ml-py. Raises MeasureError where there is no driver."""

    def __init__(self) -> None:
        import pynvml

        self._pynvml = pynvml
        self.ask("nvmlInit")

    def ask(self, function: str, *arguments: Any) -> Any:
        """Call an NVML function by name.

        Raises MeasureError with NVML's own message, such as 'Not Supported' under MIG.
        """
        try:
            return getattr(self._pynvml, function)(*arguments)
        except self._pynvml.NVMLError as error:
            raise MeasureError(f"{function}: {error}") from None

    def handles(self) -> list[Any]:
        """Return the handles of all GPUs of this machine, by NVML's index."""
        return [self.ask("nvmlDeviceGetHandleByIndex", i) for i in range(self.ask("nvmlDeviceGetCount"))]

    def close(self) -> None:
        """Close this connection. NVML counts its users, so handles of others stay valid."""
        self.ask("nvmlShutdown")


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; () where there is none. No GPU is initialised.

    Where that variable is missing they are UUIDs of all GPUs of the machine, because NVML and CUDA number GPUs differently.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:  # CUDA ignores what follows an invalid name
        return tuple(takewhile(lambda name: name not in ("", "-1"), (name.strip() for name in named.split(","))))
    try:
        nvml = Nvml()
    except MeasureError:
        return ()
    try:
        return tuple(str(nvml.ask("nvmlDeviceGetUUID", handle)) for handle in nvml.handles())
    except MeasureError:
        return ()
    finally:
        nvml.close()


def free_bytes(gpus: Iterable[str]) -> dict[str, int]:
    """Return GPU -> bytes of its memory that no process uses. A GPU of which the driver says nothing is missing.

    gpus: names as CUDA_VISIBLE_DEVICES has them. A number counts in CUDA's order. Unless CUDA_DEVICE_ORDER is PCI_BUS_ID, that need not be
    NVML's, and the number stands for the GPU of this machine with the least free memory.
    """
    try:
        nvml = Nvml()
    except MeasureError:
        return {}
    found = {}
    try:
        for gpu in gpus:
            with suppress(MeasureError):
                if not gpu.isdigit():
                    handles = [nvml.ask("nvmlDeviceGetHandleByUUID", gpu)]
                elif os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID":
                    handles = [nvml.ask("nvmlDeviceGetHandleByIndex", int(gpu))]
                else:
                    handles = nvml.handles()
                found[gpu] = min(int(nvml.ask("nvmlDeviceGetMemoryInfo", handle).free) for handle in handles)
        return found
    finally:
        nvml.close()
