import inspect
import math
import platform
import socket
import tempfile
import time
from types import SimpleNamespace
from typing import ClassVar

import codecarbon
import pynvml
import pytest

from bench.profilers.energy import Energy
from tests.facts import missing

RAM_WATTS = 10.0 if platform.machine() in ("x86_64", "AMD64") else 3.0
"""codecarbon's least power of a memory, which a process of a few GB has."""
KWH = 3.6e6
"""Joules in one."""

REAL_TRACKER = codecarbon.OfflineEmissionsTracker


@pytest.fixture(autouse=True, scope="module")
def _prepared():
    Energy().prepare()


def busy(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


class Tracker:
    """codecarbon as it behaves on a machine with RAPL and a GPU."""

    given: ClassVar[dict] = {}
    seen: ClassVar[dict] = {"cpu_energy": 1.0, "ram_energy": 2.0, "gpu_energy": 4.0, "gpu_model": "1 x NVIDIA T4"}
    parts = ("RAM()", "CPU(Intel Rapl)", "GPU()")

    def __init__(self, **settings):
        Tracker.given = settings
        self._conf = {"hardware": list(self.parts)}

    def start(self):
        pass

    def flush(self):
        self.given["output_handlers"][0].out(SimpleNamespace(**self.seen), None)

    def stop(self):
        self.final_emissions_data = SimpleNamespace(**self.seen)


@pytest.fixture
def tracker(monkeypatch):
    made = type("Made", (Tracker,), {})
    monkeypatch.setattr(codecarbon, "OfflineEmissionsTracker", made)
    return made


# --- the real codecarbon ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "sampling_s"), [(1, 1), (0.4, 0.1), (0.4, 5)])
def test_memory_takes_its_assumed_power_times_the_time_of_the_window(no_gpu, seconds, sampling_s):
    """Also where a sample falls on the end of the window: codecarbon's own thread then counts the last second twice."""
    instrument, sampled = Energy(sampling_s=sampling_s).instrument(), []
    sample = instrument._sample

    def timed_sample():
        began = time.perf_counter()
        sample()
        sampled.append(time.perf_counter() - began)

    instrument._sample = timed_sample
    outer = time.perf_counter()
    instrument.start()
    inner = time.perf_counter()
    time.sleep(seconds)
    inner = time.perf_counter() - inner
    readings = {reading.quantity: reading for reading in instrument.stop()}
    outer = time.perf_counter() - outer
    unseen = 0.05 + sum(sampled)  # codecarbon takes no last sample this soon after another, and leaves out the time that samples take
    assert RAM_WATTS * (inner - unseen) <= readings["ram_energy"].value * KWH <= RAM_WATTS * outer
    assert readings["ram_energy"].source == "assumed"


def test_a_longer_window_takes_more_energy(no_gpu, measure):
    short = measure(Energy(), lambda: busy(0.2))["energy"].value
    long = measure(Energy(), lambda: busy(0.6))["energy"].value
    assert 0 < short < long


def test_a_busy_cpu_takes_more_than_an_idle_one(no_gpu, measure):
    idle = measure(Energy(), lambda: time.sleep(0.5))["cpu_energy"].value
    assert measure(Energy(), lambda: busy(0.5))["cpu_energy"].value > idle


def test_without_a_gpu_energy_is_what_cpu_and_memory_take(no_gpu, measure):
    readings = measure(Energy(), lambda: busy(0.2))
    assert readings["energy"].value == pytest.approx(readings["cpu_energy"].value + readings["ram_energy"].value)
    assert (readings["energy"].unit, readings["energy"].source) == ("kWh", "modelled")
    for quantity in ("gpu_energy", "gpu_energy_counter"):
        assert readings[quantity].value is None
        assert missing(readings[quantity].reason, "no GPU") == []


def test_the_energy_so_far_grows_towards_that_of_the_whole_window(no_gpu):
    instrument = Energy().instrument()
    assert instrument.so_far() is None
    instrument.start()
    time.sleep(0.3)
    first = instrument.so_far()
    time.sleep(0.3)
    second = instrument.so_far()
    time.sleep(0.3)
    whole = next(reading.value for reading in instrument.stop() if reading.quantity == "energy")
    assert 0 < first < second < whole


def test_stray_settings_of_codecarbon_change_nothing_write_nothing_and_ask_nobody(no_gpu, measure, monkeypatch, tmp_path, capfd):
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: asked.append(arguments))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".codecarbon.config").write_text("[codecarbon]\npue = 5000\nforce_ram_power = 90000\n")
    for name, value in {
        "PUE": "5000",
        "FORCE_CPU_POWER": "90000",
        "FORCE_RAM_POWER": "90000",
        "TRACKING_MODE": "nonsense",
        "OUTPUT_METHODS": "csv",
        "EMISSIONS_ENDPOINT": "http://127.0.0.1:9",
        "CO2_SIGNAL_API_TOKEN": "x",
        "ELECTRICITYMAPS_API_TOKEN": "x",
        "LOG_LEVEL": "debug",
        "ALLOW_MULTIPLE_RUNS": "False",
    }.items():
        monkeypatch.setenv(f"CODECARBON_{name}", value)
    readings = measure(Energy(), lambda: time.sleep(0.2))
    assert 0 < readings["energy"].value * KWH < 1000
    assert asked == []
    assert [path.name for path in tmp_path.iterdir()] == [".codecarbon.config"]
    assert capfd.readouterr() == ("", "")


