import platform

import pytest

from bench.contracts import no_progress
from bench.data.source_code import EXTRACTOR
from bench.tasks.docstrings import Docstrings
from bench.tasks.names import Names


@pytest.fixture(scope="session")
def source_cache(tmp_path_factory, new_cache):
    """A cache of pairs. The source is read once, for the caches of all processes."""
    cache, name = tmp_path_factory.mktemp("source_code"), f"extractor-{EXTRACTOR}-python-{platform.python_version()}"
    (cache / "source_code").mkdir()
    shared = (new_cache() / "source_code").resolve() / name
    shared.mkdir(exist_ok=True)
    (cache / "source_code" / name).symlink_to(shared)
    return cache


@pytest.fixture(scope="session", params=[Names, Docstrings], ids=["names", "docstrings"])
def made(request, source_cache):
    """A made task and its splits, over the packages that are really installed."""
    task = request.param()
    return task, task.splits(source_cache, no_progress)
