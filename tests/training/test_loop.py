import math

import pytest
import torch

from bench.contracts import FLOPS, WALL, Example, Limit
from bench.errors import FIRST_DOES_NOT_FIT, BenchError, CheckpointError, OverBudget
from bench.training.batches import encode, plan_batches
from bench.training.checkpoints import load
from bench.training.flops import flop_model
from bench.training.loop import Planned, forecast_steps, learning_rate, step_flops
from bench.training.objectives import WHOLE, LabelObjective, TeacherObjective
from bench.training.settings import Distillation, Tuning

one_family = pytest.mark.parametrize("family", ["t5_v1_1"], indirect=True)
"""For what does not depend on the family."""

two_families = pytest.mark.parametrize("family", ["pegasus", "llama"], indirect=True)
"""For what differs between encoder-decoders and decoder-only models alone."""


@two_families
def test_training_lowers_the_loss(run):
    tuning = Tuning(epochs=12, batch_size=4, learning_rate=1e-2, freeze="none")
    first, last = run(Tuning(epochs=1, batch_size=12))[1].loss, run(tuning)[1].loss
    assert last < 0.7 * first


@two_families
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_bits_also_with_dropout(run, same, precision):
    tuning = Tuning(epochs=2, batch_size=4, dropout=0.1)
    torch.manual_seed(1)
    one = run(tuning, precision=precision)[0]
    torch.manual_seed(2)
    assert same(one, run(tuning, precision=precision)[0])
    assert not same(one, run(tuning, precision=precision, seed=1)[0])


@one_family
def test_the_global_generator_is_left_alone(run):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    run(Tuning(epochs=1, batch_size=4, dropout=0.1))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(("what", "optimizer"), [("none", "adamw"), ("embeddings", "adafactor"), ("encoder", "adamw")])
def test_what_is_frozen_stays_and_all_else_moves(run, checkpoint, cache, what, optimizer):
    if (what, checkpoint.family) == ("encoder", "llama"):
        with pytest.raises(CheckpointError, match="no encoder"):
            run(Tuning(epochs=1, freeze=what))
        return
    before = load(checkpoint.folder(cache))[0].state_dict()
    after = run(Tuning(epochs=1, batch_size=4, freeze=what, optimizer=optimizer))[0].state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    embeddings = {n for n in before if "embed_tokens" in n or "embed_positions" in n or "shared" in n}
    embeddings |= {n for n in before if n == "lm_head.weight"}
    frozen = set() if what == "none" else embeddings
    frozen |= {n for n in before if "encoder." in n} if what == "encoder" else set()
    formula = {n for n in before if "embed_positions" in n} if checkpoint.family == "pegasus" else set()
    unused = {"final_logits_bias"}  # a buffer of zeros
    assert not moved & frozen
    assert set(before) - frozen - formula - moved - unused <= _without_gradient(before)


def _without_gradient(names):
    """Biases that cannot matter: softmax does not see a constant added by the keys'."""
    return {n for n in names if n.endswith("k_proj.bias")}


@two_families
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_micro_batches_make_the_steps_of_the_whole_batch(run, precision):
    """No dropout, and a rate at which nothing is magnified; the last part of a batch of 5 holds one example."""
    tuning = Tuning(epochs=2, batch_size=5, learning_rate=1e-4, freeze="none")
    whole, undivided, usage = run(tuning, precision=precision)
    parts, divided, counted = run(tuning.model_copy(update={"micro_batch_size": 2}), precision=precision)
    assert counted == usage
    assert (divided.steps_made, divided.examples_seen) == (undivided.steps_made, undivided.examples_seen)
    assert divided.loss == pytest.approx(undivided.loss, rel=1e-5 if precision == "fp32" else 1e-2)
    moved = 1e-4 * undivided.steps_made
    names = whole.state_dict()
    assert all(torch.allclose(names[name], weight, rtol=0, atol=2 * moved) for name, weight in parts.state_dict().items())
    apart = sum((names[name] - weight).abs().mean().item() for name, weight in parts.state_dict().items()) / len(names)
    assert apart < (0.02 if precision == "fp32" else 0.5) * moved


@two_families
def test_a_micro_batch_as_large_as_the_batch_is_the_batch(run, same):
    tuning = Tuning(epochs=1, batch_size=4, dropout=0.1)
    assert same(run(tuning)[0], run(tuning.model_copy(update={"micro_batch_size": 4}))[0])
    assert same(run(tuning)[0], run(tuning.model_copy(update={"micro_batch_size": 99}))[0])
    assert not same(run(tuning)[0], run(tuning.model_copy(update={"micro_batch_size": 1}))[0])  # dropout is drawn otherwise


@one_family
def test_money_that_ends_early_ends_the_loop_at_a_rate_near_zero(run):
    whole = run()[2]
    assert len(whole.steps) == 6
    _, result, usage = run(allowance=sum(whole.steps) * 0.55, may_stop_early=True)
    assert (result.steps_planned, result.steps_made) == (6, 3)
    assert sum(usage.steps) <= usage.allowance


@one_family
def test_the_allowance_leaves_no_trace_in_a_training_that_is_made_whole(run, same):
    whole, _, usage = run()
    exactly, _, _ = run(allowance=sum(usage.steps))
    assert same(whole, exactly)


