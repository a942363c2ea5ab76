"""What every profiler on the shelf keeps to."""

import subprocess
import sys
import threading

import pydantic
import pytest

from bench.contracts import Profiler
from bench.registry import find, names


@pytest.fixture(params=names("profilers"))
def profiler(request):
    part = find("profilers", request.param)()
    part.prepare()
    return part


def test_the_shelf_holds_the_promised_instruments():
    assert set(names("profilers")) >= {"wall", "memory", "energy", "flops"}


def test_making_any_profiler_opens_no_file_and_loads_nothing_heavy():
    code = """
import sys
from bench.registry import find, names
classes = [find("profilers", name) for name in names("profilers")]
seen = []
sys.addaudithook(lambda event, _: seen.append(event))
parts = [c() for c in classes]
print(len(parts) > 0, [e for e in seen if e.startswith(("open", "socket", "subprocess", "os."))])
print("torch" in sys.modules, "codecarbon" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "True []\nFalse False"


def test_a_profiler_is_a_frozen_value_that_refuses_unknown_settings(profiler):
    assert isinstance(profiler, Profiler)
    assert profiler == type(profiler)()
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        profiler.anything = 1
    with pytest.raises(pydantic.ValidationError, match="no_such_setting"):
        type(profiler)(no_such_setting=1)


def test_every_reading_has_a_unit_and_a_source_and_either_a_value_or_a_reason(profiler, measure):
    readings = measure(profiler)
    assert readings
    for reading in readings.values():
        assert reading.unit
        assert reading.source in ("counter", "polled", "modelled", "assumed", "computed")
        assert (reading.value is None) == bool(reading.reason)


def test_the_same_quantities_come_from_every_window(profiler, measure):
    assert list(measure(profiler)) == list(measure(profiler))


def test_an_instrument_that_was_never_started_measured_nothing_and_says_so(profiler):
    readings = profiler.instrument().stop()
    assert readings
    assert all(reading.value is None and reading.reason == "never started" for reading in readings)


def test_an_instrument_is_released_where_the_work_failed(profiler, measure):
    def fail():
        raise KeyError("the work failed")

    with pytest.raises(KeyError):
        measure(profiler, fail)
    assert all(reading.value is not None or reading.reason for reading in measure(profiler).values())


def test_no_thread_outlives_its_window(profiler, measure):
    before = set(threading.enumerate())
    measure(profiler)
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(timeout=5)
    assert not [thread for thread in left if thread.is_alive()]
