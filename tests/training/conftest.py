"""Tiny random models of every family, and a workbench that makes recipes where they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from bench.contracts import BuildContext, Example, Recipe, no_progress
from bench.models.random import Random
from bench.training.batches import Encoded, collate, encode, plan_batches
from bench.training.checkpoints import load
from bench.training.flops import flop_model
from bench.training.forward import forward
from bench.training.loop import Planned, train
from bench.training.objectives import LabelObjective
from bench.training.recipes import Pretrained
from bench.training.settings import Tuning

ENCODER_DECODERS = ("t5", "t5_v1_1", "mt5", "bart", "pegasus")
FAMILIES = (*ENCODER_DECODERS, "llama")


def smollm2_135m():
    """The published config of HuggingFaceTB/SmolLM2-135M."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )


@dataclass
class Counter:
    """A UsageMeter with room for `allowance` FLOPs, that remembers every step."""

    allowance: float = float("inf")
    steps: list[float] = field(default_factory=list)
    items: int = 0

    def can_afford(self, flops: float, items: int = 0) -> bool:
        return sum(self.steps) + flops <= self.allowance

    def fraction_used(self) -> float:
        return sum(self.steps) / self.allowance

    def record_step(self, flops: float, items: int = 0) -> None:
        self.steps.append(flops)
        self.items += items


@dataclass
class Shop:
    """Makes recipes and what they need, each once, in folders of its own."""

    folder: Path
    cache: Path
    made: dict[str, Counter] = field(default_factory=dict)

    def context(self, usage: Counter | None = None) -> BuildContext:
        return BuildContext(cache=self.cache, device="cpu", artifact=self.artifact, usage=usage or Counter(), progress=no_progress)

    def artifact(self, recipe: Recipe) -> Path:
        return self.folder / recipe.key

    def make(self, recipe: Recipe, allowance: float = float("inf")) -> Path:
        for needed in recipe.inputs():
            self.make(needed)
        if recipe.key not in self.made:
            self.artifact(recipe).mkdir()
            self.made[recipe.key] = Counter(allowance)
            recipe.make(self.artifact(recipe), self.context(self.made[recipe.key]))
            recipe.verify(self.artifact(recipe), self.context())
        return self.artifact(recipe)


@pytest.fixture(scope="session")
def cache(new_cache) -> Path:
    return new_cache()


@pytest.fixture
def shop(tmp_path, cache) -> Shop:
    return Shop(tmp_path, cache)


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture
def checkpoint(family) -> Random:
    return Random(family=family)


@pytest.fixture
def pretrained(checkpoint) -> Pretrained:
    return Pretrained(checkpoint)


@pytest.fixture
def model_and_tokenizer(checkpoint, cache):
    return load(checkpoint.folder(cache))


WORDS = ("bytes", "names", "spaces", "objects", "errors", "files", "folders", "steps", "edges", "nodes", "columns", "values")


@pytest.fixture
def examples() -> tuple[Example, ...]:
    """Twelve, of different lengths."""
    return tuple(
        Example(f"e{i}", f"Return the number of {word} in the {'list of ' * (i % 5)}table, or zero.", f"number of {word}")
        for i, word in enumerate(WORDS)
    )


@pytest.fixture
def counter() -> type[Counter]:
    """The UsageMeter to count with."""
    return Counter


@pytest.fixture
def encoded(checkpoint, cache, examples) -> tuple[Encoded, ...]:
    """The examples as tokens of the family's tokenizer."""
    return encode(checkpoint.folder(cache), examples, "", 48, 16)


@pytest.fixture
def logits():
    """Function: model -> logits of one fixed batch, (10, vocabulary)."""

    def logits(model) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        sources, targets = (torch.randint(5, model.config.vocab_size, (2, n), generator=generator).tolist() for n in (7, 5))
        batch = [Encoded(tuple(source), tuple(target)) for source, target in zip(sources, targets, strict=True)]
        with torch.no_grad():
            return forward(model, collate(batch, model.config, "cpu")).logits

    return logits


@pytest.fixture
def run(checkpoint, cache, encoded):
    """train() on a fresh model; (model, Training, usage)."""

    def run(tuning=None, allowance=math.inf, may_stop_early=False, precision="fp32", seed=0, change=None, objective=None):
        tuning = tuning or Tuning(epochs=2, batch_size=4)
        model, _ = load(checkpoint.folder(cache), tuning.dropout)
        if change:
            change(model)
        usage = Counter(allowance)
        result = train(
            model,
            encoded,
            Planned(plan_batches(encoded, tuning.batch_size, tuning.epochs, tuning.min_steps, seed)),
            tuning,
            flop_model(model.config),
            objective or LabelObjective(tuning.label_smoothing),
            precision=precision,
            device="cpu",
            seed=seed,
            usage=usage,
            progress=no_progress,
            may_stop_early=may_stop_early,
            items=len(encoded),
        )
        return model, result, usage

    return run


@pytest.fixture
def same():
    """Function: (model, model) -> whether all their weights are the same bits."""

    def same(one, other):
        return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))

    return same