@one_family
def test_a_training_that_may_not_stop_early_says_where_the_money_ends(run):
    with pytest.raises(OverBudget, match="step 4 of 6"):
        run(allowance=sum(run()[2].steps) * 0.55)


@one_family
def test_a_first_step_that_does_not_fit_is_over_budget(run):
    with pytest.raises(OverBudget, match=FIRST_DOES_NOT_FIT):
        run(allowance=1, may_stop_early=True)


@one_family
def test_a_loss_that_is_no_number_is_a_clear_fault(run):
    def ruin(model):
        model.get_decoder().get_input_embeddings().weight.data.fill_(math.nan)

    with pytest.raises(BenchError, match=r"step 1: .*nan"):
        run(change=ruin)


class Steep(LabelObjective):
    """Adds 0 to the loss, by a root whose slope is infinite there."""

    def loss(self, model, positions, batch, of=WHOLE):
        weight = next(weight for weight in model.parameters() if weight.requires_grad)
        return super().loss(model, positions, batch, of) + (0 * weight.sum()).sqrt()


@one_family
def test_a_gradient_that_is_no_number_is_a_clear_fault_also_in_the_last_step(run):
    with pytest.raises(BenchError, match=r"step 1: .*gradient.*nan"):
        run(Tuning(epochs=1, batch_size=12), objective=Steep())


@one_family
def test_a_step_in_many_parts_reads_its_loss_once(run, monkeypatch):
    """On a GPU each reading waits for all work that was sent to it."""
    readings = []

    def counting(read):
        return lambda tensor: readings.append(tensor) or read(tensor)

    for name in ("item", "tolist"):
        monkeypatch.setattr(torch.Tensor, name, counting(getattr(torch.Tensor, name)))
    counts = []
    for size in (None, 1):
        readings.clear()
        run(Tuning(epochs=1, batch_size=12, micro_batch_size=size))
        counts.append(len(readings))
    assert counts[0] == counts[1]


@one_family
def test_labels_are_counted_once_however_often_they_are_seen(run, examples):
    assert run(Tuning(epochs=3, batch_size=4))[2].items == len(examples)


@one_family
def test_steps_cost_the_flops_of_their_real_tokens(checkpoint, cache):
    folder = checkpoint.folder(cache)
    data = encode(folder, (Example("a", "the list", "name"), Example("b", "the list of all", "a longer name")), "", 32, 16)
    flops = flop_model(load(folder)[0].config)
    shapes = [(len(e.source), len(e.target)) for e in data]
    assert step_flops(data, flops, Tuning(freeze="none"), LabelObjective()) == sum(3 * flops.forward(s, t) for s, t in shapes)
    taught = TeacherObjective(settings=Distillation(teacher_outputs="every_step"), smoothing=0.0, teacher_flops=flops)
    assert step_flops(data, flops, Tuning(freeze="none"), taught) == sum(4 * flops.forward(s, t) for s, t in shapes)


@one_family
def test_steps_are_forecast_to_the_last_one_that_fits(run, checkpoint, cache, encoded):
    _, _, usage = run()
    order, tuning = Planned(plan_batches(encoded, 4, 2, 0, 0)), Tuning(epochs=2, batch_size=4)
    flops = flop_model(load(checkpoint.folder(cache))[0].config)

    def forecast(amount):
        return forecast_steps(encoded, order, tuning, flops, LabelObjective(), Limit(meter=FLOPS, amount=amount))

    assert forecast(math.inf) == usage.steps
    assert forecast(sum(usage.steps[:4]) + 1) == usage.steps[:4]
    assert forecast_steps(encoded, order, tuning, flops, LabelObjective(), Limit(meter=WALL, amount=0.001)) == usage.steps
    with pytest.raises(OverBudget, match=FIRST_DOES_NOT_FIT):
        forecast(usage.steps[0] - 1)
    with pytest.raises(OverBudget, match=FIRST_DOES_NOT_FIT):
        forecast(0.0)


def test_the_rate_rises_over_the_warm_up_and_falls_to_zero_in_a_line():
    tuning = Tuning(learning_rate=1.0, warmup_share=0.2)
    rates = [learning_rate(tuning, step / 10, 0.1) for step in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_the_rate_follows_what_is_used_up():
    tuning = Tuning(learning_rate=1.0, warmup_share=0.0)
    assert [learning_rate(tuning, done) for done in (0.0, 0.75, 1.0)] == pytest.approx([1.0, 0.25, 0.0])


def test_a_cosine_falls_to_the_share_of_the_rate_at_which_it_ends():
    """Parmar et al. 2024: no warm-up, to a hundredth."""
    tuning = Tuning(learning_rate=1.0, warmup_share=0.0, schedule="cosine", final_rate_share=0.01)
    assert [learning_rate(tuning, done) for done in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.505, 0.01])
    assert learning_rate(tuning, 0.25) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 4)) / 2)


def test_a_constant_rate_stays_where_the_warm_up_brought_it():
    tuning = Tuning(learning_rate=1.0, warmup_share=0.1, schedule="constant")
    assert [learning_rate(tuning, done, 0.01) for done in (0.04, 0.5, 0.99)] == pytest.approx([0.5, 1.0, 1.0])
