"""A teacher's distributions: kept once or made in every step, they teach the same."""

import json

import pytest
import torch
from pydantic import ValidationError

from bench.contracts import Compact
from bench.errors import BenchError, OverBudget
from bench.models.random import Random
from bench.training.batches import collate, encode
from bench.training.checkpoints import load
from bench.training.finetuned import Finetuned
from bench.training.forward import forward
from bench.training.losses import distillation_loss, label_loss
from bench.training.objectives import WHOLE, CachedObjective, LabelObjective, SoftTargets, TeacherObjective, share
from bench.training.recipes import Pretrained, Shrunk
from bench.training.settings import Distillation, Tuning
from bench.training.soft_labels import Distilled, SoftLabels

one_family = pytest.mark.parametrize("family", ["t5_v1_1"], indirect=True)
"""For what does not depend on the family."""

two_families = pytest.mark.parametrize("family", ["t5_v1_1", "llama"], indirect=True)
"""For what differs between encoder-decoders and decoder-only models alone."""

EVERY_STEP = Distillation(teacher_outputs="every_step")
HIDDEN_ALONE = Distillation(teacher_outputs="every_step", hidden_weight=3.0, logit_weight=0.0, label_weight=0.0)
READ = {"prefix": "sum: ", "max_source_tokens": 32, "max_target_tokens": 12, "precision": "fp32"}
WHOLE_VOCABULARY = 10_000


def _soft_labels(teacher, examples, top_k=32, **changes):
    return SoftLabels(teacher=teacher, examples=examples, temperature=2.0, top_k=top_k, **{**READ, **changes})


def _distilled(base, taught_by, examples, kd=EVERY_STEP, **changes):
    fields = {**READ, "tuning": Tuning(epochs=2, batch_size=4), "seed": 0}
    return Distilled(base=base, taught_by=taught_by, distillation=kd, examples=examples, **{**fields, **changes})


@pytest.fixture
def teacher(checkpoint):
    """Of other weights than the student."""
    return Pretrained(Random(family=checkpoint.family, seed=1))


@pytest.fixture
def student(pretrained):
    return Shrunk(pretrained, Compact(decoder_layers=2))


@pytest.fixture
def data(pretrained, shop, examples):
    return encode(pretrained.folder(shop.context()), examples, READ["prefix"], 32, 12)


@pytest.fixture
def loss(data):
    """Function: loss of an objective for a model, on some of the examples, out of order."""

    def loss(objective, model, positions=(7, 2, 11, 4), of=WHOLE):
        return objective.loss(model, positions, collate([data[i] for i in positions], model.config, "cpu"), of)

    return loss


@two_families
def test_soft_labels_are_the_teachers_distributions_at_each_label_token(shop, teacher, examples, data):
    recipe = _soft_labels(teacher, examples, top_k=3)
    kept = recipe.read(shop.make(recipe))
    assert kept.starts.tolist() == [0, *torch.tensor([len(e.target) for e in data]).cumsum(0).tolist()]
    model = load(teacher.folder(shop.context()))[0]
    for i in (0, 7):
        out = forward(model, collate([data[i]], model.config, "cpu"))
        expected = (out.logits[out.labels != -100] / 2.0).softmax(-1).topk(3)
        rows = kept.rows([i])
        assert torch.equal(kept.tokens[rows].long(), expected.indices)
        assert torch.allclose(kept.log_probs[rows, :3].exp(), expected.values, atol=1e-5)
    assert torch.allclose(kept.log_probs.exp().sum(-1), torch.ones(len(kept.log_probs)), atol=1e-5)
    assert (kept.tokens.dtype, kept.log_probs.dtype) == (torch.int32, torch.float32)


@two_families
def test_soft_labels_made_in_parts_are_those_made_at_once(shop, teacher, examples):
    parts = [_soft_labels(teacher, part, top_k=3) for part in (examples[:5], examples[5:6], examples[6:])]
    joined, whole = SoftTargets.joined([part.read(shop.make(part)) for part in parts]), _soft_labels(teacher, examples, top_k=3)
    at_once = whole.read(shop.make(whole))
    assert joined.starts.tolist() == at_once.starts.tolist()
    assert joined.tokens.tolist() == at_once.tokens.tolist()
    assert torch.allclose(joined.log_probs, at_once.log_probs, atol=1e-5)


@two_families
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_soft_labels_take_one_forward_pass_of_the_teacher_for_each_example(shop, teacher, examples, data, precision):
    recipe = _soft_labels(teacher, examples, precision=precision)
    shop.make(recipe)
    flops = teacher.flop_model(shop.cache)
    assert recipe.forecast_flops(shop.context()) == sum(shop.made[recipe.key].steps)
    assert recipe.forecast_flops(shop.context()) == sum(flops.forward(len(e.source), len(e.target)) for e in data)
    assert shop.made[recipe.key].items == recipe.forecast_items(shop.context()) == 0  # documents were counted when they were labelled


