"""The torch engine writes what `generate` of transformers writes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.contracts import Compact, Decoding
from bench.engines._search import CHUNK, Limits, closed_up, search, top
from bench.engines._stacks import StackDecoder
from bench.engines._weights import stacks_of
from bench.engines.torch import Torch, TorchModel
from bench.models.random import Random
from bench.models.shape import Shaped
from bench.training.batches import Encoded, collate, pad
from bench.training.checkpoints import load, save
from bench.training.forward import forward
from bench.training.shrinking import shrink
from tests.engines.reference import SOURCES, TOKENS, EncoderDecoder, by_transformers, model_that_ends

FAMILIES = ("t5", "t5_v1_1", "mt5", "bart", "pegasus", "llama")


@pytest.fixture(scope="module")
def cache(new_cache):
    return new_cache()


@pytest.fixture(params=FAMILIES)
def folder(request, cache):
    return Random(family=request.param).folder(cache)


class Numbers:
    """A tokenizer whose texts are the token ids."""

    def batch_decode(self, rows: list[list[int]], skip_special_tokens: bool) -> list[str]:
        return [" ".join(map(str, row)) for row in rows]


def ids_of(model: Any, decoding: Decoding, tokens: int = TOKENS, least: int = 0) -> tuple[list[list[int]], list[float]]:
    outputs = TorchModel(model, Numbers(), decoding=decoding, precision="fp32", device="cpu").generate(SOURCES, tokens, least)
    return [[int(token) for token in output.text.split()] for output in outputs], [output.log_prob for output in outputs]


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(beams=3), Decoding(beams=2, length_penalty=0.3)], ids=repr)
def test_outputs_are_those_of_transformers(folder, decoding):
    expected = by_transformers(model_that_ends(folder)[0], decoding)
    assert len(set(map(len, expected))) > 1
    assert ids_of(model_that_ends(folder)[0], decoding)[0] == expected


@pytest.mark.parametrize("beams", [1, 3])
def test_a_batch_leaves_nothing_to_the_next_one(folder, beams):
    """Also where a batch is one document, or has no padding."""
    model = TorchModel(model_that_ends(folder)[0], Numbers(), decoding=Decoding(beams=beams), precision="fp32", device="cpu")
    longest = max(SOURCES, key=len)
    batches = [SOURCES, SOURCES[:1], [longest, longest[::-1][1:] + longest[-1:]], SOURCES]
    found = [[output.text for output in model.generate(batch, TOKENS)] for batch in batches]
    for batch, texts in zip(batches, found, strict=True):
        fresh = TorchModel(model_that_ends(folder)[0], Numbers(), decoding=Decoding(beams=beams), precision="fp32", device="cpu")
        assert texts == [output.text for one in batch for output in fresh.generate([one], TOKENS)]


@pytest.mark.parametrize("beams", [1, 3])
def test_the_log_probability_is_that_of_a_forward_pass_over_the_output(folder, beams):
    model, _ = model_that_ends(folder)
    found, log_probs = ids_of(model, Decoding(beams=beams))
    forced = model.generation_config.forced_bos_token_id is not None
    for source, tokens, log_prob in zip(SOURCES, found, log_probs, strict=True):
        assert log_prob == pytest.approx(teacher_forced(model, source, tokens, forced), abs=1e-3)


def teacher_forced(model: Any, source: list[int], tokens: list[int], forced: bool) -> float:
    """Return the log-probability of an output. A forced first token has probability 1."""
    with torch.no_grad():
        out = forward(model, collate([Encoded(tuple(source), tuple(tokens))], model.config, "cpu"))
    log_probs = torch.log_softmax(out.logits, -1).gather(-1, out.labels[:, None])[:, 0]
    return float(log_probs[1 if forced else 0 :].sum())


@pytest.mark.parametrize("beams", [1, 3])
def test_outputs_have_at_least_and_at_most_as_many_tokens_as_asked(folder, beams):
    model, _ = model_that_ends(folder)
    found, _ = ids_of(model, Decoding(beams=beams), tokens=5, least=5)
    assert [len(tokens) for tokens in found] == [5] * len(SOURCES)
    assert found == by_transformers(model, Decoding(beams=beams), tokens=5, least=5)


@pytest.mark.parametrize("family", ["t5_v1_1", "bart", "pegasus"])
@pytest.mark.parametrize("beams", [1, 3])
def test_the_code_for_a_family_and_that_of_transformers_agree(family, beams, cache):
    model, _ = model_that_ends(Random(family=family).folder(cache))
    start = model.generation_config.decoder_start_token_id
    limits = Limits(max_tokens=TOKENS, min_tokens=0, ends=torch.tensor(model.generation_config.eos_token_id), forced_first=None)
    ids, mask = pad(SOURCES, model.config.pad_token_id), pad([[1] * len(source) for source in SOURCES], 0)
    with torch.inference_mode():
        one = search(EncoderDecoder(model, start), ids, mask, limits, beams, 1.0)
        stacks = stacks_of(model, torch.float32, "cpu", packed=True)
        other = search(StackDecoder(stacks, start), ids, mask, limits, beams, 1.0)
    assert [found.tokens for found in one] == [found.tokens for found in other]
    assert [found.log_prob for found in one] == pytest.approx([found.log_prob for found in other], abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_preparing_a_model_keeps_no_weight_twice_and_changes_none(dtype, cache):
    model, _ = load(Random(family="t5_v1_1").folder(cache))
    attention = model.get_decoder().block[0].layer[0].SelfAttention
    before = attention.k.weight.clone()
    stacks = stacks_of(model, dtype, "cpu")
    assert torch.equal(attention.k.weight, before.to(dtype))
    fused = stacks.decoder.blocks[0].queries_keys_values.weight
    assert attention.k.weight.untyped_storage().data_ptr() == fused.untyped_storage().data_ptr()


@pytest.mark.parametrize(("family", "tied"), [("t5", True), ("t5_v1_1", False), ("bart", True), ("pegasus", True)])
def test_in_bf16_no_weight_of_a_linear_layer_is_kept_in_fp32(family, tied, cache):
    folder = Random(family=family).folder(cache)
    model, tokenizer = load(folder)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    assert (head.weight is embedding.weight) == tied
    TorchModel(model, tokenizer, decoding=Decoding(), precision="bf16", device="cpu")
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and not (tied and layer is head)]
    assert {layer.weight.dtype for layer in layers} == {torch.bfloat16}
    assert embedding.weight.dtype == torch.float32


def test_in_bf16_outputs_are_complete_and_close_in_probability(folder):
    """Autocast rounds to 8 bits, so tokens may differ, and log-probabilities are close where they do not."""
    exact = Torch().load(folder, SOURCES, decoding=Decoding(), precision="fp32", device="cpu", cache=folder)
    rounded = Torch().load(folder, SOURCES, decoding=Decoding(), precision="bf16", device="cpu", cache=folder)
    for one, other in zip(exact.generate(SOURCES, 4), rounded.generate(SOURCES, 4), strict=True):
        assert other.log_prob == pytest.approx(one.log_prob, rel=0.05)


@pytest.mark.parametrize("size", [5, CHUNK, 3 * CHUNK, 40 * CHUNK, 40 * CHUNK + 7])
@pytest.mark.parametrize("count", [1, 5])
def test_the_largest_values_are_those_of_topk(size, count):
    values = torch.randn(6, size, generator=torch.Generator().manual_seed(size))
    values[0, -1] = values[1, 0] = 9.0
    largest, places = top(values, count)
    expected, at = values.topk(count)
    assert torch.equal(largest, expected)
    assert torch.equal(places, at)


def test_places_of_sources_that_leave_are_filled_from_behind():
    to, origin, left = closed_up(torch.tensor([False, True, False, True, False, False]))
    assert (to.tolist(), origin.tolist(), left) == ([1, 3], [4, 5], 4)
    to, origin, left = closed_up(torch.tensor([True, True]))
    assert (to.tolist(), origin.tolist(), left) == ([], [], 0)


@pytest.mark.parametrize("family", ["bart", "pegasus"])
def test_only_start_and_end_tokens_of_a_checkpoints_own_settings_are_kept(family, cache, tmp_path):
    """facebook/bart-large-cnn brings min_length 56 and no_repeat_ngram_size 3."""
    model, tokenizer = model_that_ends(Random(family=family).folder(cache), tied=True)
    plain, _ = ids_of(model, Decoding())
    model.generation_config.update(min_length=56, max_length=142, no_repeat_ngram_size=3, num_beams=4, forced_bos_token_id=7)
    save(model, tokenizer, tmp_path)
    changed, log_probs = ids_of(load(tmp_path)[0], Decoding())
    assert {tokens[0] for tokens in changed} == {7}
    assert min(map(len, changed)) < 56
    assert max(map(len, changed)) <= TOKENS
    assert changed != plain
    assert all(log_prob <= 0 for log_prob in log_probs)
    assert ids_of(load(tmp_path)[0], Decoding(), tokens=1)[1] == [0.0] * len(SOURCES)
    assert changed == by_transformers(load(tmp_path)[0], Decoding())


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", ["t5", "mt5", "bart"])
@pytest.mark.parametrize("made", ["as it is", "by repeating layers"])
def test_a_decoder_deeper_than_its_encoder_generates_as_without_a_cache(family, made, beams, cache):
    """In transformers 5.23 that of T5 does not: the cache has a layer for each of the encoder's."""
    shape = {"family": family, "dm": 16, "ff": 24, "nh": 2, "vocabulary": 512, "el": 2}
    model, _ = load(Shaped(**shape, dl=5 if made == "as it is" else 2).folder(cache))
    if made == "by repeating layers":
        shrink(model, Compact(decoder_layers=(0, 1, 1, 1, 1)))
    without = by_transformers(model, Decoding(beams=beams), cache=False)
    assert ids_of(model, Decoding(beams=beams))[0] == without


def test_torch_is_not_in_keys_and_compares_with_nothing():
    assert not Torch.in_keys
    assert Torch().reference() is None
