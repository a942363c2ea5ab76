"""One thread for torch and BLAS in every test and every process that a test starts.

Pytest runs on as many processes as there are cores; two busy threads that share a core wait for one another.
torch and numpy read these variables once, and this module is imported before them.
"""

from __future__ import annotations

import gc
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.backends.backend_agg
import matplotlib.figure
import matplotlib.patches
import matplotlib.ticker  # noqa: F401 - a report draws in two forks of this process, and each would import matplotlib anew
import pytest
from hypothesis import settings

from bench.system.processes import ONE_THREAD

if TYPE_CHECKING:
    from tests.forecast.both import Ground

os.environ.update(ONE_THREAD)

os.fsync = lambda file: None  # nothing here outlives a power cut, and a disk takes milliseconds for each call

re._MAXCACHE = 10_000  # transformers makes a pattern of each name of a weight at each load, and Python forgets all but 512
gc.set_threshold(10_000)  # ten times as rarely as Python does it, because libraries hold half a million objects that never go

settings.register_profile("bench", deadline=None)  # a test that is slow on a busy machine is not wrong
settings.load_profile("bench")


def pytest_collection_finish() -> None:
    """Let garbage collections leave out what imports have made so far."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many hostile inputs of each kind were tried in all processes; see tests/fuzz."""
    ran = Counter[str]()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", "") == "teardown":
            for name, count in report.user_properties:
                ran[name.removeprefix("cases: ")] += count if name.startswith("cases: ") else 0
    if +ran:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(ran.items()))
        terminalreporter.write_line(f"{ran.total():,} hostile inputs: {kinds}")


@pytest.fixture(scope="session")
def of_all_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of pytest share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture
def empty_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports render no plot."""
    from tests.report.arms import leave_plots_empty

    leave_plots_empty(monkeypatch)


@pytest.fixture(scope="session")
def flan_cache(of_all_processes: Path) -> Path:
    """The cache in which flan-t5-small is converted once, for all processes of this run of pytest."""
    return of_all_processes / "flan"


@pytest.fixture(scope="session")
def new_cache(of_all_processes: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes empty caches. The docstrings of the standard library are read once for all of them, in all processes."""
    docstrings = of_all_processes / "docstrings"
    docstrings.mkdir(exist_ok=True)

    def make() -> Path:
        cache = tmp_path_factory.mktemp("cache")
        (cache / "source_code").symlink_to(docstrings)
        return cache

    return make


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Rows, models and an endpoint for drawn suites. Imported late: most tests need no torch."""
    from tests.forecast.both import ground

    with ground(tmp_path_factory.mktemp("ground")) as found:
        yield found
