"""Work on several processes."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import pytest

from bench.system import processes

forks = pytest.mark.skipif(sys.platform != "linux", reason="work is forked on Linux alone")


def leave(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail(path: Path) -> None:
    with path.open("a") as tried:
        tried.write("tried\n")
    raise ValueError("no")


def test_what_each_piece_of_work_gives_comes_in_order() -> None:
    with processes.at_once([partial(pow, 2, power) for power in range(6)], workers=2) as found:
        assert [*found] == [1, 2, 4, 8, 16, 32]


def test_one_worker_works_in_this_process() -> None:
    with processes.at_once([os.getpid, os.getpid], workers=1) as found:
        assert {*found} == {os.getpid()}


@forks
def test_work_beside_a_block_is_another_process_s_and_done_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    with processes.beside(partial(leave, tmp_path / "pid")):
        pass
    assert int((tmp_path / "pid").read_text()) != os.getpid()


def test_on_one_core_work_is_done_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 1)
    with processes.beside(partial(leave, tmp_path / "pid")):
        assert not (tmp_path / "pid").exists()
    assert int((tmp_path / "pid").read_text()) == os.getpid()


@forks
def test_work_that_fails_there_is_done_here_and_says_what_was_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 2)
    with pytest.raises(ValueError, match="no"), processes.beside(partial(fail, tmp_path / "tries")):
        pass
    assert (tmp_path / "tries").read_text() == "tried\ntried\n"
    assert capfd.readouterr().err == ""
