import shutil

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from pydantic import ValidationError

from bench.errors import CheckpointError
from bench.zoo.hub import Hub
from bench.zoo.random import Random

PINNED = Hub(model="google-t5/t5-small", revision="df1b051c49625cf57a3d0d8d3863ed4cc13564fe")


def test_a_download_is_pinned_and_leaves_pickles_behind(tmp_path, monkeypatch):
    asked = {}

    def snapshot_download(model, **options):
        asked.update(options, model=model)
        shutil.copytree(Random().folder(tmp_path), tmp_path / "snapshot")
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert PINNED.folder(tmp_path) == tmp_path / "snapshot"
    assert (asked["model"], asked["revision"]) == (PINNED.model, PINNED.revision)
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked["allow_patterns"])


def test_without_a_network_one_line_names_what_works(tmp_path, monkeypatch):
    def snapshot_download(model, **options):
        raise LocalEntryNotFoundError("An error happened\nover many lines")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(CheckpointError) as raised:
        PINNED.folder(tmp_path)
    assert "google-t5/t5-small" in str(raised.value)
    assert "`flan_t5_small`" in str(raised.value)
    assert "`folder`" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_offline_mode_is_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="out of reach"):
        PINNED.folder(tmp_path)


@pytest.mark.parametrize("fields", [{"revision": "main"}, {"revision": "DF1B"}, {"model": "../up"}, {"model": "a/b/c"}, {"model": ""}])
def test_a_revision_is_a_commit_and_a_model_a_repository(fields):
    with pytest.raises(ValidationError):
        Hub(**{**PINNED.model_dump(), **fields})
