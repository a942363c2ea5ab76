"""How likely a model finds the references."""

import math
from collections import Counter

import pytest
import torch

from bench.models.random import Random
from bench.training.batches import collate, encode
from bench.training.checkpoints import load
from bench.training.likelihood import References
from bench.training.recipes import Pretrained

two_families = pytest.mark.parametrize("family", ["t5_v1_1", "llama"], indirect=True)
"""An encoder-decoder, and a decoder-only model, whose labels stand behind the document."""

READ = {"prefix": "sum: ", "max_source_tokens": 32, "max_target_tokens": 12, "precision": "fp32"}


@two_families
def test_the_mean_over_all_tokens_is_the_loss_that_the_library_computes(pretrained, shop, examples):
    recipe = References(model=pretrained, examples=examples, **READ)
    found = recipe.read(shop.make(recipe))
    model, _ = load(pretrained.folder(shop.context()))
    data = encode(pretrained.folder(shop.context()), examples, "sum: ", 32, 12)
    with torch.inference_mode():
        batches = [collate([e], model.config, "cpu") for e in data]
        losses = [model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss.item() for batch in batches]
    assert [-sum(tokens) / len(tokens) for tokens in found] == pytest.approx(losses, abs=1e-4)
    assert [len(tokens) for tokens in found] == [len(e.target) for e in data]


@two_families
def test_what_it_takes_is_forecast_exactly(pretrained, shop, examples):
    recipe = References(model=pretrained, examples=examples, **READ)
    shop.make(recipe)
    assert sum(shop.made[recipe.key].steps) == recipe.forecast_flops(shop.context())


@two_families
def test_the_floor_knows_how_often_a_token_stands_in_the_labels(pretrained, shop, examples):
    labels, rest = examples[:3], examples[3:]
    found = References(model=pretrained, examples=rest, **READ).by_frequency(labels, shop.context())
    folder = pretrained.folder(shop.context())
    counts = Counter(token for e in encode(folder, labels, "sum: ", 32, 12) for token in e.target)
    vocabulary = load(folder)[0].config.vocab_size
    by_hand = [
        [math.log((counts[token] + 1) / (counts.total() + vocabulary)) for token in e.target] for e in encode(folder, rest, "sum: ", 32, 12)
    ]
    assert found == [pytest.approx(tokens) for tokens in by_hand]


@two_families
def test_another_model_finds_other_things_likely(checkpoint, pretrained, shop, examples):
    other = Pretrained(Random(family=checkpoint.family, seed=1))
    recipes = [References(model=model, examples=examples, **READ) for model in (pretrained, other)]
    first, second = (recipe.read(shop.make(recipe)) for recipe in recipes)
    assert first != second
