from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import Example
from bench.errors import DataError
from bench.models.random import Random
from bench.training.batches import IGNORED, Encoded, collate, encode, encode_sources, pad, plan_batches
from bench.training.checkpoints import load, load_tokenizer, save
from tests.training.conftest import ENCODER_DECODERS

encoder_decoders = pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)

two_families = pytest.mark.parametrize("family", ["t5_v1_1", "llama"], indirect=True)

lengths = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=40)


def _data(shapes):
    return [Encoded(tuple(range(s)), tuple(range(t))) for s, t in shapes]


@given(lengths, st.integers(1, 6), st.integers(1, 3), st.integers(0, 5))
def test_every_epoch_holds_every_example_once(shapes, size, epochs, seed):
    batches = plan_batches(_data(shapes), size, epochs, 0, seed)
    steps = -(-len(shapes) // size)
    assert len(batches) == epochs * steps
    for epoch in range(epochs):
        seen = sorted(i for batch in batches[epoch * steps : (epoch + 1) * steps] for i in batch)
        assert seen == list(range(len(shapes)))
    assert batches == plan_batches(_data(shapes), size, epochs, 0, seed)


def test_small_sets_get_further_epochs_until_the_least_number_of_steps():
    assert len(plan_batches(_data([(1, 1)] * 5), 2, 1, 10, 0)) == 10
    assert len(plan_batches(_data([(1, 1)] * 5), 2, 4, 10, 0)) == 12


def test_another_seed_gives_another_order_and_the_global_generator_is_left_alone():
    import random

    random.seed(3)
    state = random.getstate()
    data = _data([(1, 1)] * 30)
    assert plan_batches(data, 4, 1, 0, 0) != plan_batches(data, 4, 1, 0, 1)
    assert random.getstate() == state


def test_a_batch_holds_examples_of_like_length():
    data = _data([(1 + i % 64, 1) for i in range(256)])
    spread = [max(map(len_of, batch)) - min(map(len_of, batch)) for batch in plan_batches(data, 16, 1, 0, 0)]
    assert max(spread) <= 5


def len_of(i):
    return 1 + i % 64


def test_nothing_to_train_on_is_a_fault():
    with pytest.raises(DataError, match="no example"):
        plan_batches([], 4, 1, 0, 0)


@two_families
def test_an_example_without_target_is_a_fault(checkpoint, cache):
    with pytest.raises(DataError, match="example e1 has no target"):
        encode(checkpoint.folder(cache), (Example("e1", "text"),), "", 8, 8)


@encoder_decoders
def test_prefix_comes_first_and_both_sides_are_cut_with_their_end_token(checkpoint, cache):
    folder = checkpoint.folder(cache)
    tokenizer = load_tokenizer(folder)
    (whole,) = encode(folder, (Example("a", "the list", "the name"),), "Return: ", 100, 100)
    assert tokenizer.decode(whole.source, skip_special_tokens=True) == "Return: the list"
    assert tokenizer.decode(whole.target, skip_special_tokens=True) == "the name"
    (cut,) = encode(folder, (Example("a", "the list " * 50, "the name " * 50),), "", 12, 6)
    assert (len(cut.source), len(cut.target)) == (12, 6)
    assert cut.source[-1] == cut.target[-1] == tokenizer.eos_token_id
    assert encode_sources(folder, (Example("a", "the list " * 50),), "", 12) == (cut.source,)


def test_a_decoder_only_model_answers_on_a_new_line_and_learns_to_end(cache):
    folder = Random(family="llama").folder(cache)
    tokenizer = load_tokenizer(folder)
    (whole,) = encode(folder, (Example("a", "the list", "the name"),), "Return: ", 100, 100)
    assert tokenizer.decode(whole.source) == "Return: the list\n"
    assert tokenizer.decode(whole.target) == "the name</s>"
    (cut,) = encode(folder, (Example("a", "the list " * 50, "the name " * 50),), "", 12, 6)
    assert (len(cut.source), len(cut.target)) == (12, 6)
    assert tokenizer.decode(cut.source).endswith("\n")
    assert cut.target[-1] == tokenizer.eos_token_id
    assert encode_sources(folder, (Example("a", "the list " * 50),), "", 12) == (cut.source,)


def test_a_start_token_stands_before_the_document_and_not_before_the_label(cache, tmp_path):
    """As Llama's own tokenizers put it."""
    from tokenizers.processors import TemplateProcessing

    model, tokenizer = load(Random(family="llama").folder(cache))
    start = tokenizer.convert_tokens_to_ids("<unk>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<unk> $A", special_tokens=[("<unk>", start)])
    save(model, tokenizer, tmp_path)
    (encoded,) = encode(tmp_path, (Example("a", "the list", "the name"),), "", 100, 100)
    assert encoded.source[0] == start
    assert start not in encoded.source[1:] + encoded.target


CONFIG = SimpleNamespace(is_encoder_decoder=True, pad_token_id=1)


def test_padding_is_masked_in_sources_and_ignored_in_labels():
    batch = collate([Encoded((5, 6, 7), (8,)), Encoded((9,), (10, 11))], CONFIG, "cpu")
    assert torch.equal(batch["input_ids"], torch.tensor([[5, 6, 7], [9, 1, 1]]))
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 1], [1, 0, 0]]))
    assert torch.equal(batch["labels"], torch.tensor([[8, IGNORED], [10, 11]]))


def test_a_decoder_only_model_reads_both_as_one_text_and_learns_the_target():
    """Token 1 both ends and pads, as in SmolLM2."""
    config = SimpleNamespace(is_encoder_decoder=False, pad_token_id=1)
    batch = collate([Encoded((5, 6, 7), (8, 1)), Encoded((9,), (10, 1))], config, "cpu")
    assert torch.equal(batch["input_ids"], torch.tensor([[5, 6, 7, 8, 1], [9, 10, 1, 1, 1]]))
    assert torch.equal(batch["attention_mask"], torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]))
    no = IGNORED
    assert torch.equal(batch["labels"], torch.tensor([[no, no, no, 8, 1], [no, 10, 1, no, no]]))


def test_rows_are_filled_up_on_either_side():
    assert torch.equal(pad([(5, 6), (7,)], 0), torch.tensor([[5, 6], [7, 0]]))
    assert torch.equal(pad([(5, 6), (7,)], 0, left=True), torch.tensor([[5, 6], [0, 7]]))