@one_family
def test_soft_labels_are_made_whole_or_not_at_all(shop, teacher, examples):
    recipe = _soft_labels(teacher, examples)
    with pytest.raises(OverBudget, match="soft labels"):
        shop.make(recipe, allowance=recipe.forecast_flops(shop.context()) - 1)
    assert not list(shop.artifact(recipe).iterdir())


@two_families
def test_kept_distributions_over_the_whole_vocabulary_teach_what_the_teacher_teaches_in_every_step(shop, teacher, student, examples, loss):
    soft_labels = _soft_labels(teacher, examples, top_k=WHOLE_VOCABULARY)
    targets = soft_labels.read(shop.make(soft_labels))
    model, the_teacher = load(shop.make(student))[0], load(teacher.folder(shop.context()))[0]
    cached = loss(CachedObjective(EVERY_STEP, 0.1, targets), model)
    every_step = loss(
        TeacherObjective(settings=EVERY_STEP, smoothing=0.1, teacher_flops=teacher.flop_model(shop.cache), teacher=the_teacher), model
    )
    assert cached.item() == pytest.approx(every_step.item(), abs=1e-4)
    gradients = [torch.autograd.grad(x, model.get_output_embeddings().weight)[0] for x in (cached, every_step)]
    assert torch.allclose(*gradients, atol=1e-5)


@one_family
def test_both_ways_make_the_same_student_at_different_cost(shop, teacher, student, examples):
    kd = Distillation(top_k=WHOLE_VOCABULARY)
    parts = tuple(_soft_labels(teacher, part, top_k=WHOLE_VOCABULARY) for part in (examples[:5], examples[5:]))
    cached = _distilled(student, parts, examples, kd)
    every_step = _distilled(student, teacher, examples)
    losses = [json.loads((shop.make(recipe) / "training.json").read_text())["loss"] for recipe in (cached, every_step)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    weights = [load(shop.make(recipe))[0].state_dict() for recipe in (cached, every_step)]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-3) for name in weights[0])
    paid_once = [flops for part in parts for flops in shop.made[part.key].steps]
    in_steps = sum(shop.made[every_step.key].steps) - sum(shop.made[cached.key].steps)
    assert in_steps == 2 * sum(paid_once)  # two epochs


@two_families
def test_the_forecast_of_a_distillation_is_what_it_tallies(shop, teacher, student, examples):
    for taught_by, kd in ((teacher, EVERY_STEP), ((_soft_labels(teacher, examples),), Distillation())):
        recipe = _distilled(student, taught_by, examples, kd, precision="bf16")
        forecast = recipe.forecast_flops(shop.context())
        shop.make(recipe)
        assert forecast == sum(shop.made[recipe.key].steps) > 0


@two_families
def test_the_teacher_runs_whole_and_not_behind_the_students_encoder(shop, teacher, pretrained, loss, data):
    """With equally deep encoders the published code hands the student's encoder output to the teacher's decoder."""
    model, the_teacher = load(pretrained.folder(shop.context()))[0], load(teacher.folder(shop.context()))[0]
    batch = collate(data[:4], model.config, "cpu")
    with torch.no_grad():
        own, its = forward(model, batch), forward(the_teacher, batch)
        expected = 0.8 * distillation_loss(own.logits, its.logits, 2.0) + 0.2 * label_loss(own.logits, own.labels)
        found = loss(
            TeacherObjective(settings=EVERY_STEP, smoothing=0.0, teacher_flops=teacher.flop_model(shop.cache), teacher=the_teacher),
            model,
            (0, 1, 2, 3),
        )
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


@two_families
@pytest.mark.parametrize("way", ["labels", "kept", "every step"])
def test_the_losses_of_a_steps_parts_and_their_gradients_add_up_to_those_of_the_whole(shop, teacher, student, examples, data, loss, way):
    """By tokens: examples have different numbers of them, so a mean of the parts' means would be another one."""
    soft_labels = _soft_labels(teacher, examples)
    kept = CachedObjective(Distillation(), 0.1, soft_labels.read(shop.make(soft_labels)))
    taught = TeacherObjective(
        settings=Distillation(teacher_outputs="every_step", hidden_weight=3.0),
        smoothing=0.1,
        teacher_flops=teacher.flop_model(shop.cache),
        teacher=load(teacher.folder(shop.context()))[0],
    )
    objective = {"labels": LabelObjective(0.1), "kept": kept, "every step": taught}[way]
    model = load(shop.make(student))[0]
    causal, whole, parts = not model.config.is_encoder_decoder, (4, 0, 2, 11, 7), ((4,), (0, 2, 11), (7,))
    shares = [share([data[i] for i in part], [data[i] for i in whole], causal) for part in parts]
    apart = [loss(objective, model, part, of) for part, of in zip(parts, shares, strict=True)]
    at_once = loss(objective, model, whole)
    assert sum(apart).item() == pytest.approx(at_once.item(), rel=1e-5)
    gradients = [torch.autograd.grad(x, list(_last_layers(model)[0].parameters())) for x in (sum(apart), at_once)]
    assert all(torch.allclose(one, other, rtol=1e-3, atol=1e-6) for one, other in zip(*gradients, strict=True))
    means = [loss(objective, model, part).item() for part in parts]
    assert sum(means) / len(means) != pytest.approx(at_once.item(), rel=1e-4)


