import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.contracts import Compact
from bench.errors import CheckpointError
from bench.training.batches import Encoded, collate
from bench.training.checkpoints import load
from bench.training.flops import FlopModel, flop_model
from bench.training.forward import forward
from bench.training.losses import label_loss
from bench.training.settings import Lora
from bench.training.shrinking import shrink, shrunk_config
from bench.training.trainable import adapted, freeze
from tests.training.conftest import ENCODER_DECODERS, FAMILIES, smollm2_135m

SOURCE, TARGET = 11, 7


@pytest.fixture
def model(checkpoint, cache):
    """With the attention products as plain matrix products, which the counter of torch sees."""
    model, _ = load(checkpoint.folder(cache), dropout=0.0)
    stacks = (model.get_encoder(), model.get_decoder()) if model.config.is_encoder_decoder else (model.get_decoder(),)
    for part in (model, *stacks):  # each has its own config in transformers 5.17
        part.set_attn_implementation("eager")
    return model


def _batch(model, *shapes):
    return collate([Encoded(tuple(range(5, 5 + s)), tuple(range(5, 5 + t))) for s, t in shapes], model.config, "cpu")


def _flops(model):
    return flop_model(model.config)


def _counted(counter):
    """Without the angles of rotary positions, which are no layer."""
    rotary = [sum(flops.values()) for name, flops in counter.get_flop_counts().items() if name.endswith(".rotary_emb")]
    return counter.get_total_flops() - sum(rotary)


def test_forward_flops_are_those_torch_counts(model):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(model, _batch(model, (SOURCE, TARGET)))
    assert _flops(model).forward(SOURCE, TARGET) == _counted(counter)


@pytest.mark.parametrize("what", ["none", "embeddings"])
def test_training_flops_are_those_torch_counts(model, what):
    freeze(model, what)
    assert _flops(model).training(SOURCE, TARGET, what) == _training_counted(model)


@pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)
def test_training_flops_with_a_frozen_encoder_are_those_torch_counts(model):
    freeze(model, "encoder")
    assert _flops(model).training(SOURCE, TARGET, "encoder") == _training_counted(model)


@pytest.mark.parametrize(("family", "rank"), [*((family, 8) for family in FAMILIES), ("t5_v1_1", 1), ("llama", 1)], indirect=["family"])
def test_training_flops_with_adapters_are_those_torch_counts(model, rank):
    freeze(model, "embeddings")
    adapted(model, Lora(rank=rank), "embeddings")
    assert _flops(model).training(SOURCE, TARGET, "embeddings", rank) == _training_counted(model)


@pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)
def test_training_flops_with_adapters_in_the_decoder_alone_are_those_torch_counts(model):
    freeze(model, "encoder")
    adapted(model, Lora(rank=4), "encoder")
    assert _flops(model).training(SOURCE, TARGET, "encoder", 4) == _training_counted(model)


@pytest.mark.parametrize(
    ("family", "frozen"),
    [*((family, "embeddings") for family in FAMILIES), *((family, "encoder") for family in ENCODER_DECODERS)],
    indirect=["family"],
)
def test_adapters_flops_forward_are_those_torch_counts(model, frozen):
    adapted(model, Lora(rank=3), frozen)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(model, _batch(model, (SOURCE, TARGET)))
    flops = _flops(model)
    assert flops.forward(SOURCE, TARGET) + flops.adapters(SOURCE, TARGET, frozen, 3) == _counted(counter)


def _training_counted(model):
    with FlopCounterMode(display=False) as counter:
        out = forward(model, _batch(model, (SOURCE, TARGET)))
        label_loss(out.logits, out.labels).backward()
    return _counted(counter)


@pytest.mark.parametrize(("tokens", "beams"), [(1, 1), (9, 1), (6, 3)])
def test_generation_flops_are_those_torch_counts(model, tokens, beams):
    ids = torch.arange(5, 5 + SOURCE)[None]
    with FlopCounterMode(display=False) as counter:
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            num_beams=beams,
        )
    assert _flops(model).generation(SOURCE, tokens, beams) == _counted(counter)


@pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)
def test_beams_multiply_the_decoder_and_encode_once(model):
    flops = _flops(model)
    encoder = flops.generation(SOURCE, 0) - flops.cross * SOURCE
    assert flops.generation(SOURCE, 5, beams=4) == encoder + 4 * (flops.generation(SOURCE, 5) - encoder)


def test_a_compact_shape_is_counted_without_its_weights(model):
    compact, whole = Compact(decoder_layers=2), _flops(model)
    before = flop_model(shrunk_config(model.config, compact))
    shrink(model, compact)
    assert _flops(model) == before
    assert before.decoder == whole.decoder / 2


def test_flops_of_t5_small_follow_from_its_shape():
    """6 + 6 layers, d 512, 8 heads of 64, feed-forward 2,048, 32,128 tokens (Raffel et al. 2020)."""
    from transformers import T5Config

    flops = flop_model(T5Config())
    assert flops.encoder == 6 * 2 * (4 * 512 * 512 + 2 * 512 * 2048)
    assert flops.decoder == 6 * 2 * (6 * 512 * 512 + 2 * 512 * 2048)
    assert flops.cross == 6 * 2 * (2 * 512 * 512)
    assert flops.encoder_pairs == flops.decoder_pairs == flops.cross_pairs == 6 * 4 * 512
    assert flops.head == 2 * 512 * 32128
    assert not flops.causal


def test_flops_of_smollm2_follow_from_its_shape():
    """30 layers, d 576, 9 heads of 64 that share 3 of keys and values, gated feed-forward 1,536, 49,152 tokens."""
    flops = flop_model(smollm2_135m())
    assert flops.decoder == 30 * 2 * (2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536)
    assert flops.decoder_pairs == 30 * 4 * 576
    assert flops.head == 2 * 576 * 49152
    assert (flops.encoder, flops.encoder_pairs, flops.cross, flops.cross_pairs) == (0, 0, 0, 0)
    assert flops.causal
    assert flops.forward(60, 40) == flops.forward(0, 100) - (99 - 40) * flops.head


def test_padded_labels_have_no_flops_of_their_own(model):
    """The count is of real tokens; what padding adds on the device is not the model's."""
    shapes = ((SOURCE, TARGET), (SOURCE, 3))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(model, _batch(model, *shapes))
    assert sum(_flops(model).forward(*shape) for shape in shapes) < _counted(counter)


def test_an_encoder_that_is_not_there_cannot_be_frozen_and_that_is_known_before_anything_is_trained():
    causal = FlopModel(encoder=0, encoder_pairs=0, cross=0, decoder=10, decoder_pairs=1, cross_pairs=0, head=5, causal=True)
    assert causal.training(8, 4, "embeddings") > 0
    with pytest.raises(CheckpointError, match="no encoder"):
        causal.training(8, 4, "encoder")
