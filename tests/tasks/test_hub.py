import json
import os
import shutil
import socket
from pathlib import Path

import huggingface_hub
import pytest

from bench.contracts import no_progress
from bench.data.splitting import content_hash
from bench.errors import DataError
from bench.tasks.hub import Hub
from tests.facts import unmatched

SPLITS = {"train": 60, "validation": 12, "test": 11}


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """The ordinary cache of the hub's tools, empty, whatever this machine has; and no folder of data sets."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("BENCH_DATA", "")
    return tmp_path / "hf"


@pytest.fixture
def no_hub(monkeypatch):
    """The Hub's list of commits is the first thing that a download asks for."""
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: pytest.fail("the Hub was asked"))


@pytest.fixture
def folder(tmp_path):
    for split, rows in SPLITS.items():
        lines = [json.dumps({"text": f"{split} document {i}", "label": f"{split} {i}"}) for i in range(rows)]
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{split}.jsonl").write_text("\n".join(lines))
    return tmp_path / "data"


def hub(path, **settings):
    return Hub(**{"path": str(path), "source": "text", "target": "label", **settings})


def test_a_folder_is_read_and_half_of_train_hides_its_labels(folder, tmp_path):
    splits = hub(folder).splits(tmp_path, no_progress)
    assert (len(splits.test), len(splits.dev), len(splits.train) + len(splits.unlabelled)) == (11, 12, 60)
    assert 15 < len(splits.train) < 45
    assert all(e.target is None for e in splits.unlabelled)
    assert all(int(content_hash(e.source)[:8], 16) < 2**31 for e in splits.unlabelled)
    assert {(e.source, e.target) for e in splits.test} == {(f"test document {i}", f"test {i}") for i in range(11)}
    assert hub(folder).splits(tmp_path, no_progress) == splits


def test_a_file_replaced_by_one_of_its_size_and_time_is_read_again(folder, tmp_path):
    """`datasets` alone knows a local file by its path and mtime."""
    before = hub(folder).splits(tmp_path, no_progress)
    file = folder / "test.jsonl"
    seen = file.stat()
    file.write_text(file.read_text().replace("test 3", "TEST 3"))
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
    after = hub(folder).splits(tmp_path, no_progress)
    assert {e.target for e in after.test} - {e.target for e in before.test} == {"TEST 3"}
    assert after.fingerprint != before.fingerprint


def test_caps_take_the_lowest_hashes(folder, tmp_path):
    whole = hub(folder).splits(tmp_path, no_progress)
    some = hub(folder, train_examples=5, pool_examples=4, dev_examples=3, test_examples=2).splits(tmp_path, no_progress)
    for part, size in {"train": 5, "unlabelled": 4, "dev": 3, "test": 2}.items():
        assert list(getattr(some, part)) == sorted(getattr(whole, part), key=lambda e: content_hash(e.source))[:size]


def test_what_stands_in_test_is_taken_out_of_train(folder, tmp_path):
    with (folder / "train.jsonl").open("a") as train:
        train.write('\n{"text": "test document 3", "label": "leak"}')
    splits = hub(folder).splits(tmp_path, no_progress)
    assert "test document 3" not in {e.source for e in (*splits.train, *splits.unlabelled)}
    assert unmatched(splits.notes[:1], ("repeated source", 1)) == []


def test_class_labels_are_read_as_their_names(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    (tmp_path / "data").mkdir()
    for split in SPLITS:
        rows = {"text": [f"{split} {i}" for i in range(30)], "label": [i % 2 for i in range(30)]}
        Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "data" / f"{split}.parquet")
    splits = hub(tmp_path / "data").splits(tmp_path, no_progress)
    assert {e.target for e in splits.test} == {"bad", "good"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dev_split": "dev"}, 'Unknown split "dev".*'),
        ({"name": "other"}, "BuilderConfig 'other' not found. .*"),
        ({"target": "labl"}, "no column 'labl'; .* 'label'[?] .* text, label"),
    ],
)
def test_a_wrong_split_configuration_or_column_gets_one_line(settings, message, folder, tmp_path):
    with pytest.raises(DataError, match=f"^[^\n]*: {message}$"):
        hub(folder, **settings).splits(tmp_path, no_progress)


def test_a_split_without_labels_gets_one_line(folder, tmp_path):
    (folder / "test.jsonl").write_text('{"text": "a", "label": null}\n{"text": "b", "label": " "}')
    with pytest.raises(DataError, match=r"source .*target .*split 'test'"):
        hub(folder).splits(tmp_path, no_progress)


def test_files_that_cannot_be_read_get_one_line(folder, tmp_path):
    (folder / "train.jsonl").write_text("{")
    with pytest.raises(DataError, match=r"^[^\n]+$"):
        hub(folder).splits(tmp_path, no_progress)


def test_a_folder_with_a_loading_script_is_refused(folder, tmp_path):
    (folder / "data.py").write_text("raise SystemExit")
    with pytest.raises(DataError, match=r"scripts .*no longer supported"):
        hub(folder).splits(tmp_path, no_progress)


def test_a_dataset_of_the_hub_needs_a_revision(tmp_path):
    with pytest.raises(DataError, match=r"^owner/name: `revision` is needed"):
        hub("owner/name").splits(tmp_path, no_progress)