def _last_layers(model):
    stacks = [model.get_decoder()] + ([model.get_encoder()] if model.config.is_encoder_decoder else [])
    return [(stack.block if hasattr(stack, "block") else stack.layers)[-1] for stack in stacks]


def test_hidden_states_after_the_last_layer_are_supervised(shop, teacher, student, loss):
    """The published code compares states before each layer, so that the last one learns nothing from them."""
    model, the_teacher = load(shop.make(student))[0], load(teacher.folder(shop.context()))[0]
    loss(
        TeacherObjective(settings=HIDDEN_ALONE, smoothing=0.0, teacher_flops=teacher.flop_model(shop.cache), teacher=the_teacher), model
    ).backward()
    for layer in _last_layers(model):
        assert max(p.grad.abs().max().item() for p in layer.parameters() if p.grad is not None) > 0


@two_families
def test_a_student_that_is_its_teacher_has_the_same_hidden_states(shop, pretrained, loss):
    model, teacher = (load(pretrained.folder(shop.context()))[0] for _ in range(2))
    objective = TeacherObjective(settings=HIDDEN_ALONE, smoothing=0.0, teacher_flops=pretrained.flop_model(shop.cache), teacher=teacher)
    assert loss(objective, model).item() == pytest.approx(0, abs=1e-9)
    with torch.no_grad():
        for weight in _last_layers(teacher)[0].parameters():
            weight.add_(torch.linspace(-1, 1, weight.numel()).view_as(weight))
    assert loss(objective, model).item() > 1e-2


@one_family
@pytest.mark.parametrize("outputs", ["cached", "every_step"])
def test_a_student_comes_nearer_to_its_teacher(shop, pretrained, student, examples, loss, outputs):
    tuning = Tuning(epochs=8, batch_size=4, learning_rate=3e-3, freeze="none")
    teacher = Finetuned(base=pretrained, examples=examples, tuning=tuning, seed=0, **READ)
    kd = Distillation(logit_weight=1.0, label_weight=0.0, teacher_outputs=outputs)
    taught = _distilled(student, (_soft_labels(teacher, examples),) if outputs == "cached" else teacher, examples, kd, tuning=tuning)
    distance = TeacherObjective(
        settings=kd, smoothing=0.0, teacher_flops=teacher.flop_model(shop.cache), teacher=load(shop.make(teacher))[0]
    )
    before, after = (loss(distance, load(shop.make(model))[0]).item() for model in (student, taught))
    assert after < 0.5 * before


@one_family
def test_a_teacher_of_another_vocabulary_is_refused_before_anything_is_made(shop, student, examples):
    other = Pretrained(Random(family="t5_v1_1", vocabulary=400))
    for taught_by in (other, (_soft_labels(other, examples),)):
        with pytest.raises(BenchError, match="different vocabularies"):
            _distilled(student, taught_by, examples).forecast_flops(shop.context())


@one_family
def test_hidden_states_of_another_width_are_refused_before_anything_is_made(shop, student, examples):
    wider = Pretrained(Random(family="t5_v1_1", width=48))
    assert _distilled(student, wider, examples).forecast_flops(shop.context()) > 0
    with pytest.raises(BenchError, match=r"48 .*teacher.* 32 .*student"):
        _distilled(student, wider, examples, HIDDEN_ALONE).forecast_flops(shop.context())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_weight": 1.0}, "needs teacher_outputs 'every_step'"),
        ({"logit_weight": 0.0}, "nothing .*teacher"),
        ({"temperature": 0.0}, "greater than 0"),
        ({"top_k": 0}, "equal to 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        Distillation(**settings)


@one_family
def test_whatever_decides_the_outcome_decides_the_key(teacher, student, examples):
    recipe = _distilled(student, teacher, examples)
    plain = Finetuned(base=student, examples=examples, tuning=recipe.tuning, seed=0, **READ)
    soft = _soft_labels(teacher, examples)
    halves = (_soft_labels(teacher, examples[:6]), _soft_labels(teacher, examples[6:]))
    recipes = [
        recipe,
        plain,
        _distilled(student, student, examples),
        _distilled(student, teacher, examples, EVERY_STEP.model_copy(update={"temperature": 1.0})),
        *(
            _distilled(student, (labels,), examples)
            for labels in (soft, _soft_labels(teacher, examples, 8), _soft_labels(student, examples))
        ),
        _distilled(student, halves, examples),
    ]
    assert len({r.key for r in recipes}) == len(recipes)
    assert recipe.inputs() == (student, teacher)
    assert recipes[-1].inputs() == (student, *halves)
    assert len({soft.key, _soft_labels(teacher, examples[1:]).key, _soft_labels(teacher, examples, precision="bf16").key}) == 3
