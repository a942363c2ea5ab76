"""A connection to the NVIDIA driver (NVML), and which GPUs there are. Nothing here imports torch."""

from __future__ import annotations

import os
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
        handles = [nvml.ask("nvmlDeviceGetHandleByIndex", i) for i in range(nvml.ask("nvmlDeviceGetCount"))]
        return tuple(str(nvml.ask("nvmlDeviceGetUUID", handle)) for handle in handles)
    except MeasureError:
        return ()
    finally:
        nvml.close()
