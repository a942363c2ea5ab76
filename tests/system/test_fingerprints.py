"""Two folders under one name are told apart by what they hold."""

import hashlib
import mmap
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Example, Splits, no_progress
from bench.execution import runner
from bench.execution.job import inputs_fingerprint, models_fingerprint
from bench.execution.record import write_record
from bench.execution.store import DryStore
from bench.forecast.arm import forecast
from bench.models.random import Random
from bench.suite import arms as plan
from bench.suite.suite_file import Suite
from bench.system.fingerprints import of_file, of_folder
from tests.prepared import prepared
from tests.records import record
from tests.suite.test_suite import GOOD, read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_is_known_by_the_names_and_contents_of_what_decides(folder: Path, tmp_path: Path) -> None:
    before = of_folder(folder, tmp_path / "cache")
    (folder / "README.md").write_text("nothing")
    shutil.copytree(folder, tmp_path / "copy")
    assert of_folder(folder, tmp_path / "cache") == of_folder(tmp_path / "copy", tmp_path / "other cache") == before
    (folder / "model.safetensors").write_bytes(b"weighty")
    assert of_folder(folder, tmp_path / "cache") != before


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as old enough at once."""
    monkeypatch.setattr("bench.system.fingerprints.RACY_NS", 0)


def test_a_file_is_hashed_once_as_long_as_it_does_not_change(
    folder: Path, tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of_folder(folder, tmp_path / "cache")
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("hashed again"))
    assert of_folder(folder, tmp_path / "cache") == before


def test_a_file_that_has_just_changed_is_hashed_again(folder: Path, tmp_path: Path) -> None:
    """It may change within one tick of the clock, and then nothing but its content tells."""
    weights, cache = folder / "model.safetensors", tmp_path / "cache"
    before = of_file(weights, cache)
    assert not (cache / "hashes.json").exists()
    weights.write_bytes(b"weighty")
    assert of_file(weights, cache) != before


def _overwritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _replaced(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content)
    other.replace(path)


def _mapped(path: Path, content: bytes) -> None:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = content
        mapped.flush()


@pytest.mark.parametrize("change", [_overwritten, _replaced, _mapped])
def test_a_file_replaced_by_one_of_its_size_and_time_has_another_hash_and_once_changed_back_the_first(
    folder: Path, tmp_path: Path, settled: None, change: Callable[[Path, bytes], None]
) -> None:
    weights, cache = folder / "model.safetensors", tmp_path / "cache"
    before, of_before = weights.stat(), of_folder(folder, cache)
    seen = []
    for content in (b"WEIGHTS", b"weights"):
        time.sleep(0.02)  # a tick of the file system's clock; the times of younger files are not trusted
        change(weights, content)
        os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (weights.stat().st_size, weights.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        seen.append(of_folder(folder, cache))
    assert seen[0] != of_before
    assert seen[1] == of_before


def test_a_file_that_is_touched_or_given_other_rights_keeps_its_hash(folder: Path, tmp_path: Path, settled: None) -> None:
    weights, cache = folder / "model.safetensors", tmp_path / "cache"
    before = of_folder(folder, cache)
    os.utime(weights, ns=(1, 1))
    weights.chmod(0o600)
    assert of_folder(folder, cache) == before


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"PATH": 1}', '{"PATH": {"sha256": "0"}}'])
def test_a_damaged_memory_is_no_memory(folder: Path, tmp_path: Path, settled: None, damage: str) -> None:
    weights, cache = folder / "model.safetensors", tmp_path / "cache"
    cache.mkdir()
    (cache / "hashes.json").write_text(damage.replace("PATH", str(weights)))
    assert of_file(weights, cache) == hashlib.sha256(b"weights").hexdigest()


def test_hashing_a_large_file_reports_how_much_is_done(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.system.fingerprints.REPORTED_BYTES", 1000)
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    told: list[tuple[str, float, float]] = []
    of_folder(folder, tmp_path / "cache", lambda *progress: told.append(progress))
    assert {what for what, _, _ in told} == {"hashing model.safetensors"}
    assert told[-1][1:] == (2.0, 2.0)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_the_fingerprint_of_a_folder_is_that_of_earlier_versions(folder: Path, tmp_path: Path) -> None:
    """Records hold it: the arms of an old results folder have not to run again."""
    assert of_folder(folder, tmp_path / "cache") == "fcac31d289f587c9"


TEXTS = """
texts: {mine: {use: files, with: {path: TEXT}}}
"""


def with_text(tmp_path: Path, words: str) -> Suite:
    (tmp_path / "text.jsonl").write_text(f'{{"text": "{words}"}}\n')
    text = GOOD.replace("sft: {use: sft}", "further: {use: continue_pretraining, with: {general: {mine: 1}}}")
    return read(tmp_path, text + TEXTS.replace("TEXT", str(tmp_path / "text.jsonl")))


def test_an_arm_is_run_again_where_a_text_it_reads_has_changed_and_others_are_not(tmp_path: Path) -> None:
    found = with_text(tmp_path, "one text")
    splits = {"own": Splits((), (), (), (), "data")}
    ready = prepared(found, splits, cache=tmp_path / "cache", results=tmp_path / "results")
    arms = ready.arms
    for arm in arms:
        (ready.results / arm.id).mkdir(parents=True)
        inputs = inputs_fingerprint(found, arm, ready.cache, no_progress)
        write_record(ready.results / arm.id, record(arm=arm.id, data_fingerprint="data", inputs_fingerprint=inputs))
    assert all(runner.kept(ready, retry=False).values())
    changed = with_text(tmp_path, "another text, and longer")
    kept = runner.kept(replace(ready, suite=changed), retry=False)
    assert {arm.cell.label for arm in arms if not kept[arm.id]} == {"further"}


def test_the_store_of_other_weights_is_another(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    arm = plan.arms(found)[0]
    other = replace(found, large=Random(seed=1))
    assert models_fingerprint(found, arm, tmp_path) == models_fingerprint(found, arm, tmp_path)
    assert models_fingerprint(found, arm, tmp_path) != models_fingerprint(other, arm, tmp_path)


def test_an_arm_that_cannot_be_says_so_in_the_plan_and_the_others_are_planned(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD.replace("compact: {decoder_layers: 1}", "compact: {model: small}\nmodels: {small: {use: random}}"))
    train = tuple(Example(str(i), f"document {i}", "label") for i in range(50))
    stops = [forecast(found, arm, Splits(train, (), (), (), "f"), DryStore(tmp_path, no_progress)).stops for arm in plan.arms(found)]
    assert "compact.model" in stops[-1]
    assert not stops[0]
