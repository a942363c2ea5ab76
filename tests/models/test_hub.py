import json
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from pydantic import ValidationError

from bench.errors import CheckpointError
from bench.models.hub import Hub, pickled_snapshot
from bench.models.random import Random

PINNED = Hub(model="google-t5/t5-small", revision="df1b051c49625cf57a3d0d8d3863ed4cc13564fe")


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return Random().folder(tmp_path_factory.mktemp("random"))


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """The ordinary cache of the hub's tools, empty, whatever this machine has; and no folder of models."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("BENCH_MODELS", "")
    return tmp_path / "hf"


class Api:
    """The hub is there, and has the revision."""

    def model_info(self, model, revision, timeout):
        return None


@pytest.fixture
def asked(tmp_path, monkeypatch, weights) -> list[dict]:
    """What the hub is asked for; it answers with a model. Caches are looked up as ever."""
    real, calls = huggingface_hub.snapshot_download, []

    def snapshot_download(model, **options):
        if options.get("local_files_only"):
            return real(model, **options)
        calls.append({"model": model, **options})
        shutil.copytree(weights, tmp_path / "snapshot")
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return calls


def snapshot_in(cache: Path, weights: Path) -> Path:
    """A snapshot of the pinned revision, as transformers leaves it: without the hub's list of its files."""
    folder = cache / "models--google-t5--t5-small" / "snapshots" / PINNED.revision
    return shutil.copytree(weights, folder)


def test_a_download_is_pinned_and_leaves_pickles_behind(asked, tmp_path):
    assert PINNED.folder(tmp_path / "bench") == tmp_path / "snapshot"
    assert [(call["model"], call["revision"], call["cache_dir"]) for call in asked] == [
        (PINNED.model, PINNED.revision, tmp_path / "bench" / "hub")
    ]
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked[0]["allow_patterns"])


def test_the_folder_of_models_comes_before_every_cache_and_the_hub(tmp_path, monkeypatch, weights, hub_cache):
    def refuse(*args, **options):
        pytest.fail("the hub's library was asked")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    snapshot_in(hub_cache, weights)
    copy = shutil.copytree(weights, tmp_path / "models" / PINNED.model)
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path / "models"))
    assert PINNED.folder(tmp_path / "bench") == copy


def test_the_ordinary_cache_comes_before_ours_and_ours_before_the_hub(asked, tmp_path, weights, hub_cache, monkeypatch):
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path))  # is there, but does not hold the model
    ours = snapshot_in(tmp_path / "bench" / "hub", weights)
    assert PINNED.folder(tmp_path / "bench") == ours
    ordinary = snapshot_in(hub_cache, weights)
    assert PINNED.folder(tmp_path / "bench") == ordinary
    assert not asked


def test_without_a_revision_a_copy_is_taken_and_nothing_else(asked, tmp_path, monkeypatch, weights, hub_cache):
    unpinned = Hub(model=PINNED.model)
    snapshot_in(hub_cache, weights)
    snapshot_in(tmp_path / "bench" / "hub", weights)
    with pytest.raises(CheckpointError, match=r"^google-t5/t5-small: BENCH_MODELS [^\n]*commit [^\n]*--models DIR$"):
        unpinned.folder(tmp_path / "bench")
    copy = shutil.copytree(weights, tmp_path / "models" / PINNED.model)
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path / "models"))
    assert unpinned.folder(tmp_path / "bench") == copy
    assert not asked


@pytest.mark.parametrize("lost", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_snapshot_in_part_is_passed_over(lost, asked, tmp_path, weights, hub_cache):
    (snapshot_in(hub_cache, weights) / lost).unlink()
    assert PINNED.folder(tmp_path / "bench") == tmp_path / "snapshot"
    assert len(asked) == 1


def test_a_snapshot_that_lacks_a_shard_is_passed_over(asked, tmp_path, weights, hub_cache):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (snapshot_in(hub_cache, weights) / "model.safetensors.index.json").write_text(json.dumps(index))
    assert PINNED.folder(tmp_path / "bench") == tmp_path / "snapshot"


def test_a_folder_of_models_with_pickled_weights_alone_is_refused_not_passed_over(asked, tmp_path, monkeypatch, weights):
    copy = shutil.copytree(weights, tmp_path / "models" / PINNED.model)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path / "models"))
    with pytest.raises(CheckpointError, match=r"only pickled weights \(pytorch_model.bin\)"):
        PINNED.folder(tmp_path)
    assert not asked


