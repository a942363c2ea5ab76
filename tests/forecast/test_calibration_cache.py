"""What was found out once is not found out again."""

import itertools
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.contracts import BuildContext, Compact, Recipe, no_progress
from bench.errors import BenchError
from bench.execution import prepare
from bench.execution.store import DryStore
from bench.forecast import calibration_cache, start_up
from bench.forecast.calibrate import Throughput
from bench.forecast.calibration_cache import CalibrationCache
from bench.forecast.memory import batches_peak_bytes
from bench.models.folder import Folder
from bench.models.random import Random
from bench.system import machine
from bench.training.finetuned import Finetuned
from bench.training.generated import Predictions
from bench.training.recipes import Pretrained, Shrunk
from bench.training.soft_labels import Distilled
from bench.training.speed import InferenceSpeed
from tests.execution.test_store import Steps
from tests.forecast.conftest import planned, read

CASE = Path(__file__).parents[1] / "cases" / "26-all-on-labels"


@dataclass(frozen=True)
class Impossible(Recipe):
    """Can be planned, and not be done."""

    activity = "training"

    def forecast_flops(self, context: BuildContext) -> float:
        return 1.0

    def make(self, folder: Path, context: BuildContext) -> None:
        raise BenchError("no")


def finder(cache: Path, again: bool = False, workers: int = 0, data: str = "data") -> CalibrationCache:
    return CalibrationCache(cache=cache, device="cpu", workers=workers, profilers={}, data=data, again=again)


def test_a_pace_is_found_once_and_anew_where_that_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def calibrate(recipe: Recipe, cache: Path, device: str, profilers: Mapping[str, object]) -> Throughput:
        calls.append(recipe)
        return Throughput(around_s=len(calls), seconds_per_flop=1.0, steps=3, watts=None, resident_bytes=5)

    monkeypatch.setattr(calibration_cache, "calibrate", calibrate)
    recipe = Steps(3)
    first = finder(tmp_path).throughputs([recipe], no_progress)
    assert (
        first
        == finder(tmp_path).throughputs([recipe], no_progress)
        == {recipe.key: Throughput(around_s=1, seconds_per_flop=1.0, steps=3, watts=None, resident_bytes=5)}
    )
    assert finder(tmp_path, again=True).throughputs([recipe], no_progress) == {
        recipe.key: Throughput(around_s=2, seconds_per_flop=1.0, steps=3, watts=None, resident_bytes=5)
    }
    assert finder(tmp_path, data="other").throughputs([recipe], no_progress) == {
        recipe.key: Throughput(around_s=3, seconds_per_flop=1.0, steps=3, watts=None, resident_bytes=5)
    }
    assert len(calls) == 3


def test_what_was_found_of_a_model_is_not_taken_for_another_at_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def calibrate(recipe: Recipe, cache: Path, device: str, profilers: Mapping[str, object]) -> Throughput:
        calls.append(recipe)
        return Throughput(around_s=len(calls), seconds_per_flop=1.0, steps=3, watts=None, resident_bytes=5)

    monkeypatch.setattr(calibration_cache, "calibrate", calibrate)
    folder = shutil.copytree(Random(encoder_layers=1, decoder_layers=1).folder(tmp_path), tmp_path / "model")
    recipe = Shrunk(Pretrained(Folder(path=str(folder))), Compact(decoder_layers=1))
    found = [finder(tmp_path).throughputs([recipe], no_progress)[recipe.key] for _ in range(2)]
    seen = (folder / "config.json").stat()
    shutil.copytree(Random(encoder_layers=2, decoder_layers=1).folder(tmp_path), folder, dirs_exist_ok=True)
    os.utime(folder / "config.json", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    found.append(finder(tmp_path).throughputs([recipe], no_progress)[recipe.key])
    assert [pace.around_s for pace in found if pace] == [1, 1, 2]


def test_work_that_cannot_be_calibrated_has_no_throughput_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    found = finder(tmp_path).throughputs([Impossible(), Steps(2)], no_progress)
    assert found[Impossible().key] is None
    assert found[Steps(2).key] is not None


def test_work_is_calibrated_in_processes_of_its_own_as_many_as_will_run(tmp_path: Path) -> None:
    recipes = [Steps(2, "one"), Steps(2, "two"), Steps(2, "three")]
    found = finder(tmp_path, workers=2).throughputs(recipes, no_progress)
    assert all((pace := found[recipe.key]) is not None and pace.steps == 2 for recipe in recipes)


def test_the_start_of_an_arm_is_measured_once_for_each_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASE)
    suite = Path("suite.yaml")
    ready = prepare.load(suite, results=tmp_path, cache=tmp_path, device="cpu", only=None, progress=no_progress)
    once = finder(tmp_path).starts(suite, ready.arms, ready.results, no_progress)
    assert list(once) == list(ready.suite.tasks)
    assert all((seconds or 0) > 0 for seconds in once.values())

    def fails(*_: object) -> None:
        raise BenchError("no")

    monkeypatch.setattr(start_up, "measure", fails)
    assert finder(tmp_path).starts(suite, ready.arms, ready.results, no_progress) == once
    again = finder(tmp_path, again=True)
    assert again.starts(suite, ready.arms, ready.results, no_progress) == dict.fromkeys(once)
    assert list(again.reasons) == ["start"]


