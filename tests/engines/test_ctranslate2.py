"""CTranslate2 computes what torch computes, and a conversion that does not is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bench.contracts import Decoding
from bench.engines import ctranslate2 as part
from bench.engines.ctranslate2 import CTranslate2
from bench.engines.torch import Torch
from bench.errors import BenchError
from bench.models.random import Random
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
        CTranslate2().verify(folder, SOURCES, tmp_path / "kept")
    assert str(folder) in str(raised.value)
    assert not list((tmp_path / "kept" / "ctranslate2").glob("*-float32-*[!k]"))


def test_a_model_is_converted_once(library, cache, tmp_path, monkeypatch):
    folder = ending("t5", cache, tmp_path)
    CTranslate2().verify(folder, SOURCES, cache)
    monkeypatch.setattr(CTranslate2, "_convert", pytest.fail)
    assert outputs(CTranslate2(), folder, cache)


def test_a_family_that_is_not_converted_is_refused(library, cache):
    with pytest.raises(BenchError, match="llama"):
        CTranslate2().check(Random(family="llama").folder(cache), "cpu")


def test_a_type_that_the_device_lacks_is_refused(library, cache, monkeypatch):
    monkeypatch.setattr(library, "get_supported_compute_types", lambda device: {"float32"})
    with pytest.raises(BenchError, match="int8"):
        CTranslate2(compute_type="int8").check(Random().folder(cache), "cpu")


def test_without_the_package_the_error_has_the_command_that_installs_it(cache, monkeypatch):
    monkeypatch.setattr(part, "PACKAGE", "no_such_package_here")
    with pytest.raises(BenchError) as raised:
        CTranslate2().check(Random().folder(cache), "cpu")
    assert part.INSTALL in str(raised.value)
