"""A frozen encoder computes each source once: same model, same outputs, fewer FLOPs."""

from dataclasses import replace

import pytest
import torch

from bench.contracts import FLOPS, Limit
from bench.training import encoder_states
from bench.training.batches import Encoded, collate
from bench.training.checkpoints import load
from bench.training.encoder_states import Kept, kept_on_disk, room_for
from bench.training.finetuned import Finetuned
from bench.training.forward import forward
from bench.training.recipes import Pretrained
from bench.training.settings import Distillation, Lora, Tuning
from bench.training.soft_labels import Distilled
from tests.training.conftest import ENCODER_DECODERS

FROZEN = Tuning(epochs=3, batch_size=5, freeze="encoder")
every_encoder = pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)
one_family = pytest.mark.parametrize("family", ["t5_v1_1"], indirect=True)


@pytest.fixture
def recipe(pretrained, examples):
    def recipe(tuning=FROZEN, **settings):
        text = {"prefix": "", "max_source_tokens": 48, "max_target_tokens": 16}
        return Finetuned(base=pretrained, tuning=tuning, precision="fp32", seed=3, examples=examples, **text, **settings)

    return recipe


def weights(folder):
    return load(folder)[0].state_dict()


@every_encoder
def test_the_states_are_those_of_the_whole_model_whatever_the_padding(model_and_tokenizer, encoded, tmp_path):
    model = model_and_tokenizer[0].eval()
    whole = [forward(model, collate(part, model.config, "cpu")).logits.detach() for part in (encoded[:4], encoded[2:9], encoded)]
    with kept_on_disk(model, tmp_path, Kept(room_for(encoded))):
        for expected, part in zip(whole, (encoded[:4], encoded[2:9], encoded), strict=True):
            out = forward(model, collate(part, model.config, "cpu"))
            real = out.labels != -100
            assert torch.allclose(out.logits[real], expected[real], atol=1e-5)
        assert len(list(tmp_path.iterdir())) == 1
    assert not list(tmp_path.iterdir())
    assert torch.equal(forward(model, collate(encoded, model.config, "cpu")).logits, whole[2])


@one_family
def test_each_source_is_computed_once_while_there_is_room(model_and_tokenizer, encoded, tmp_path):
    model = model_and_tokenizer[0].eval()
    rows = []
    model.get_encoder().block[0].register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    with kept_on_disk(model, tmp_path, Kept(room_for(encoded))):
        for part in (encoded[:4], encoded[:4], encoded[2:6]):
            forward(model, collate(part, model.config, "cpu"))
    assert rows == [4, 2]
    rows.clear()
    with kept_on_disk(model, tmp_path, Kept(len(encoded[0].source))):
        for _ in range(2):
            forward(model, collate(encoded[:4], model.config, "cpu"))
    assert rows == [4, 3]


@pytest.mark.parametrize(
    ("family", "more"),
    [
        *((family, {}) for family in ENCODER_DECODERS),
        *(("t5_v1_1", more) for more in ({"micro_batch_size": 2}, {"lora": Lora(rank=2)}, {"checkpointing": True})),
    ],
    indirect=["family"],
)
def test_training_gives_the_same_model(recipe, shop, more):
    one = recipe(FROZEN.model_copy(update={"learning_rate": 1e-4, **more}))
    again = replace(one, tuning=one.tuning.model_copy(update={"cache_encoder": False}))
    assert one.key != again.key
    before, kept, computed = weights(one.base.folder(shop.context())), weights(shop.make(one)), weights(shop.make(again))
    assert all(torch.allclose(kept[name], weight, atol=2e-4) for name, weight in computed.items())
    assert any(not torch.equal(weight, before[name]) for name, weight in kept.items())
    assert not list(shop.artifact(one).glob("*.bin"))
    saved = sum(shop.made[again.key].steps) - sum(shop.made[one.key].steps)
    encoder, data = one.flop_model(shop.cache), one.plan(shop.context())[0]
    assert saved == 2 * sum(encoder.encoding(len(e.source)) for e in data)


@one_family
@pytest.mark.parametrize("cached", [True, False])
def test_the_forecast_is_what_is_charged_also_within_a_limit_and_without_room(recipe, shop, cached, monkeypatch):
    one = recipe(FROZEN.model_copy(update={"cache_encoder": cached}))
    assert sum(shop.made[one.key].steps if shop.make(one) else ()) == one.forecast_flops(shop.context())
    limited = replace(one, limit=Limit(meter=FLOPS, amount=0.6 * one.forecast_flops(shop.context())))
    shop.make(limited, allowance=limited.limit.amount)
    assert sum(shop.made[limited.key].steps) == limited.forecast_flops(shop.context())
    assert 0 < limited.training_steps(shop.context()) < one.training_steps(shop.context())
    monkeypatch.setattr(encoder_states, "AT_MOST", 40)
    small = recipe(one.tuning.model_copy(update={"learning_rate": 1e-2}))
    shop.make(small)
    assert sum(shop.made[small.key].steps) == small.forecast_flops(shop.context())
    assert (small.forecast_flops(shop.context()) > one.forecast_flops(shop.context())) == cached


@one_family
def test_steps_that_only_read_kept_states_are_those_of_later_epochs(recipe, shop, monkeypatch):
    one, context = recipe(), shop.context()
    first = len(one.plan(context)[1].batches) // 3
    costs = one._costs(context)
    assert one.kept_steps(context) == dict(enumerate(costs[first:], first))
    limited = replace(one, limit=Limit(meter=FLOPS, amount=0.7 * sum(costs)))
    assert set(limited.kept_steps(context)) == set(range(first, limited.training_steps(context)))
    assert recipe(one.tuning.model_copy(update={"cache_encoder": False})).kept_steps(context) == {}
    monkeypatch.setattr(encoder_states, "AT_MOST", 1)
    assert recipe().kept_steps(context) == {}


@one_family
def test_nothing_is_kept_where_a_state_may_change_or_the_loss_reads_layers(recipe, shop, pretrained, examples):
    context = shop.context()
    assert recipe().room_for_states(context) == room_for(recipe().plan(context)[0]) > 0
    for settings in ({"freeze": "embeddings"}, {"freeze": "none"}, {"dropout": 0.1}, {"dropout": None}, {"cache_encoder": False}):
        assert recipe(FROZEN.model_copy(update=settings)).room_for_states(context) == 0
    own = {name: getattr(recipe(), name) for name in ("tuning", "precision", "seed", "examples", "prefix")}
    limits = {"max_source_tokens": 48, "max_target_tokens": 16, "base": pretrained, "taught_by": Pretrained(pretrained.checkpoint)}
    for weight, keeps in ((0.0, True), (3.0, False)):
        kd = Distillation(hidden_weight=weight, teacher_outputs="every_step")
        assert bool(Distilled(**own, **limits, distillation=kd).room_for_states(context)) == keeps


def test_the_setting_changes_the_key_only_where_it_changes_something():
    for tuning, changes in ((FROZEN, True), (Tuning(), False), (Tuning(freeze="encoder", dropout=0.1), False)):
        other = tuning.model_copy(update={"cache_encoder": False})
        assert (tuning.identity() != other.identity()) == changes


def test_no_more_than_the_room_is_kept():
    kept = Kept(5)
    kept.add([(1, 2), (3, 4, 5, 6), (1, 2), (7, 8, 9)])
    assert (kept.starts, kept.tokens) == ({(1, 2): 0, (7, 8, 9): 2}, 5)
    assert room_for([Encoded((1, 2), ()), Encoded((1, 2), (3,)), Encoded((4,), ())]) == 3
