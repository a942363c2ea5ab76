"""A trained model is converted once, by work of its own; the work that generates with it reads what was made."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bench.contracts import Compact, Decoding, Engine, LoadedModel, Recipe
from bench.engines.torch import Torch
from bench.forecast.calibrate import calibrate
from bench.training.conversion import CHECKED_DOCUMENTS, CONVERSION, Converted
from bench.training.generated import Predictions
from bench.training.recipes import Pretrained, Shrunk
from bench.training.speed import InferenceSpeed

one_family = pytest.mark.parametrize("family", ["t5"], indirect=True)

CONVERTED: list[Path] = []
LOADED: list[Path | None] = []
CHECKED: list[int] = []


class Copies(Engine):
    """Generates with a copy of the model. CONVERTED, LOADED and CHECKED note what it does."""

    converts: ClassVar[bool] = True

    def convert(self, folder: Path, to: Path) -> None:
        CONVERTED.append(folder)
        shutil.copytree(folder, to)

    def verify(self, folder: Path, sources: Sequence[Sequence[int]], *, converted: Path | None = None, **_: Any) -> None:
        CHECKED.append(len(sources))

    def load(self, folder: Path, *args: Any, converted: Path | None = None, **settings: Any) -> LoadedModel:
        LOADED.append(converted)
        return Torch().load(converted or folder, *args, **settings)


@pytest.fixture(autouse=True)
def nothing_noted():
    for notes in (CONVERTED, LOADED, CHECKED):
        notes.clear()


@pytest.fixture
def student(pretrained):
    return Shrunk(pretrained, Compact(decoder_layers=1))


@pytest.fixture
def predictions(student, examples):
    text = {"prefix": "", "max_source_tokens": 16, "max_target_tokens": 4}
    return Predictions(model=student, examples=examples, decoding=Decoding(), engine=Copies(), precision="fp32", **text)


@pytest.fixture
def speed(pretrained, student):
    sizes = {"source_tokens": 8, "target_tokens": 4, "documents": 2, "rounds": 1}
    return InferenceSpeed(large=pretrained, student=student, precision="fp32", decoding=Decoding(), engine=Copies(), **sizes)


def needed(recipe: Recipe) -> list[Converted]:
    return [one for one in recipe.inputs() if isinstance(one, Converted)]


@one_family
def test_all_work_with_a_model_needs_the_same_conversion(predictions, speed, student, pretrained):
    (one,) = needed(predictions)
    others = [replace(predictions, examples=predictions.examples[3:]), replace(predictions, prefix="q: ", max_source_tokens=8), speed]
    assert {other.key for recipe in others for other in needed(recipe)} == {one.key}
    assert one.inputs() == (student,)
    (deeper,) = needed(replace(predictions, model=Shrunk(pretrained, Compact(encoder_layers=1))))
    assert deeper.key != one.key


@one_family
def test_a_pretrained_model_and_an_engine_that_reads_models_as_they_are_need_none(predictions, speed, pretrained):
    for recipe in (predictions, speed):
        assert not needed(replace(recipe, engine=Torch()))
    assert not needed(replace(predictions, model=pretrained))
    assert not needed(replace(speed, student=pretrained))


@one_family
def test_work_that_generates_reads_the_conversion_and_makes_none(predictions, speed, shop):
    shop.make(predictions)
    (one,) = needed(predictions)
    assert (len(CONVERTED), CHECKED) == (1, [len(predictions.examples)])
    assert [shop.artifact(one) / CONVERSION] == LOADED
    shop.make(speed)
    assert len(CONVERTED) == 1
    assert LOADED[1:] == [None, shop.artifact(one) / CONVERSION]


@one_family
def test_a_conversion_without_documents_is_checked_on_random_ones(speed, shop):
    shop.make(speed)
    assert CHECKED == [CHECKED_DOCUMENTS]


@one_family
def test_a_calibration_converts_the_untrained_model(predictions, shop, pretrained):
    (one,) = needed(replace(predictions, model=Shrunk(Shrunk(pretrained, Compact(decoder_layers=2)), Compact(decoder_layers=1))))
    short = one.calibration_run(1e9, shop.context())
    assert short.model == one.model.untrained
    assert one.forecast_flops(shop.context()) == 0
    assert isinstance(short.model.origin, Pretrained)


@one_family
def test_conversions_are_calibrated_by_themselves_and_without_the_check(predictions, cache):
    (one,) = needed(predictions)
    found = calibrate(one, cache, "cpu", {})
    assert (found.steps, found.seconds_per_flop) == (0, 0.0)
    assert calibrate(predictions, cache, "cpu", {}).steps > 0
    assert (len(CONVERTED), CHECKED) == (2, [])
