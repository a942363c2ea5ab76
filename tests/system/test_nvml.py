"""Free memory of GPUs, by a driver that is made up here."""

from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from bench.system.nvml import free_bytes

FREE = {"GPU-a": 10, "GPU-b": 30, "GPU-c": 20}
"""UUID -> bytes, by NVML's index."""


@pytest.fixture(autouse=True)
def users(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Changes of the number of NVML's users."""
    found = list[int]()

    def by_uuid(uuid: str) -> str:
        if uuid not in FREE:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    answers: dict[str, Any] = {
        "nvmlInit": lambda: found.append(1),
        "nvmlShutdown": lambda: found.append(-1),
        "nvmlDeviceGetCount": lambda: len(FREE),
        "nvmlDeviceGetHandleByIndex": lambda index: [*FREE][index],
        "nvmlDeviceGetHandleByUUID": by_uuid,
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(free=FREE[handle]),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    return found


def test_a_gpu_has_the_free_memory_of_its_uuid_and_an_unknown_one_is_missing(users: list[int]) -> None:
    assert free_bytes(["GPU-b", "GPU-x", "GPU-a"]) == {"GPU-b": 30, "GPU-a": 10}
    assert users == [1, -1]


def test_a_number_stands_for_the_least_free_memory_unless_it_counts_as_the_driver_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    assert free_bytes(["1", "2"]) == {"1": 10, "2": 10}
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert free_bytes(["1", "2"]) == {"1": 30, "2": 20}


def test_without_a_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    assert free_bytes(["0"]) == {}