def test_every_parameter_of_codecarbon_is_given_except_those_that_only_warn(no_gpu, measure, tracker):
    measure(Energy())
    known = {**inspect.signature(REAL_TRACKER.__init__).parameters, **inspect.signature(REAL_TRACKER.__mro__[1].__init__).parameters}
    only_warn = {"save_to_file", "save_to_api", "save_to_logger", "save_to_prometheus", "save_to_logfire", "co2_signal_api_token"}
    assert set(known) - {"self", "args", "kwargs"} - only_warn == set(tracker.given)


def test_where_codecarbon_gives_up_the_energy_is_missing_with_its_reason(no_gpu, measure, monkeypatch, capfd):
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "gettempdir", lambda: "/no/such/folder")
        readings = measure(Energy())
    for quantity in ("energy", "cpu_energy", "ram_energy", "gpu_energy"):
        assert readings[quantity].value is None
        assert "/no/such/folder" in readings[quantity].reason
    assert capfd.readouterr() == ("", "")


def test_a_country_is_three_capital_letters():
    with pytest.raises(ValueError, match="country_iso_code"):
        Energy(country_iso_code="Germany")


# --- a machine with a GPU ---------------------------------------------------------------------------------------------


def test_energy_is_the_sum_of_its_parts_and_each_says_how_it_was_got(gpu, measure, tracker):
    readings = measure(Energy())
    assert {quantity: reading.value for quantity, reading in readings.items()} == {
        "energy": 7,
        "cpu_energy": 1,
        "ram_energy": 2,
        "gpu_energy": 4,
        "gpu_energy_counter": 0,
    }
    assert [reading.source for reading in readings.values()] == ["modelled", "counter", "assumed", "counter", "counter"]
    assert tracker.given["gpu_ids"] == [6]


def test_the_gpu_s_own_counter_is_millijoules_between_the_edges(gpu, measure, tracker):
    def work():
        gpu.millijoules += 7_200_000_000

    assert math.isclose(measure(Energy(), work)["gpu_energy_counter"].value, 2)


def test_a_gpu_without_counter_is_polled(gpu, measure, tracker):
    gpu.unsupported = {"nvmlDeviceGetTotalEnergyConsumption"}
    readings = measure(Energy())
    assert readings["gpu_energy"].source == "polled"
    assert readings["gpu_energy_counter"].value is None
    assert "Not Supported" in readings["gpu_energy_counter"].reason


@pytest.mark.parametrize("unseen", [{"gpu_model": ""}, {"gpu_energy": 0.0}, {"ram_energy": 0.0}])
def test_a_part_that_codecarbon_could_not_see_is_missing_from_the_sum_as_well(gpu, measure, tracker, unseen):
    gpu.unsupported = {"nvmlDeviceGetTotalEnergyConsumption"}
    tracker.seen = Tracker.seen | unseen
    readings = measure(Energy())
    assert readings["energy"].value is None
    assert "codecarbon" in readings["energy"].reason


def test_a_slice_of_a_gpu_has_no_energy_of_its_own(gpu, measure, tracker):
    gpu.slice = True
    readings = measure(Energy())
    assert readings["gpu_energy"].value is None
    assert "MIG" in readings["energy"].reason


def test_a_counter_that_ran_backwards_measured_nothing(gpu, measure, tracker):
    def reload():
        gpu.millijoules = 0

    reading = measure(Energy(), reload)["gpu_energy_counter"]
    assert reading.value is None
    assert "backwards" in reading.reason


def test_the_real_codecarbon_that_sees_no_driver_gives_no_energy_for_a_machine_with_a_gpu(gpu, measure, monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 0)
    monkeypatch.setattr("codecarbon.core.gpu.is_nvidia_system", lambda: False)
    assert measure(Energy())["energy"].value is None


def test_a_cpu_that_codecarbon_cannot_even_model_is_missing(no_gpu, measure, tracker):
    tracker.parts = ("RAM()",)
    readings = measure(Energy())
    assert readings["cpu_energy"].value is None
    assert readings["energy"].value is None


def test_the_driver_is_released(gpu, measure, tracker):
    measure(Energy())
    assert gpu.users == 0
