import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.training.batches import IGNORED
from bench.training.flops import flop_model
from bench.training.loop import freeze
from bench.training.models import load

SOURCE, TARGET = 11, 7


@pytest.fixture
def model(checkpoint, cache):
    """With the attention products as plain matrix products, which the counter of torch sees."""
    model, _ = load(checkpoint.folder(cache), dropout=0.0)
    for part in (model, model.get_encoder(), model.get_decoder()):  # each has its own config in transformers 5.17
        part.set_attn_implementation("eager")
    return model


def _batch(model, examples=1):
    ids = torch.randint(5, model.config.vocab_size, (examples, SOURCE))
    return {"input_ids": ids, "labels": torch.randint(5, model.config.vocab_size, (examples, TARGET))}


def _flops(model):
    return flop_model(model.config)


def test_forward_flops_are_those_torch_counts(model):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**_batch(model))
    assert _flops(model).forward(SOURCE, TARGET) == counter.get_total_flops()


@pytest.mark.parametrize("what", ["none", "embeddings", "encoder"])
def test_training_flops_are_those_torch_counts(model, what):
    freeze(model, what)
    with FlopCounterMode(display=False) as counter:
        model(**_batch(model)).loss.backward()
    assert _flops(model).training(SOURCE, TARGET, what) == counter.get_total_flops()


@pytest.mark.parametrize("tokens", [1, 9])
def test_generation_flops_are_those_torch_counts(model, tokens):
    ids = torch.randint(5, model.config.vocab_size, (1, SOURCE))
    with FlopCounterMode(display=False) as counter:
        model.generate(input_ids=ids, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    assert _flops(model).generation(SOURCE, tokens) == counter.get_total_flops()


def test_beams_multiply_the_decoder_and_encode_once(model):
    flops = _flops(model)
    encoder = flops.generation(SOURCE, 0) - flops.cross * SOURCE
    assert flops.generation(SOURCE, 5, beams=4) == encoder + 4 * (flops.generation(SOURCE, 5) - encoder)


def test_beam_search_flops_are_those_torch_counts(model):
    ids = torch.randint(5, model.config.vocab_size, (1, SOURCE))
    with FlopCounterMode(display=False) as counter:
        model.generate(input_ids=ids, max_new_tokens=6, min_new_tokens=6, do_sample=False, num_beams=3)
    assert _flops(model).generation(SOURCE, 6, beams=3) == counter.get_total_flops()


def test_a_compact_shape_is_counted_without_its_weights(checkpoint, cache):
    from bench.training.shrinking import shrink

    model, _ = load(checkpoint.folder(cache))
    before = flop_model(model.config, 3, 2)
    shrink(model, 3, 2)
    assert _flops(model) == before


def test_flops_of_t5_small_follow_from_its_shape():
    """6 + 6 layers, d 512, 8 heads of 64, feed-forward 2,048, 32,128 tokens (Raffel et al. 2020)."""
    from transformers import T5Config

    flops = flop_model(T5Config())
    assert flops.encoder == 6 * 2 * (4 * 512 * 512 + 2 * 512 * 2048)
    assert flops.decoder == 6 * 2 * (6 * 512 * 512 + 2 * 512 * 2048)
    assert flops.cross == 6 * 2 * (2 * 512 * 512)
    assert flops.encoder_pairs == flops.decoder_pairs == flops.cross_pairs == 6 * 4 * 512
    assert flops.head == 2 * 512 * 32128


def test_padded_labels_have_no_flops_of_their_own(model):
    """The count is of real tokens; what padding adds on the device is not the model's."""
    batch = _batch(model, examples=2)
    batch["labels"][1, 3:] = IGNORED
    real = _flops(model).forward(SOURCE, TARGET) + _flops(model).forward(SOURCE, 3)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**batch)
    assert real < counter.get_total_flops()
