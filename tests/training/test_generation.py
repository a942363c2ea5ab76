import pytest
import torch

from bench.contracts import Decoding, Example, no_progress
from bench.engines.torch import Torch, TorchModel
from bench.errors import OverBudget
from bench.training.batches import collate, encode_sources
from bench.training.checkpoints import load, read_config
from bench.training.flops import flop_model
from bench.training.forward import forward
from bench.training.generation import generate
from bench.training.losses import label_loss

TARGET = 6
one_family = pytest.mark.parametrize("family", ["bart"], indirect=True)
"""For what does not depend on the family."""

two_families = pytest.mark.parametrize("family", ["bart", "llama"], indirect=True)
"""For what differs between encoder-decoders and decoder-only models alone."""

BY_FOUR = Decoding(batch_size=4)


@pytest.fixture
def run(checkpoint, cache, examples, counter):
    """generate() over the examples: ({position: Output}, usage, sources)."""
    folder = checkpoint.folder(cache)

    def run(decoding=BY_FOUR, allowance=float("inf"), may_stop_early=False, examples=examples):
        sources, usage = encode_sources(folder, examples, "", 48), counter(allowance)
        outputs = generate(
            Torch().load(folder, sources, decoding=decoding, precision="fp32", device="cpu", cache=cache),
            sources,
            max_target_tokens=TARGET,
            decoding=decoding,
            flops=flop_model(read_config(folder)),
            usage=usage,
            progress=no_progress,
            may_stop_early=may_stop_early,
        )
        return dict(outputs), usage, sources

    return run


@two_families
@pytest.mark.parametrize("beams", [1, 3])
def test_every_source_gets_its_output_whatever_it_is_batched_with(run, examples, beams):
    batched, _, _ = run(Decoding(batch_size=4, beams=beams))
    alone, _, _ = run(Decoding(batch_size=1, beams=beams))
    assert sorted(batched) == list(range(len(examples)))
    assert batched == alone


@two_families
def test_outputs_are_no_longer_than_allowed_and_hold_no_special_tokens(run):
    for output in run()[0].values():
        assert 1 <= output.tokens <= TARGET
        assert not {"<pad>", "</s>", "<s>"} & set(output.text.split())


@two_families
def test_what_is_tallied_are_the_flops_of_the_tokens_generated(run, checkpoint, cache):
    outputs, usage, sources = run()
    model, _ = load(checkpoint.folder(cache))
    flops = flop_model(model.config)
    assert sum(usage.steps) == sum(flops.generation(len(sources[i]), output.tokens) for i, output in outputs.items())


@one_family
def test_money_that_ends_early_leaves_whole_outputs_and_no_overspending(run):
    whole, usage, _ = run()
    part, spent, _ = run(allowance=0.6 * sum(usage.steps), may_stop_early=True)
    assert 0 < len(part) < len(whole)
    assert sum(spent.steps) <= spent.allowance
    assert all(whole[i] == output for i, output in part.items())


@one_family
def test_smaller_batches_are_tried_where_a_whole_one_does_not_fit(run):
    one = max(run(Decoding(batch_size=1))[1].steps)
    part, spent, _ = run(Decoding(batch_size=12), allowance=3 * one, may_stop_early=True)
    assert 1 <= len(part) < 12
    assert sum(spent.steps) <= spent.allowance


@one_family
def test_generation_that_may_not_stop_early_raises(run):
    with pytest.raises(OverBudget, match=r"budget .* outputs"):
        run(allowance=1)


@one_family
def test_no_documents_give_no_outputs(run):
    assert run(examples=())[0] == {}


@one_family
def test_sources_of_one_window_come_before_those_of_the_next(run):
    many = tuple(Example(f"m{i}", "the list of " * (1 + i % 3)) for i in range(20))
    order = list(run(Decoding(batch_size=1), examples=many)[0])
    assert set(order[:8]) == set(range(8))
    assert set(order[8:16]) == set(range(8, 16))


@pytest.mark.parametrize("family", ["llama"], indirect=True)
def test_a_decoder_only_model_goes_on_from_its_source_as_without_padding_and_cache(run, checkpoint, cache, examples):
    model, tokenizer = load(checkpoint.folder(cache))
    outputs, _, sources = run(Decoding(batch_size=12))
    assert len(set(map(len, sources))) > 1
    for i, source in enumerate(sources):
        ids = list(source)
        for _ in range(outputs[i].tokens):
            with torch.no_grad():
                ids.append(model(torch.tensor([ids])).logits[0, -1].argmax().item())
        assert outputs[i].text == tokenizer.decode(ids[len(source) :], skip_special_tokens=True).strip()


@pytest.mark.parametrize("family", ["llama"], indirect=True)
def test_what_a_decoder_only_model_has_learnt_it_says_and_then_ends(checkpoint, cache, examples, encoded):
    model, tokenizer = load(checkpoint.folder(cache), dropout=0.0)
    batch = collate(encoded, model.config, "cpu")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        out = forward(model, batch)
        label_loss(out.logits, out.labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    engine = TorchModel(model, tokenizer, decoding=Decoding(), precision="fp32", device="cpu")
    outputs = engine.generate([e.source for e in encoded], 16)
    assert [output.text for output in outputs] == [example.target for example in examples]
    assert [output.tokens for output in outputs] == [len(e.target) for e in encoded]
