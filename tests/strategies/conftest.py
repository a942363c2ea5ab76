"""A fake endpoint, and a cache of models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.fake_endpoint import FakeEndpoint, serving


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def cache(models: Path, tmp_path: Path) -> Path:
    """A cache of this test alone, but for the models, which are the same for all."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "models").symlink_to(models)
    return tmp_path / "cache"
