import time

import pytest

from bench.profilers.wall import Wall


def test_one_second_of_sleep_is_one_second_on_the_wall_and_hardly_any_work(measure):
    readings = measure(Wall(), lambda: time.sleep(1))
    assert readings["wall"].value == pytest.approx(1, rel=0.25)
    assert readings["cpu_time"].value < 0.25
    assert {reading.unit for reading in readings.values()} == {"s"}


def test_work_is_counted_as_processor_time(measure):
    def work():
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass

    readings = measure(Wall(), work)
    assert 0.2 <= readings["cpu_time"].value < 0.3
    assert readings["wall"].value >= 0.9 * readings["cpu_time"].value


def test_the_gpu_is_idle_at_both_edges(gpu, measure):
    measure(Wall())
    assert gpu.synchronised == 2