def test_what_is_no_folder_and_no_name_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"^no/such/folder: [^\n]*folder [^\n]* owner/name$"):
        hub("no/such/folder", revision="main").splits(tmp_path, no_progress)


def test_the_folder_of_data_sets_needs_no_revision_and_comes_before_everything(folder, tmp_path, monkeypatch, no_hub):
    expected = hub(folder).splits(tmp_path, no_progress)
    shutil.copytree(folder, tmp_path / "data sets" / "owner" / "name")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data sets"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *a, **k: pytest.fail("the hub's cache was asked"))
    assert hub("owner/name").splits(tmp_path, no_progress) == expected
    assert hub("owner/name", revision="v1").splits(tmp_path, no_progress) == expected
    assert hub(folder).splits(tmp_path, no_progress) == expected


def test_a_local_copy_in_the_layout_of_the_hubs_parquet_branch_is_read(tmp_path, monkeypatch, no_hub):
    from datasets import Dataset

    for split, rows in SPLITS.items():
        columns = {"text": [f"{split} document {i}" for i in range(rows)], "label": [f"{split} {i}" for i in range(rows)]}
        Dataset.from_dict(columns).to_parquet(tmp_path / "data" / "owner" / "name" / "default" / split / "0000.parquet")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    splits = hub("owner/name", revision="refs/convert/parquet").splits(tmp_path, no_progress)
    assert (len(splits.test), len(splits.dev), len(splits.train) + len(splits.unlabelled)) == (11, 12, 60)


COMMIT = "c0ffee" * 6 + "abcd"


@pytest.fixture
def snapshot(folder, hub_cache) -> Path:
    """Of COMMIT, which v1 names, as `hf download` leaves it: links to blobs, and the Hub's list of the files."""
    root = hub_cache / "datasets--owner--name"
    for path in folder.iterdir():
        (root / "blobs").mkdir(parents=True, exist_ok=True)
        (root / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / "blobs" / path.stem)
        (root / "snapshots" / COMMIT / path.name).symlink_to(Path("../../blobs") / path.stem)
    (root / "refs").mkdir()
    (root / "refs" / "v1").write_text(COMMIT)
    (root / "trees").mkdir()
    files = {path.name: {"size": path.stat().st_size, "blob_id": path.stem} for path in folder.iterdir()}
    (root / "trees" / f"{COMMIT}.json").write_text(json.dumps({"format_version": 1, "files": files}))
    return root / "snapshots" / COMMIT


@pytest.mark.parametrize("revision", ["v1", COMMIT])
def test_a_whole_snapshot_in_the_hubs_cache_needs_no_network(revision, snapshot, folder, tmp_path, monkeypatch, no_hub):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))  # is there, but does not hold the data set
    splits = hub("owner/name", revision=revision).splits(tmp_path, no_progress)
    assert splits.fingerprint == hub(folder).splits(tmp_path, no_progress).fingerprint


def test_a_snapshot_not_known_to_be_whole_is_passed_over(snapshot, tmp_path, monkeypatch):
    class Unreachable:
        def dataset_info(self, *args, **options):
            raise ConnectionError("down")

    monkeypatch.setattr(huggingface_hub, "HfApi", Unreachable)
    (snapshot / "train.jsonl").unlink()
    with pytest.raises(DataError, match="no whole snapshot in"):
        hub("owner/name", revision=COMMIT).splits(tmp_path, no_progress)
    shutil.rmtree(snapshot.parents[1] / "trees")
    with pytest.raises(DataError, match="no whole snapshot in"):
        hub("owner/name", revision=COMMIT).splits(tmp_path, no_progress)


def test_without_a_network_one_line_names_every_place_and_what_needs_none(tmp_path, monkeypatch, hub_cache):
    def unreachable(*args, **kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setenv("BENCH_DATA", "/srv/data")
    places = rf"/srv/data \(BENCH_DATA\); [^\n]* {hub_cache}; [^\n]*Hub cannot be reached \([^\n]*\)"
    with pytest.raises(DataError, match=rf"^owner/name: [^\n]*{places}\. [^\n]* --data DIR; [^\n]*'docstrings' and 'files'[^\n]*$"):
        hub("owner/name", revision="main").splits(tmp_path, no_progress)
    assert not [f for f in tmp_path.rglob("*") if f.suffix != ".lock" and f.is_file()]


def test_what_was_loaded_once_is_not_asked_for_again(folder, tmp_path, monkeypatch):
    """The Hub is played by a local folder: this machine has none."""
    import datasets

    load = datasets.load_dataset
    asked = []

    class Api:
        def dataset_info(self, path, revision, timeout):
            asked.append((path, revision))
            return type("Info", (), {"sha": "c0ffee"})

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(datasets, "load_dataset", lambda path, name, revision, **rest: load(str(folder), name, **rest))
    task = hub("owner/name", revision="v1")
    splits = task.splits(tmp_path, no_progress)
    assert task.splits(tmp_path, no_progress) == splits
    assert asked == [("owner/name", "v1")]
    assert splits.fingerprint == hub(folder).splits(tmp_path, no_progress).fingerprint
    assert not list((tmp_path / "hub").glob("*.arrow"))
