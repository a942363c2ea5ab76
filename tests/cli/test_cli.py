"""The command line: quick to ask, plain when something is wrong, and never a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.models.random import Random
from bench.system import machine
from tests.facts import missing


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_check_tells_all_faults_of_all_suites_and_ends_with_2(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"suite: {name}\n")
    result = bench("check", str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml"))
    assert result.exit_code == 2
    assert f"{tmp_path}/one.yaml:1: tasks: missing" in result.stderr
    assert f"{tmp_path}/two.yaml:1: prices: missing" in result.stderr


def test_a_wrong_suite_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("suite: bad\n")
    result = bench("run", str(tmp_path / "bad.yaml"), "--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"))
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize("arguments", [["run"], ["run", "suites/smoke.yaml", "--workers", "0"], ["fly"], ["list", "distil"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert bench(*arguments).exit_code == 2


def test_a_missing_data_file_is_one_line(tmp_path: Path) -> None:
    text = Path("suites/smoke.yaml").read_text().replace("suites/data/smoke.csv", str(tmp_path / "none.csv"))
    (tmp_path / "own.yaml").write_text(text)
    result = bench("run", str(tmp_path / "own.yaml"), "--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache"))
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "none.csv" in result.stderr


def test_fewer_labels_than_the_start_asks_for_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(Path("suites/smoke.yaml").read_text().replace("start_labels: 20", "start_labels: 5000"))
    result = bench("plan", str(tmp_path / "own.yaml"), "--cache", str(tmp_path / "cache"))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert missing(line, "'stories'", "start_labels", 5000) == []
    assert re.search(r"\b\d\d\d? labels\b", line)


@pytest.mark.parametrize("given", ["gpus", "=1", "gpuz=1", "gpus=many"])
def test_a_wrong_setting_of_an_executor_ends_with_2_and_is_named(given: str, tmp_path: Path) -> None:
    result = bench("run", "suites/smoke.yaml", "--executor", "slurm", "--executor-set", given, "--results", str(tmp_path))
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert given.partition("=")[0] in line


def test_only_that_matches_no_arm_names_the_nearest() -> None:
    result = bench("plan", "suites/smoke.yaml", "--only", "stories.anotate.4usd")
    assert result.exit_code == 2
    assert "the nearest is 'stories.annotate.4usd" in result.stderr


def test_list_shows_every_shelf_and_the_settings_of_a_part() -> None:
    everything = bench("list").stdout
    assert all(word in everything for word in ("tasks/", "strategies/", "models/", "annotate", "docstrings", "rouge", "energy"))
    settings = bench("list", "distill").stdout
    assert all(word in settings for word in ("label_share", "student.learning_rate", "teacher.epochs", "pseudo_share"))


def test_plan_shows_what_each_arm_buys_before_anything_runs(tmp_path: Path) -> None:
    result = bench("plan", "suites/smoke.yaml", "--cache", str(tmp_path), "--results", str(tmp_path), "--no-calibrate")
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if "annotate" in line and "$8" in line)
    assert "36" in line.split()
    assert "7.20" in line.split()
    assert "Time of all arms" not in result.stdout
    assert not (tmp_path / "smoke").exists()


def test_a_plan_on_a_card_tells_what_is_assumed_and_keeps_nothing(tmp_path: Path) -> None:
    on = ("--only", "*annotate*8usd*", "--gpu", "l4", "--train-utilization", "0.5", "--workers", "1")
    result = bench("plan", "suites/smoke.yaml", "--cache", str(tmp_path), "--results", str(tmp_path), *on)
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stdout.splitlines() if "GiB, " in line)
    assert missing(line, "L4", "22.4 GiB", "0.80 USD", "bf16", "72 W") == []
    assert re.search(r"training\D* 50 %\D*generation\D* 2 %", line)
    assert not (tmp_path / "smoke").exists()


@pytest.mark.parametrize("command", ["plan", "run"])
def test_more_than_max_usd_is_refused_before_anything_runs(command: str, tmp_path: Path) -> None:
    more = ("--no-calibrate",) if command == "plan" else ()
    result = bench(command, "suites/smoke.yaml", "--cache", str(tmp_path), "--results", str(tmp_path), "--max-usd", "2", *more)
    assert result.exit_code == 2
    assert re.search(r"\$\d+\.\d\d\b", result.stderr)
    assert missing(result.stderr, "--max-usd 2", "--only") == []
    assert not (tmp_path / "smoke").exists()


def test_an_unknown_card_names_the_nearest(tmp_path: Path) -> None:
    result = bench("plan", "suites/smoke.yaml", "--cache", str(tmp_path), "--gpu", "A100-40")
    assert result.exit_code == 2
    assert "the nearest are A100-40GB" in result.stderr


def test_bf16_on_a_card_without_it_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(Path("suites/smoke.yaml").read_text() + "\nprecision: bf16\n")
    result = bench("plan", str(tmp_path / "own.yaml"), "--cache", str(tmp_path), "--gpu", "T4")
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert missing(line, "T4", "bf16", "`precision: fp32`") == []


@pytest.mark.parametrize(("slowdown", "warned"), [(57.0, True), (0.4, False)])
def test_a_cpu_that_is_slow_in_bf16_is_warned_of(slowdown: float, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "bf16_slowdown", lambda: slowdown)
    (tmp_path / "own.yaml").write_text(Path("suites/smoke.yaml").read_text() + "\nprecision: bf16\n")
    only = ("--only", "*annotate*8usd*", "--no-calibrate", "--device", "cpu")
    result = bench("plan", str(tmp_path / "own.yaml"), "--cache", str(tmp_path), *only)
    assert result.exit_code == 0, result.output
    assert ("multiplies 57 times slower" in result.stdout) == warned


COPIES = {"--models": "BENCH_MODELS", "--data": "BENCH_DATA"}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("option", COPIES)
def test_a_folder_of_copies_that_is_not_there_is_one_line(command: str, option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COPIES[option], "")
    given = bench(command, "suites/smoke.yaml", option, "no/such/folder")
    monkeypatch.setenv(COPIES[option], "no/such/folder")
    inherited = bench(command, "suites/smoke.yaml")
    for result in (given, inherited):
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"{option} or {COPIES[option]}: ")
        assert line.endswith(" no/such/folder")


def test_copies_named_on_the_command_line_reach_the_parts_and_the_processes_that_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is started finds the model without the hub, though the variable named another folder before."""
    for folder in ("models/google-t5", "empty"):
        (tmp_path / folder).mkdir(parents=True)
    Random().folder(tmp_path / "cache").rename(tmp_path / "models" / "google-t5" / "t5-small")
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path / "empty"))
    monkeypatch.setenv("BENCH_DATA", "")
    monkeypatch.chdir(tmp_path)
    bench("plan", "none.yaml", "--models", "models", "--data", "models")
    assert os.environ["BENCH_DATA"] == str(tmp_path / "models")
    code = f"from bench.models.hub import Hub; print(Hub(model='google-t5/t5-small', revision='{'0' * 40}').folder(None))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == str(tmp_path / "models" / "google-t5" / "t5-small"), found.stderr


def test_report_of_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = bench("report", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "Traceback" not in result.output
