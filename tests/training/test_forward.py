import pytest
import torch

from bench.contracts import Compact
from bench.models.random import Random
from bench.training.batches import Encoded, collate
from bench.training.checkpoints import load
from bench.training.forward import forward
from bench.training.losses import label_loss
from bench.training.shrinking import shrink
from tests.training.conftest import ENCODER_DECODERS


@pytest.fixture
def model(checkpoint, cache):
    return load(checkpoint.folder(cache))[0]


@pytest.fixture
def batch(model, encoded):
    """Five examples, all of different lengths."""
    return collate(encoded[:5], model.config, "cpu")


@pytest.fixture
def qwen2(cache):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    _, tokenizer = load(Random(family="llama").folder(cache))
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "num_hidden_layers": 3}
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64}
    return Qwen2ForCausalLM(Qwen2Config(**heads, **sizes, pad_token_id=tokenizer.eos_token_id)).eval()


def _own_loss(model, batch):
    return model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss.item()


def test_the_loss_of_its_logits_is_the_one_that_the_model_computes_itself(model, batch):
    with torch.no_grad():
        out = forward(model, batch)
        assert label_loss(out.logits, out.labels) == pytest.approx(_own_loss(model, batch), rel=1e-5)


def test_qwen2_is_as_llama(qwen2):
    batch = collate([Encoded((5, 6, 7, 8), (9, 10)), Encoded((11,), (12, 13, 1))], qwen2.config, "cpu")
    with torch.no_grad():
        out = forward(qwen2, batch, hidden_states=True)
        assert label_loss(out.logits, out.labels) == pytest.approx(_own_loss(qwen2, batch), rel=1e-5)
    assert len(out.decoder_states) == 3


def test_every_label_is_there_and_has_its_logits(model, batch, encoded):
    out = forward(model, batch)
    assert out.logits.shape == (len(out.labels), model.config.vocab_size)
    assert [tuple(rows.tolist()) for rows in out.labels.split(out.rows.tolist())] == [e.target for e in encoded[:5]]


def test_nothing_predicts_the_first_token_of_a_text_alone(qwen2):
    out = forward(qwen2, collate([Encoded((), (5, 6, 7)), Encoded((8,), (9, 10))], qwen2.config, "cpu"))
    assert out.labels.tolist() == [6, 7, 9, 10]
    assert out.rows.tolist() == [2, 2]


def test_without_any_label_the_loss_is_no_number(qwen2):
    out = forward(qwen2, collate([Encoded((), (5,))], qwen2.config, "cpu"))
    assert out.rows.tolist() == [0]
    assert label_loss(out.logits, out.labels).isnan()


def test_the_output_layer_is_as_before(model, batch):
    forward(model, batch)
    assert not model.get_output_embeddings()._forward_pre_hooks


def test_an_example_has_the_same_logits_whatever_it_is_batched_with(model, batch, encoded):
    with torch.no_grad():
        together = forward(model, batch)
        for logits, example in zip(together.logits.split(together.rows.tolist()), encoded[:5], strict=True):
            alone = forward(model, collate([example], model.config, "cpu"))
            assert torch.allclose(logits, alone.logits, atol=1e-5)


def test_states_are_those_after_each_layer_and_the_last_what_leaves_the_stack(model, batch):
    stacks = [model.get_decoder(), model.get_encoder()] if model.config.is_encoder_decoder else [model.get_decoder()]
    seen = [[] for _ in stacks]
    for stack, states in zip(stacks, seen, strict=True):
        for module in (*getattr(stack, "block", getattr(stack, "layers", None)), stack):
            module.register_forward_hook(lambda module, args, out, states=states: states.append(out[0] if _is_tuple(out) else out))
    with torch.no_grad():
        out = forward(model, batch, hidden_states=True)
    given = [out.decoder_states, out.encoder_states][: len(stacks)]
    for place, (states, expected) in enumerate(zip(given, seen, strict=True)):
        *after_layers, left = expected
        assert len(states) == len(after_layers) == 4
        for state, layer in zip(states, [*after_layers[:-1], left.last_hidden_state], strict=True):
            assert torch.equal(state, layer[batch["attention_mask"].bool()] if place else layer.flatten(0, 1)[batch["predicting"]]), place


def _is_tuple(out):
    return type(out) is tuple


def test_the_last_decoder_state_is_what_the_logits_come_from(model, batch):
    with torch.no_grad():
        out = forward(model, batch, hidden_states=True)
        scale = model.config.d_model**-0.5 if getattr(model.config, "scale_decoder_outputs", False) else 1.0
        assert torch.allclose(model.get_output_embeddings()(out.decoder_states[-1] * scale), out.logits, atol=1e-5)


def test_states_are_given_only_when_asked_for(model, batch):
    assert forward(model, batch).encoder_states == forward(model, batch).decoder_states == ()


def test_there_are_as_many_states_as_layers_also_after_shrinking(model, batch):
    forward(model, batch, hidden_states=True)  # from now on transformers has hooks in the layers
    shrink(model, Compact(decoder_layers=(0, 3, 3)))
    assert len(forward(model, batch, hidden_states=True).decoder_states) == 3


@pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)
def test_encoder_states_have_a_row_for_each_token_of_the_sources(model, batch, encoded):
    out = forward(model, batch, hidden_states=True)
    assert {len(states) for states in out.encoder_states} == {sum(len(e.source) for e in encoded[:5])}


@pytest.mark.parametrize("family", ["llama"], indirect=True)
def test_a_decoder_only_model_has_no_encoder_states(model, batch):
    assert forward(model, batch, hidden_states=True).encoder_states == ()
