import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
import torch

from bench import __version__
from bench.errors import BenchError
from bench.system import machine
from bench.system.nvml import visible_gpus


@pytest.fixture
def driver(monkeypatch):
    """An NVML with two GPUs, the second of which shares the host's memory."""
    shut = []

    def memory(handle):
        if handle == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(total=16 * 2**30)

    answers = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: shut.append(True),
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda i: i,
        "nvmlDeviceGetName": lambda handle: ["Tesla T4", "GB10"][handle],
        "nvmlDeviceGetMemoryInfo": memory,
        "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}0",
        "nvmlSystemGetDriverVersion": lambda: "580.95.05",
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    return SimpleNamespace(shut=shut)


def test_the_facts_are_json_and_name_no_person_host_or_folder():
    text = json.dumps(machine.facts(), allow_nan=False)
    assert platform.node() not in re.split(r"[^\w.-]+", text)
    assert str(Path.home()) not in text
    assert os.getcwd() not in text


def test_the_facts_tell_the_machine_the_packages_and_the_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    facts = machine.facts()
    assert facts["cpu"]
    assert facts["logical_cores"] == os.cpu_count()
    assert facts["ram_bytes"] > 2**28
    assert facts["threads"] == "3"
    assert facts["packages"]["torch"] == torch.__version__
    assert set(facts["packages"]) == {"bench", *machine.PACKAGES}


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("no-such-package",))
    assert machine.facts()["packages"] == {"bench": __version__, "no-such-package": None}


def test_the_facts_list_every_gpu_with_its_memory_where_it_has_one_of_its_own(driver):
    facts = machine.facts()
    assert facts["gpus"] == [{"name": "Tesla T4", "memory_bytes": 16 * 2**30}, {"name": "GB10", "memory_bytes": None}]
    assert facts["driver"] == "580.95.05"
    assert driver.shut == [True]


def test_the_driver_names_all_gpus_where_the_environment_names_none(driver, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == ("GPU-00", "GPU-10")
    assert driver.shut == [True]


@pytest.mark.parametrize(
    ("named", "expected"), [("1", ("1",)), ("2, GPU-a,MIG-b", ("2", "GPU-a", "MIG-b")), ("0,-1,1", ("0",)), ("-1", ()), ("", ())]
)
def test_the_environment_names_the_gpus_that_may_be_used(driver, monkeypatch, named, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == expected
    assert driver.shut == []


@pytest.mark.parametrize("fails", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetUUID"])
def test_a_driver_that_gives_no_answer_is_no_gpu(driver, monkeypatch, fails):
    def broken(*_):
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(pynvml, fails, broken)
    assert visible_gpus() == ()
    assert driver.shut == [True] * (fails != "nvmlInit")


def test_without_a_driver_the_facts_say_why_there_is_no_gpu(monkeypatch):
    def absent():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    facts = machine.facts()
    assert facts["gpus"] == []
    assert "Not Found" in facts["no_gpu"]


def test_a_driver_that_fails_half_way_is_still_released(driver, monkeypatch):
    def broken():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", broken)
    assert "nvmlDeviceGetCount" in machine.facts()["no_gpu"]
    assert driver.shut == [True]


def test_importing_the_module_and_asking_for_facts_loads_no_heavy_package():
    code = "import sys; from bench.system import machine; machine.facts(); print({'torch', 'evaluate'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("there", "asked", "given"), [(True, "auto", "cuda"), (False, "auto", "cpu"), (True, "cpu", "cpu"), (True, "cuda", "cuda")]
)
def test_auto_takes_the_gpu_where_there_is_one(monkeypatch, there, asked, given):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert machine.device(asked) == given


@pytest.mark.parametrize("name", ["cuda", "gpu", "cuda:1"])
def test_a_device_that_is_not_there_is_refused_in_one_line(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BenchError, match=r"^[^\n]*cpu[^\n]*$"):
        machine.device(name)


def test_bf16_is_true_of_a_cpu_and_asked_of_a_gpu_without_emulation(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: asked.append(including_emulation))
    assert machine.bf16_supported("cpu")
    assert not machine.bf16_supported("cuda")
    assert asked == [False]


def test_only_a_gpu_that_was_touched_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(True))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    machine.synchronise("cuda")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    machine.synchronise("cpu")
    assert waited == []
    machine.synchronise("cuda")
    assert waited == [True]


def test_how_much_slower_bf16_is_here_is_measured_once(monkeypatch):
    seconds = {torch.float32: 0.5, torch.bfloat16: 24.0}
    monkeypatch.setattr(machine, "_seconds_of_product", lambda numbers: seconds.pop(numbers.dtype))
    machine.bf16_slowdown.cache_clear()
    assert machine.bf16_slowdown() == machine.bf16_slowdown() == 48.0
    machine.bf16_slowdown.cache_clear()


def test_a_real_product_takes_some_time():
    assert 0 < machine._seconds_of_product(torch.ones(8, 8)) < 60
