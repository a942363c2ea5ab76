"""A command ends as it should whatever shows its output, and whoever runs it."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bench import cli
from bench.cli.console import RunScreen
from bench.system import home
from tests.execution.fake_worker import records

ROOT = Path(__file__).parents[2]
CASE = ROOT / "tests" / "cases" / "14-environment"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}
SHOW = "from bench.cli.streams import make_lenient; make_lenient(); import sys; "


def python(code: str, stdout: object = subprocess.PIPE, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs code in a process of its own, with other output and environment."""
    command = [sys.executable, "-c", SHOW + code]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=os.environ | environment, check=False)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        (ASCII, b"a ? ? ? b"),
        ({"PYTHONIOENCODING": "latin-1"}, b"a \xe9 ? ? b"),
        ({"PYTHONIOENCODING": "ascii:xmlcharrefreplace"}, b"a &#233; &#20013; &#56511; b"),
        ({"PYTHONIOENCODING": "utf-8"}, "a é 中 ? b".encode()),
    ],
)
def test_what_a_terminal_cannot_show_is_replaced(environment: dict[str, str], shown: bytes, unbuffered: str) -> None:
    ended = python(r"print('a \xe9 \u4e2d \udcbf b')", PYTHONUNBUFFERED=unbuffered, **environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, shown + b"\n", b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_is_gone_ends_nothing(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = python("[print('x' * 99) for _ in range(999)]; sys.stderr.write('end')", stdout=writing, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"end")


def test_a_full_disk_behind_the_output_is_reported_once_and_ends_nothing() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = python("[print('x' * 99) for _ in range(999)]; sys.exit(5)", stdout=full)
    assert ended.returncode == 5
    assert len(ended.stderr.splitlines()) == 1


def test_a_command_without_any_output_stream_ends_as_it_should() -> None:
    command = f"exec {sys.executable} -m bench list rouge >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, check=False).returncode == 0


def test_a_stream_that_a_test_or_a_notebook_put_there_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.cli.streams import make_lenient

    theirs = io.StringIO()
    monkeypatch.setattr(sys, "stdout", theirs)
    make_lenient()
    assert sys.stdout is theirs


@pytest.mark.parametrize(("environ", "has_lines"), [({"TERM": "dumb"}, True), ({"TERM": "xterm"}, False), ({"NO_COLOR": "1"}, False)])
def test_a_dumb_terminal_gets_lines_and_another_one_a_live_screen(environ: dict[str, str], has_lines: bool, tmp_path: Path) -> None:
    shown = io.StringIO()
    with RunScreen(console=Console(file=shown, force_terminal=True, width=20, _environ=environ)) as screen:
        screen.planned(tmp_path, (), {})
    assert ("0 arms" in shown.getvalue()) == has_lines


def test_a_file_name_that_python_cannot_write_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UnicodeEncodeError("ascii", "donn\xe9es.csv", 4, 5, "ordinal not in range(128)")

    monkeypatch.setattr("bench.cli.parts.named", refuse)
    ended = CliRunner().invoke(cli.main, ["list", "rouge"])
    assert ended.exit_code == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "donn\xe9es.csv" in ended.stderr


class TestHome:
    """Where files are kept that belong to no suite."""

    @pytest.fixture(autouse=True)
    def no_account(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No variable names a home folder or a user, and the list of users has none either."""
        for name in ("HOME", "XDG_CACHE_HOME", "LOGNAME"):
            monkeypatch.setenv(name, "")  # so that what the code sets is undone
            monkeypatch.delenv(name)

        def unknown(uid: int) -> None:
            raise KeyError(uid)

        monkeypatch.setattr("pwd.getpwuid", unknown)

    def test_without_a_home_folder_it_is_here(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        assert home.cache_folder() == Path(".cache/bench")
        home.provide_home()
        assert Path.home() == tmp_path / ".cache" / "bench" / "home"
        assert os.environ["LOGNAME"] == f"uid{os.getuid()}"
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
    def test_a_folder_that_cannot_be_written_is_not_used(self, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv(name, str(tmp_path))
        assert home.cache_folder().is_relative_to(tmp_path)
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        assert home.cache_folder() == home.HERE

    def test_a_home_folder_that_is_set_is_kept(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        home.provide_home()
        assert Path.home() == tmp_path


def as_nobody() -> list[str]:
    """Words before a command that give it a user id without an account; it may still read everything, as Python may lie under /root."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return []
    read = "+dac_read_search"
    return ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", f"--inh-caps={read}", f"--ambient-caps={read}"]


def test_a_run_ends_well_without_account_home_encoding_and_screen(tmp_path: Path) -> None:
    for path in CASE.iterdir():
        shutil.copy(path, tmp_path)
    if as_nobody():
        os.chown(tmp_path, 54321, 54321)
    environment = ASCII | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "20"}
    command = [*as_nobody(), sys.executable, "-m", "bench", "run", "suite.yaml", "--only", "*seed1*", "--device", "cpu"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, cwd=tmp_path, env=environment, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    assert {record.status for record in records(tmp_path / "results" / "two").values()} == {"done"}
    assert "~" not in {path.name for path in tmp_path.iterdir()}
