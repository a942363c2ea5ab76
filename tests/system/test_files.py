"""Files that are written whole or built once, also when processes are killed or meet."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.system import files

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from bench.system.files import atomic_write
with atomic_write(Path(sys.argv[1])) as part:
    part.write_text("new, but cut o")
    os.kill(os.getpid(), signal.SIGKILL)
"""

BUILDS_ONCE = """
import os, sys, time
from pathlib import Path
from bench.system.files import build_once
folder, other = Path(sys.argv[1]), sys.argv[3]
def build(part):
    with (folder / "builds").open("a") as builds:
        builds.write("built\\n")
    while not (folder / f"{other} came").exists():
        time.sleep(0.01)
    time.sleep(0.2)
    part.mkdir()
    (part / "who").write_text(sys.argv[2])
(folder / f"{sys.argv[2]} came").touch()
print((build_once(folder / "built", build) / "who").read_text())
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_in_the_middle_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with python(KILLED_WHILE_WRITING, path) as writer:
        assert writer.wait() == -signal.SIGKILL
    assert path.read_text() == "old"
    files.write_text(path, "néw")
    assert path.read_text(encoding="utf-8") == "néw"
    assert [*tmp_path.iterdir()] == [path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write_half() -> None:
        with files.atomic_write(path) as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_every_file_is_synced_before_the_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, bool] = {}
    folder = tmp_path / "model"
    monkeypatch.setattr(os, "fsync", lambda file: synced.update({os.fstat(file).st_ino: folder.exists()}))
    with files.atomic_write(folder) as part:
        (part / "inner").mkdir(parents=True)
        for name in ("a", "inner/b"):
            (part / name).write_text(name)
    assert synced == {(folder / name).stat().st_ino: False for name in ("a", "inner/b")}


def test_json_has_no_nan(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"x": [1, "é"]})
    assert (tmp_path / "a.json").read_text() == '{\n "x": [\n  1,\n  "\\u00e9"\n ]\n}'
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"x": math.nan})
    assert (tmp_path / "a.json").read_text().startswith("{")


def test_the_lease_of_a_builder_that_was_killed_at_its_end_is_removed(tmp_path: Path) -> None:
    path, left = tmp_path / "built", tmp_path / "built.lease"
    path.write_text("whole")
    killed = f"import os, pathlib; from bench.system.leases import Lease; Lease(pathlib.Path({str(left)!r})).take(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    assert left.exists()
    files.build_once(path, lambda part: pytest.fail("it is there"))
    assert not left.exists()


def test_two_processes_build_once(tmp_path: Path) -> None:
    with python(BUILDS_ONCE, tmp_path, "a", "b") as a, python(BUILDS_ONCE, tmp_path, "b", "a") as b:
        told = [process.communicate()[0] for process in (a, b)]
    assert (tmp_path / "builds").read_text() == "built\n"
    assert told[0] == told[1] != ""


def test_what_is_there_is_not_built_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "built"
    assert files.build_once(path, lambda part: part.write_text("first")) == path
    files.build_once(path, lambda part: part.write_text("second"))
    assert path.read_text() == "first"


def test_a_builder_that_was_suspended_leaves_what_the_next_has_built(tmp_path: Path) -> None:
    path = tmp_path / "built"

    def build(part: Path, who: str = "next") -> None:
        part.mkdir()
        (part / "who").write_text(who)

    def suspended(part: Path) -> None:
        build(part, "first")
        (tmp_path / "built.lease").unlink()  # it has expired
        files.build_once(path, build)

    (tmp_path / "built.0123456789abcdef.part").mkdir()  # of one that was killed
    (tmp_path / "built.0123456789abcdef.part.txt").touch()
    files.build_once(path, suspended)
    assert (path / "who").read_text() == "next"
    assert [*tmp_path.iterdir()] == [path]


def test_an_error_of_a_builder_is_raised_where_nobody_has_built(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.build_once(tmp_path / "built", lambda part: (part / "no" / "folder").touch())
    assert [*tmp_path.iterdir()] == []
