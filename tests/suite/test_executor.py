"""The executor of a suite, and what the command line puts in its place."""

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.executors.local import Local
from bench.executors.slurm import Slurm
from bench.suite import arms, executor
from tests.facts import missing
from tests.suite.test_suite import GOOD, faults, has_faults, read

ON_SLURM = GOOD + "executor: {use: slurm, with: {partition: gpu, gpus: 1}}\n"


def test_a_suite_names_its_executor_and_runs_on_this_machine_without_one(tmp_path: Path) -> None:
    assert read(tmp_path, ON_SLURM).executor == Slurm(partition="gpu", gpus=1)
    assert isinstance(read(tmp_path, GOOD).executor, Local)


def test_the_executor_is_part_of_no_arm(tmp_path: Path) -> None:
    assert [arm.id for arm in arms.arms(read(tmp_path, ON_SLURM))] == [arm.id for arm in arms.arms(read(tmp_path, GOOD))]


def test_faults_of_an_executor_are_named_as_those_of_other_parts(tmp_path: Path) -> None:
    text = GOOD + "executor:\n  use: slurm\n  with: {partitoin: gpu, poll_s: 0}\n"
    has_faults(
        faults(tmp_path, text),
        ("17: executor.with.partitoin", "'partition'"),
        ("17: executor.with.poll_s", "greater than 0"),
    )
    has_faults(faults(tmp_path, GOOD + "executor: {use: slrum}\n"), ("15: executor.use", "'slurm'"))


def test_the_command_line_wins_setting_by_setting_and_another_executor_takes_none_of_them(tmp_path: Path) -> None:
    suite = read(tmp_path, ON_SLURM)
    assert executor.chosen(suite, None, {}) == suite.executor
    assert executor.chosen(suite, None, {"gpus": 2}) == Slurm(partition="gpu", gpus=2)
    assert executor.chosen(suite, "slurm", {"partition": "big"}) == Slurm(partition="big", gpus=1)
    assert executor.chosen(suite, "local", {"workers": 3}) == Local(workers=3)


def test_a_wrong_executor_or_setting_of_the_command_line_brings_the_nearest_name(tmp_path: Path) -> None:
    suite = read(tmp_path, GOOD)
    with pytest.raises(BenchError, match="'slurm'"):
        executor.chosen(suite, "slrum", {})
    with pytest.raises(BenchError) as caught:
        executor.chosen(suite, "slurm", {"gpuz": 1, "cpus": "many"})
    wrong, other = sorted(str(caught.value).splitlines(), key=lambda line: "cpus: " in line)
    assert missing(wrong, "slurm", "gpuz", "'gpus'") == []
    assert missing(other, "slurm", "cpus", "integer", "many") == []


def test_values_are_written_as_in_a_suite() -> None:
    given = ["4", "4.5", "gpu", "[--a=b, c]", "", "true", "a: ["]
    assert [executor.plain(text) for text in given] == [4, 4.5, "gpu", ["--a=b", "c"], "", True, "a: ["]
