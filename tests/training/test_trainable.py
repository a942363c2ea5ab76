"""Ways to learn other than moving all weights in 32 bits: adapters, activations computed twice, optimisers of 8 bits."""

import logging
import sys

import pytest
import torch

from bench.contracts import Compact
from bench.errors import BenchError
from bench.training.checkpoints import load, save
from bench.training.finetuned import Finetuned
from bench.training.flops import flop_model
from bench.training.objectives import TeacherObjective
from bench.training.optimizers import optimizer_of
from bench.training.recipes import Shrunk
from bench.training.settings import Distillation, Lora, Tuning
from bench.training.trainable import learning

two_families = pytest.mark.parametrize("family", ["t5_v1_1", "llama"], indirect=True)
encoder_decoders = pytest.mark.parametrize("family", ["t5_v1_1", "pegasus"], indirect=True)
one_family = pytest.mark.parametrize("family", ["t5_v1_1"], indirect=True)

ADAPTERS = Tuning(epochs=2, batch_size=4, lora=Lora(rank=4))


def _finetuned(base, examples, **tuning):
    fields = {"prefix": "", "max_source_tokens": 32, "max_target_tokens": 12, "precision": "fp32", "seed": 0}
    return Finetuned(base=base, examples=examples, tuning=Tuning(epochs=1, batch_size=4, **tuning), **fields)


@pytest.fixture
def close():
    """Function: (model, model, difference) -> asserts that no weight differs by more."""

    def close(one, other, difference):
        for name, weight in one.state_dict().items():
            torch.testing.assert_close(weight, other.state_dict()[name], atol=difference, rtol=0)

    return close


@two_families
def test_a_model_learns_with_adapters(run):
    first = run(Tuning(epochs=1, batch_size=12))[1].loss
    assert (
        run(Tuning(epochs=20, batch_size=4, learning_rate=3e-2, lora=Lora()))[1].loss < first - 0.1
    )  # embeddings and output layer are random, and stay so


def test_adapters_leave_the_weights_until_they_are_merged_and_then_the_model_says_the_same(model_and_tokenizer, logits, tmp_path):
    model, tokenizer = model_and_tokenizer
    before, kind, at_first = {name: value.clone() for name, value in model.state_dict().items()}, type(model), logits(model)
    with learning(model, ADAPTERS):
        learns = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert torch.equal(logits(model), at_first)  # the second matrix of a pair begins at 0
        with torch.no_grad():
            for parameter in learns:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
        inside = {name.replace("base_layer.", ""): value for name, value in model.state_dict().items() if ".lora_" not in name}
        assert {name: torch.equal(value, inside[name]) for name, value in before.items()} == dict.fromkeys(before, True)
        adapted = logits(model)
    assert type(model) is kind
    assert model.state_dict().keys() == before.keys()
    assert (adapted - at_first).abs().max() > 1e-3
    torch.testing.assert_close(logits(model), adapted, atol=1e-4, rtol=1e-4)
    save(model, tokenizer, tmp_path)
    assert torch.equal(logits(load(tmp_path)[0]), logits(model))


@pytest.mark.parametrize("frozen", ["embeddings", "encoder"])
def test_adapters_change_the_linear_layers_of_what_is_not_frozen_and_nothing_else(run, checkpoint, cache, frozen):
    if (frozen, checkpoint.family) == ("encoder", "llama"):
        return  # refused, as without adapters
    before = load(checkpoint.folder(cache))[0]
    after = run(ADAPTERS.model_copy(update={"freeze": frozen}))[0].state_dict()
    stacks = [before.get_decoder()] + ([before.get_encoder()] if before.config.is_encoder_decoder and frozen != "encoder" else [])
    linear = {id(m.weight) for stack in stacks for m in stack.modules() if isinstance(m, torch.nn.Linear)}
    expected = {name for name, parameter in before.named_parameters() if id(parameter) in linear}
    assert {name for name, parameter in before.named_parameters() if not torch.equal(parameter, after[name])} == expected


