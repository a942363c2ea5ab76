"""CTranslate2 computes what torch computes, and a conversion that does not is refused."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from bench.contracts import Decoding
from bench.engines import ctranslate2 as part
from bench.engines.ctranslate2 import CTranslate2
from bench.engines.torch import Torch
from bench.errors import BenchError
from bench.models.random import Random
from bench.training import checkpoints
from bench.training.checkpoints import save
from tests.engines.reference import SOURCES, TOKENS, model_that_ends

FAMILIES = ("t5", "t5_v1_1", "mt5", "bart", "pegasus")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("ctranslate2")


@pytest.fixture(params=FAMILIES)
def folder(request, cache, tmp_path):
    return ending(request.param, cache, tmp_path)


def ending(family: str, cache, place, **settings: Any):
    """Write a model whose outputs have different lengths."""
    model, tokenizer = model_that_ends(Random(family=family).folder(cache), tied=True)
    model.generation_config.update(**settings)
    save(model, tokenizer, place)
    return place


def outputs(engine, folder, cache, beams: int = 1, tokens: int = TOKENS, least: int = 0):
    model = engine.load(folder, SOURCES, decoding=Decoding(beams=beams), precision="fp32", device="cpu", cache=cache)
    return model.generate(SOURCES, tokens, least)


@pytest.mark.parametrize("tokens", [3, TOKENS])
def test_in_fp32_outputs_lengths_and_log_probabilities_are_torchs(library, folder, cache, tokens):
    found, expected = outputs(CTranslate2(), folder, cache, tokens=tokens), outputs(Torch(), folder, cache, tokens=tokens)
    assert found == expected
    assert [one.log_prob for one in found] == pytest.approx([one.log_prob for one in expected], abs=1e-3)


@pytest.mark.parametrize("family", ["t5_v1_1", "bart"])
def test_the_log_probability_of_a_beam_is_not_divided_by_its_length(library, family, cache, tmp_path):
    folder = ending(family, cache, tmp_path)
    found, expected = outputs(CTranslate2(), folder, cache, beams=3), outputs(Torch(), folder, cache, beams=3)
    equal = [(one, other) for one, other in zip(found, expected, strict=True) if one == other]
    assert equal
    assert [one.log_prob for one, _ in equal] == pytest.approx([other.log_prob for _, other in equal], abs=1e-3)


def test_outputs_have_as_many_tokens_as_asked(library, folder, cache):
    assert {one.tokens for one in outputs(CTranslate2(), folder, cache, tokens=5, least=5)} == {5}


def test_with_int8_log_probabilities_are_close(library, folder, cache):
    found, expected = (outputs(engine, folder, cache, tokens=1) for engine in (CTranslate2(compute_type="int8"), Torch()))
    assert [one.log_prob for one in found] == pytest.approx([one.log_prob for one in expected], abs=0.5)


def test_a_forced_first_token_begins_every_output(library, cache, tmp_path):
    folder = ending("bart", cache, tmp_path, forced_bos_token_id=7)
    found, expected = outputs(CTranslate2(), folder, cache), outputs(Torch(), folder, cache)
    assert found == expected
    assert [one.log_prob for one in found] == pytest.approx([one.log_prob for one in expected], abs=1e-3)


@pytest.mark.parametrize("family", ["t5", "t5_v1_1"])
def test_a_scale_that_is_wrong_is_refused_before_anything_is_kept(library, family, cache, tmp_path, monkeypatch):
    folder = ending(family, cache, tmp_path / "model")
    real = part._converter

    def wrong(model: Any, folder: Any) -> Any:
        converter = real(model, folder)
        model.config.tie_word_embeddings = not model.config.tie_word_embeddings
        return converter

    monkeypatch.setattr(part, "_converter", wrong)
    with pytest.raises(BenchError) as raised:
        CTranslate2().verify(folder, SOURCES, device="cpu", cache=tmp_path / "kept")
    assert str(folder) in str(raised.value)
    assert not list((tmp_path / "kept" / "ctranslate2").glob("*-float32-*[!k]"))


def test_a_conversion_is_compared_on_the_device_that_generates(library, cache, tmp_path, monkeypatch):
    folder, devices = ending("t5", cache, tmp_path / "model"), []
    real = part._translator

    def translator(folder: Any, device: str, compute_type: Any) -> Any:
        devices.append(device)
        return real(folder, "cpu", compute_type)

    def log_probs(folder: Any, sources: Any, outputs: Any, device: str, skipped: int) -> list[float]:
        devices.append(device)
        return [0.0] * len(outputs)

    monkeypatch.setattr(part, "_translator", translator)
    monkeypatch.setattr(part, "_log_probs", log_probs)
    CTranslate2().convert(folder, tmp_path / "made")
    with pytest.raises(BenchError):
        CTranslate2().verify(folder, SOURCES, device="cuda", cache=tmp_path, converted=tmp_path / "made")
    assert devices == ["cuda", "cuda"]


def test_a_conversion_in_the_cache_holds_for_one_device_type_and_version(library, cache, tmp_path, monkeypatch):
    folder = ending("t5", cache, tmp_path / "model")
    monkeypatch.setattr(CTranslate2, "_compare", lambda *_: None)

    def kept() -> int:
        return sum(path.is_dir() for path in (tmp_path / "ctranslate2").iterdir())

    for engine, device in ((CTranslate2(), "cpu"), (CTranslate2(), "cuda"), (CTranslate2(compute_type="int8"), "cpu")):
        engine.verify(folder, SOURCES, device=device, cache=tmp_path)
        engine.verify(folder, SOURCES, device=device, cache=tmp_path)
    assert kept() == 3
    for package in ("ctranslate2", "transformers"):
        monkeypatch.setattr(part, "version", lambda name, package=package: "next" if name == package else "1")
        CTranslate2().verify(folder, SOURCES, device="cpu", cache=tmp_path)
    assert kept() == 5


def test_the_conversion_is_freed_before_torch_loads_the_model(library, cache, tmp_path, monkeypatch):
    folder, alive, held = ending("t5", cache, tmp_path / "model"), weakref.WeakSet(), []

    class Tracked(part._Model):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings)
            alive.add(self)

    def load(folder: Any) -> Any:
        held.append(len(alive))
        return checkpoints_load(folder)

    CTranslate2().convert(folder, tmp_path / "made")
    checkpoints_load = checkpoints.load
    monkeypatch.setattr(part, "_Model", Tracked)
    monkeypatch.setattr(checkpoints, "load", load)
    CTranslate2().verify(folder, SOURCES, device="cpu", cache=tmp_path, converted=tmp_path / "made")
    assert held == [0]


def test_a_model_is_converted_once(library, cache, tmp_path, monkeypatch):
    folder = ending("t5", cache, tmp_path)
    CTranslate2().verify(folder, SOURCES, device="cpu", cache=cache)
    monkeypatch.setattr(CTranslate2, "convert", pytest.fail)
    assert outputs(CTranslate2(), folder, cache)


def test_a_family_that_is_not_converted_is_refused(library, cache):
    with pytest.raises(BenchError, match="llama"):
        CTranslate2().check(Random(family="llama").folder(cache), "cpu")


def test_a_type_that_the_device_lacks_is_refused(library, cache, monkeypatch):
    monkeypatch.setattr(library, "get_supported_compute_types", lambda device: {"float32"})
    with pytest.raises(BenchError, match="int8"):
        CTranslate2(compute_type="int8").check(Random().folder(cache), "cpu")


def test_a_device_that_the_package_cannot_use_is_refused(library, cache, monkeypatch):
    def fails(device: str) -> None:
        raise RuntimeError("no driver")

    monkeypatch.setattr(library, "get_supported_compute_types", fails)
    with pytest.raises(BenchError, match="no driver"):
        CTranslate2().check(Random().folder(cache), "cuda")


def test_without_the_package_the_error_has_the_command_that_installs_it(cache, monkeypatch):
    monkeypatch.setattr(part, "PACKAGE", "no_such_package_here")
    with pytest.raises(BenchError) as raised:
        CTranslate2().check(Random().folder(cache), "cpu")
    assert part.INSTALL in str(raised.value)
