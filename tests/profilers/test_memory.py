import gc
import json
import mmap
import os
import platform
import subprocess
import sys
import time

import numpy as np
import psutil
import pynvml
import pytest

from bench.profilers.memory import Memory
from bench.system.allocator import give_back_freed

MIB = 2**20


def new_pages():
    """128 MiB of written pages straight from the system. malloc may hand out pages that were resident before."""
    pages = np.frombuffer(mmap.mmap(-1, 128 * MIB), dtype=np.uint8)
    pages[:] = 1
    return pages


def resident():
    """Resident bytes of this process, once it has given back what it freed."""
    gc.collect()
    give_back_freed()
    return psutil.Process().memory_info().rss


def peak(readings):
    """The peak of the resident set, with what a fork would inherit."""
    return readings["peak_rss"].value + readings["inherited_rss"].value


def test_an_array_of_known_bytes_raises_the_peak_by_as_many(measure):
    held = []
    before = resident()
    readings = measure(Memory(), lambda: held.append(new_pages()))
    assert peak(readings) - before == pytest.approx(held[0].nbytes, abs=8 * MIB)


def test_a_peak_that_is_over_before_the_end_is_still_seen(measure):
    def spike():
        pages = new_pages()
        time.sleep(0.5)
        del pages

    before = resident()
    readings = measure(Memory(polling_s=0.01), spike)
    assert peak(readings) - before == pytest.approx(128 * MIB, abs=8 * MIB)


FORKED = """
import json, mmap, os, sys
import psutil
from bench.contracts import Reading
from bench.profilers.memory import _own

pages = mmap.mmap(-1, 128 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
pages.write(bytes(128 << 20))
for written in (0, 64 << 20):
    if not os.fork():
        pages.seek(0)
        pages.write(bytes(written))
        resident = Reading("peak_rss", float(psutil.Process().memory_info().rss), "bytes", "polled")
        print(json.dumps([reading.value for reading in _own(resident)] + [resident.value]))
        sys.exit()
    os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forks on Linux alone")
def test_pages_of_the_parent_count_in_a_fork_once_it_has_written_to_them():
    printed = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True).stdout
    (idle, shared, resident), (writing, left, _) = map(json.loads, printed.splitlines())
    assert shared > 128 * MIB
    assert idle + shared == resident
    assert shared - left == pytest.approx(64 * MIB, abs=8 * MIB)
    assert writing - idle == pytest.approx(64 * MIB, abs=8 * MIB)


MAPPED = """
import json, mmap, sys
from bench.profilers.memory import _inherited

found = [_inherited().value]
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    sum(pages[at] for at in range(0, len(pages), 4096))
    found.append(_inherited().value)
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forks on Linux alone")
def test_libraries_are_inherited_and_files_of_weights_are_not(tmp_path):
    for name in ("weights.bin", "library.so.3"):
        (tmp_path / name).write_bytes(bytes(64 * MIB))
    command = [sys.executable, "-c", MAPPED, tmp_path / "weights.bin", tmp_path / "library.so.3"]
    before, weights, library = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert weights - before == pytest.approx(0, abs=8 * MIB)
    assert library - weights == pytest.approx(64 * MIB, abs=8 * MIB)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone keeps what is freed in this way")
def test_what_earlier_work_freed_does_not_count(measure):
    def fragments():
        """128 MiB in blocks that come from the heap, and a block above them that stays."""
        held = [bytes(2**16) for _ in range(2**11)]
        above = bytes(2**16)
        del held
        return above

    before = resident()
    above = fragments()
    readings = measure(Memory(polling_s=0.01))
    assert len(above) == 2**16
    assert peak(readings) - before < 64 * MIB


def test_without_a_gpu_its_readings_are_missing_with_a_reason(no_gpu, measure):
    readings = measure(Memory())
    without = {quantity for quantity, reading in readings.items() if reading.value is None}
    assert without == set(readings) - {"peak_rss", "inherited_rss"}
    assert all("no GPU" in (readings[quantity].reason or "") for quantity in without)


def test_a_gpu_is_read_through_torch_and_through_its_driver_in_bytes(gpu, measure):
    def work():
        gpu.used, gpu.processes[os.getpid()] = 9_000, 6_000
        gpu.allocated, gpu.reserved = 4_000, 5_000
        time.sleep(0.3)
        gpu.used, gpu.processes[os.getpid()] = 4_000, 2_000

    readings = measure(Memory(polling_s=0.01), work)
    values = {quantity: reading.value for quantity, reading in readings.items() if not quantity.endswith("_rss")}
    assert values == {
        "gpu_process_memory": 6_000,
        "gpu_device_memory": 9_000,
        "gpu_foreign_processes": 0,
        "gpu_device_baseline": 3_000,
        "gpu_peak_allocated": 4_000,
        "gpu_peak_reserved": 5_000,
    }
    assert {readings[q].unit for q in values} == {"bytes", "processes"}


def test_the_peak_of_an_earlier_window_is_not_carried_over(gpu, measure):
    gpu.allocated = 123_456
    assert measure(Memory())["gpu_peak_allocated"].value == 0


def test_processes_of_others_on_the_gpu_are_flagged(gpu, measure):
    gpu.processes |= {1: 50, 2: 60}
    readings = measure(Memory())
    assert readings["gpu_foreign_processes"].value == 2
    assert readings["gpu_process_memory"].value == 1_000


def test_in_a_container_that_hides_process_ids_the_process_is_missing_and_not_zero(gpu, measure):
    gpu.processes = {}
    readings = measure(Memory())
    for quantity in ("gpu_process_memory", "gpu_foreign_processes"):
        assert readings[quantity].value is None
        assert "container" in readings[quantity].reason
    assert readings["gpu_device_memory"].value == 3_000


def test_a_process_that_comes_to_the_gpu_later_is_seen_from_then_on(gpu, measure):
    gpu.processes = {}
    readings = measure(Memory(), lambda: gpu.processes.update({os.getpid(): 2_000}))
    assert readings["gpu_process_memory"].value == 2_000
    assert readings["gpu_process_memory"].reason == ""


def test_what_the_driver_does_not_support_is_missing_in_its_own_words(gpu, measure):
    gpu.unsupported = {"nvmlDeviceGetMemoryInfo", "nvmlDeviceGetComputeRunningProcesses"}
    readings = measure(Memory())
    for quantity in ("gpu_process_memory", "gpu_device_memory", "gpu_device_baseline", "gpu_foreign_processes"):
        assert readings[quantity].value is None
        assert "Not Supported" in readings[quantity].reason
    assert readings["gpu_peak_allocated"].value == 0


def test_windows_tells_no_memory_by_process(gpu, measure):
    gpu.processes = {os.getpid(): None}
    assert "Windows" in measure(Memory())["gpu_process_memory"].reason


def test_a_missing_driver_library_is_a_reason_and_no_failure(gpu, measure, monkeypatch):
    def absent():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    readings = measure(Memory())
    assert "Not Found" in readings["gpu_device_memory"].reason
    assert readings["gpu_peak_reserved"].value == 900


def test_the_driver_is_released_also_where_the_gpu_is_not_found(gpu, measure):
    measure(Memory())
    assert gpu.users == 0
    gpu.unsupported = {"nvmlDeviceGetHandleByUUID"}
    measure(Memory())
    assert gpu.users == 0
