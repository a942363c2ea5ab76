"""One process runs small suites again and again, with a grid that grows; its memory, files and threads stay as they are.

`make test` does a few rounds. `make soak` goes on for SOAK_MINUTES, and prints what it saw.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tests.execution.fake_worker import SUITE, FakeWorker, arms_of, bench, instead

MINUTES = float(os.environ.get("SOAK_MINUTES", "0"))
GRID = 12 if MINUTES else 2
"""Rounds after which the grid is as small as at the start, and the results go to a new folder."""
WARM = 2
"""Grids after which nothing more is imported or cached."""
GROWTH = 0.1
"""How much more memory, as a share, an hour may take: the allocator's fragments."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What this process holds after a round."""

    files: int
    python_threads: int
    threads: int
    """All threads, with those of libraries."""
    children: int
    temporary: int
    """Files and folders in the folder for temporary files."""
    memory_mib: float


def seen(temporary: Path) -> Seen:
    gc.collect()
    me = psutil.Process()
    return Seen(
        files=me.num_fds(),
        python_threads=threading.active_count(),
        threads=me.num_threads(),
        children=len(me.children(recursive=True)),
        temporary=len([*temporary.rglob("*")]),
        memory_mib=me.memory_info().rss / 2**20,
    )


def suite(folder: Path, cells: int) -> Path:
    """suites/smoke.yaml with so many settings of `annotate`."""
    text = Path(SUITE).read_text(encoding="utf-8")
    path = folder / "smoke.yaml"
    path.write_text(text.replace("label_share: 0.9", f"label_share: {[round(0.9 - 0.05 * cell, 2) for cell in range(cells)]}"))
    return path


def test_rounds_of_small_suites_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    instead(monkeypatch, FakeWorker().run)
    found: list[Seen] = []
    end = time.monotonic() + 60 * MINUTES
    while len(found) <= WARM * GRID or (time.monotonic() < end or len(found) % GRID):
        number = len(found)
        if number % GRID == 0:
            shutil.rmtree(tmp_path / "results", ignore_errors=True)
        arms_of.cache_clear()
        done = bench("run", suite(tmp_path, number % GRID + 1), "--results", tmp_path / "results", "--cache", tmp_path / "cache")
        assert done.exit_code == 0, done.output
        assert not [*(tmp_path / "results").rglob("*.part")]
        found.append(seen(temporary))
        if number % GRID == GRID - 1:
            print(f"{number + 1} rounds: {asdict(found[-1])}")
    flat([one for number, one in enumerate(found) if number % GRID == GRID - 1][WARM - 1 :])


def flat(grids: list[Seen]) -> None:
    """Check that later grids left what the first one left. pyarrow starts the threads of its two pools when they are needed."""
    first, last = grids[0], grids[-1]
    assert len(grids) > 1
    for name in ("files", "python_threads", "children", "temporary"):
        assert getattr(last, name) == getattr(first, name), name
    assert last.threads <= first.threads + pa.cpu_count() + pa.io_thread_count()
    assert last.memory_mib < (1 + GROWTH) * first.memory_mib


@pytest.mark.parametrize(
    "more", [{"files": 1}, {"python_threads": 1}, {"threads": 100}, {"children": 1}, {"temporary": 1}, {"memory_mib": 20.0}]
)
def test_what_grows_is_found(more: dict[str, float]) -> None:
    first = {"files": 9, "python_threads": 1, "threads": 3, "children": 0, "temporary": 0, "memory_mib": 100.0}
    flat([Seen(**first), Seen(**first)])  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        flat([Seen(**first), Seen(**{name: value + more.get(name, 0) for name, value in first.items()})])  # type: ignore[arg-type]
