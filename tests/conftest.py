"""One thread for torch and BLAS in every test and every process that a test starts.

Pytest runs on as many processes as there are cores; two busy threads that share a core wait for one another.
torch and numpy read these variables once, and this module is imported before them.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from bench.system.processes import ONE_THREAD

os.environ.update(ONE_THREAD)

settings.register_profile("bench", deadline=None)  # a test that is slow on a busy machine is not wrong
settings.load_profile("bench")


@pytest.fixture(scope="session")
def flan_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache in which flan-t5-small is converted once, for all processes of this run of pytest."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "flan"
