"""Two folders under one name are told apart by what they hold."""

import shutil
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
from bench.system.fingerprints import of_folder
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


def test_a_file_is_hashed_once_as_long_as_it_does_not_change(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of_folder(folder, tmp_path / "cache")
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("hashed again"))
    assert of_folder(folder, tmp_path / "cache") == before


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