def test_the_peak_is_that_of_the_longest_texts_and_the_batch(cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = planned(read(folder), cache, "*every_step*4usd.seed1*").values()
    recipes = [work.recipe for work in forecast.works]
    (teacher,) = [r for r in recipes if type(r) is Finetuned]
    (student,) = [r for r in recipes if isinstance(r, Distilled)]
    (speed,) = [r for r in recipes if isinstance(r, InferenceSpeed)]
    said = next(r for r in recipes if isinstance(r, Predictions))
    (read_by,) = teacher.batches(context)
    assert 4 < read_by.source_tokens <= 32
    (generated,) = said.batches(context)
    assert generated.size == (max(map(len, said.sources(context))), 8, min(said.decoding.batch_size, len(said.examples)))
    assert [batch.size[:2] for batch in speed.batches(context)] == [(32, 8), (32, 8)]

    def bytes_of(recipe: Recipe, source: int, target: int) -> int:
        batches = [replace(batch, source_tokens=source, target_tokens=target) for batch in recipe.batches(context)]
        return batches_peak_bytes(batches, cache, "cpu")

    assert bytes_of(teacher, 8, 8) < bytes_of(teacher, 32, 8)
    assert bytes_of(student, 8, 8) > bytes_of(student, 4, 4) > 0
    assert bytes_of(speed, 32, 8) > bytes_of(speed, 8, 8) > 0
    few = replace(said, examples=said.examples[:4])
    assert 0 < bytes_of(few, 32, 8) < bytes_of(said, 32, 8)


def test_a_teacher_that_runs_in_every_step_counts_with_its_weights(cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = planned(read(folder), cache, "*every_step*4usd.seed1*").values()
    (student,) = [work.recipe for work in forecast.works if isinstance(work.recipe, Distilled)]
    (batch,) = student.batches(context)
    assert batches_peak_bytes([batch], cache, "cpu") > batches_peak_bytes([replace(batch, beside=())], cache, "cpu")


def test_peaks_are_remembered_and_of_work_without_one_nothing_is_told(tmp_path: Path, cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = planned(read(folder), cache, "*annotate*4usd.seed1*").values()
    recipes = [work.recipe for work in forecast.works]
    kept = CalibrationCache(cache=cache, device="cpu", workers=0, profilers={}, data=str(tmp_path))
    first = kept.peaks(recipes, "cpu", context, no_progress)
    assert first == kept.peaks(recipes, "cpu", context, no_progress)
    assert {type(r).__name__ for r in recipes if first[r.key] is None} == {"Pretrained", "Shrunk"}


@pytest.mark.parametrize("package", ["torch", "transformers", "peft"])
def test_a_peak_is_found_anew_with_another_version_of_a_package(
    tmp_path: Path, cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    simulated = itertools.count(1)
    monkeypatch.setattr(calibration_cache, "batches_peak_bytes", lambda *_: next(simulated))
    context, version = DryStore(cache, no_progress).context, machine.version
    (forecast,) = planned(read(folder), cache, "*annotate*4usd.seed1*").values()
    recipe = next(work.recipe for work in forecast.works if isinstance(work.recipe, Finetuned))
    kept = CalibrationCache(cache=cache, device="cpu", workers=0, profilers={}, data=str(tmp_path))

    def found() -> int | None:
        return kept.peaks([recipe], "cpu", context, no_progress)[recipe.key]

    assert [found(), found()] == [1, 1]
    monkeypatch.setattr(machine, "version", lambda name: "0" if name == package else version(name))
    assert found() == 2


def test_arms_with_fewer_examples_than_a_batch_have_a_peak_of_their_own(tmp_path: Path, cache: Path, folder: Path) -> None:
    context = DryStore(cache, no_progress).context
    (forecast,) = planned(read(folder), cache, "*annotate*4usd.seed1*").values()
    whole = next(work.recipe for work in forecast.works if isinstance(work.recipe, Finetuned))
    few = replace(whole, examples=whole.examples[:2])
    assert whole.batches(context)[0].size[:2] == few.batches(context)[0].size[:2]
    kept = CalibrationCache(cache=cache, device="cpu", workers=0, profilers={}, data=str(tmp_path))
    found = kept.peaks([whole, few], "cpu", context, no_progress)
    assert 0 < (found[few.key] or 0) < (found[whole.key] or 0)