def test_a_repository_of_pickled_weights_alone_says_what_to_do(tmp_path, weights, monkeypatch):
    def snapshot_download(model, **options):
        if options.get("local_files_only"):
            raise LocalEntryNotFoundError("not here")
        return shutil.copytree(weights, tmp_path / "snapshot", ignore=shutil.ignore_patterns("*.safetensors"))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(
        CheckpointError,
        match=r"^[^\n]*no \*.safetensors[^\n]*`bench models convert google-t5/t5-small --revision df1b051c\w{32} --models DIR`",
    ):
        PINNED.folder(tmp_path)


class Repository:
    """What the hub tells of a repository with these files."""

    files = ("config.json", "pytorch_model.bin")

    def model_info(self, model, revision, timeout):
        siblings = [SimpleNamespace(rfilename=name) for name in self.files]
        return SimpleNamespace(sha=revision or "0" * 40, siblings=siblings)


@pytest.mark.parametrize("revision", [None, PINNED.revision])
def test_pickled_weights_are_fetched_at_one_commit(revision, asked, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", Repository)
    assert pickled_snapshot(PINNED.model, revision, tmp_path / "bench") == (tmp_path / "snapshot", revision or "0" * 40)
    assert [call["revision"] for call in asked] == [revision or "0" * 40]


def test_pickled_weights_in_a_cache_are_not_fetched_again(asked, tmp_path, weights, hub_cache):
    snapshot = snapshot_in(hub_cache, weights)
    (snapshot / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    assert pickled_snapshot(PINNED.model, PINNED.revision, tmp_path / "bench") == (snapshot, PINNED.revision)
    assert not asked


def test_a_repository_with_safetensors_needs_no_conversion(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", Repository)
    monkeypatch.setattr(Repository, "files", ("pytorch_model.bin", "model.safetensors"))
    with pytest.raises(CheckpointError, match=f"`revision: {'0' * 40}`"):
        pickled_snapshot(PINNED.model, None, tmp_path / "bench")
    assert not asked


@pytest.mark.parametrize(("model", "revision"), [("no/such/folder", None), ("owner/name", "main")])
def test_what_is_no_repository_or_no_commit_is_one_line_without_the_hub(model, revision, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: pytest.fail("the hub was asked"))
    with pytest.raises(CheckpointError, match=rf"^{model}: [^\n]*$"):
        pickled_snapshot(model, revision, tmp_path)


def test_without_a_network_one_line_names_every_place_and_what_works(tmp_path, monkeypatch, hub_cache):
    def unreachable(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("BENCH_MODELS", "/srv/models")
    with pytest.raises(CheckpointError) as raised:
        PINNED.folder(tmp_path / "bench")
    message = str(raised.value)
    places = ("/srv/models", str(hub_cache), str(tmp_path / "bench" / "hub"), "([Errno -2] Name or service not known)")
    assert all(place in message for place in (PINNED.model, *places, "--models", "`flan_t5_small`", "`folder`"))
    assert "\n" not in message


def test_what_the_hub_refuses_is_one_line(tmp_path, monkeypatch):
    class Refusing:
        def model_info(self, model, revision, timeout):
            raise OSError("404 Client Error.\n\nRevision Not Found")

    monkeypatch.setattr(huggingface_hub, "HfApi", Refusing)
    with pytest.raises(CheckpointError, match=r"^google-t5/t5-small at df1b051c: [^\n]* hub [^\n]*\(404 Client Error\)\.[^\n]*$"):
        PINNED.folder(tmp_path)


def test_offline_mode_is_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=r"BENCH_MODELS .* hub"):
        PINNED.folder(tmp_path)


@pytest.mark.parametrize("fields", [{"revision": "main"}, {"revision": "DF1B"}, {"model": "../up"}, {"model": "a/b/c"}, {"model": ""}])
def test_a_revision_is_a_commit_and_a_model_a_repository(fields):
    with pytest.raises(ValidationError):
        Hub(**{**PINNED.model_dump(), **fields})
