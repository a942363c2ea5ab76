import pytest

from bench.contracts import no_progress
from bench.tasks.docstrings import Docstrings
from bench.tasks.names import Names


@pytest.fixture(scope="session")
def source_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("source_code")


@pytest.fixture(scope="session", params=[Names, Docstrings], ids=["names", "docstrings"])
def made(request, source_cache):
    """A made task and its splits, over the packages that are really installed."""
    task = request.param()
    return task, task.splits(source_cache, no_progress)