@two_families
def test_the_same_seed_gives_the_same_adapters_and_leaves_the_global_generator_alone(run, same):
    tuning = ADAPTERS.model_copy(update={"lora": Lora(rank=4, dropout=0.1)})
    state = torch.get_rng_state()
    one = run(tuning)[0]
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(9)
    assert same(one, run(tuning)[0])
    assert not same(one, run(tuning, seed=1)[0])


@encoder_decoders
def test_a_teacher_can_be_learnt_from_with_adapters(run, checkpoint, cache, same):
    teacher = load(checkpoint.folder(cache))[0]
    settings = Distillation(teacher_outputs="every_step", hidden_weight=1.0)
    objective = TeacherObjective(settings=settings, smoothing=0.0, teacher_flops=flop_model(teacher.config), teacher=teacher)
    model, training, _ = run(ADAPTERS, objective=objective)
    assert training.steps_made == 6
    assert not same(model, teacher)


@two_families
def test_a_model_tuned_with_adapters_is_cut_and_tuned_as_any_other_at_the_flops_that_were_forecast(shop, pretrained, examples):
    tuned = _finetuned(pretrained, examples, lora=Lora(rank=2))
    student = _finetuned(Shrunk(tuned, Compact(decoder_layers=1)), examples, lora=Lora(rank=2), checkpointing=True)
    forecast = student.forecast_flops(shop.context())
    folder = shop.make(student)
    assert sum(shop.made[student.key].steps) == forecast
    assert not any("lora" in name for name in load(folder)[0].state_dict())


@two_families
def test_activations_computed_twice_give_the_same_model_at_the_same_flops(run, close, caplog):
    tuning = Tuning(epochs=1, batch_size=4, dropout=0.1)
    kept, _, usage = run(tuning)
    with caplog.at_level(logging.WARNING):
        twice, _, again = run(tuning.model_copy(update={"checkpointing": True}))
    close(kept, twice, 1e-5)  # bit by bit but for T5, whose layers share biases: their gradients are added in another order
    assert usage.steps == again.steps
    assert twice.config.to_dict() == kept.config.to_dict()
    assert not twice.is_activation_checkpointing
    assert not caplog.records


@one_family
def test_activations_computed_twice_go_with_adapters_and_bf16(run, close):
    tuning = ADAPTERS.model_copy(update={"lora": Lora(rank=4, dropout=0.1)})
    kept, twice = (run(tuning.model_copy(update={"checkpointing": way}), precision="bf16")[0] for way in (False, True))
    close(kept, twice, 1e-2)


@two_families
def test_adamw_learns_in_8_bits(run):
    first = run(Tuning(epochs=1, batch_size=12))[1].loss
    assert run(Tuning(epochs=12, batch_size=4, learning_rate=1e-2, freeze="none", optimizer="adamw_8bit"))[1].loss < 0.8 * first


def test_adamw_in_8_bits_keeps_them_so_but_for_small_parameters():
    large, small = torch.nn.Parameter(torch.ones(64, 64)), torch.nn.Parameter(torch.ones(64, 63))
    optimizer = optimizer_of(torch.nn.ParameterList([large, small]), Tuning(optimizer="adamw_8bit"))
    large.grad, small.grad = torch.ones_like(large), torch.ones_like(small)
    optimizer.step()
    kept = {name: {optimizer.state[p][state].dtype for state in ("state1", "state2")} for name, p in (("large", large), ("small", small))}
    assert kept == {"large": {torch.uint8}, "small": {torch.float32}}
    assert large.max() < 1


@one_family
def test_8_bits_without_bitsandbytes_are_refused_before_anything_is_paid(run, shop, pretrained, examples, encoded, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(BenchError, match=r"adamw_8bit .* `pip install bitsandbytes`"):
        _finetuned(pretrained, examples, optimizer="adamw_8bit").forecast_flops(shop.context())
    with pytest.raises(BenchError, match="bitsandbytes"):
        run(Tuning(optimizer="adamw_8bit"))


def test_adapters_go_with_no_moving_weights():
    with pytest.raises(ValueError, match=r"freeze .*`embeddings`.* `encoder`"):
        Tuning(lora=Lora(), freeze="none")
