"""The likelihood of the references: the probability of each token, given the document and the tokens before
it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import torch

from bench.contracts import Activity, BuildContext, Example, Job, Precision, Recipe
from bench.training.batches import Encoded, encode
from bench.training.checkpoints import read_config
from bench.training.forward import Forward
from bench.training.inference import fewer, passes
from bench.training.recipes import ModelRecipe, as_the_task_says, write_json

LogProbs = list[list[float]]
"""Natural logarithms of probabilities, one list of tokens for each reference."""


@dataclass(frozen=True, kw_only=True)
class References(Recipe):
    """The probability that `model` gives to every label token of `examples`."""

    activity: ClassVar[Activity] = "forward passes"

    model: ModelRecipe
    examples: Sequence[Example]
    prefix: str
    max_source_tokens: int
    max_target_tokens: int
    precision: Precision

    @classmethod
    def of(cls, job: Job, model: ModelRecipe, examples: tuple[Example, ...]) -> Self:
        """Build the recipe with the settings of the job's task and suite."""
        return cls(model=model, examples=examples, **as_the_task_says(job))

    def forecast_flops(self, context: BuildContext) -> float:
        """Return the FLOPs of one forward pass for each example."""
        flops = self.model.flop_model(context.cache)
        return float(sum(flops.forward(len(e.source), len(e.target)) for e in self._data(context)))

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        few = fewer(self.examples, self.forecast_flops(context), step_flops)
        return replace(self, model=self.model.untrained, examples=few)

    def make(self, folder: Path, context: BuildContext) -> None:
        found = dict(passes(self.model, self._data(context), context, self.precision, "likelihood of the references", _of_labels))
        write_json(folder / "log_probs.json", [found[i] for i in range(len(found))])

    def read(self, folder: Path) -> LogProbs:
        return list(json.loads((folder / "log_probs.json").read_text(encoding="utf-8")))

    def by_frequency(self, labels: Sequence[Example], context: BuildContext) -> LogProbs:
        """Return the log-probabilities of a unigram baseline, which knows only how often each token occurs in
        `labels`.

        Add-one smoothing: each token of the vocabulary counts once more than it occurs.
        """
        vocabulary = int(read_config(self._tokenizer(context)).vocab_size)
        targets = encode(self._tokenizer(context), tuple(labels), self.prefix, self.max_source_tokens, self.max_target_tokens)
        counts = Counter(token for e in targets for token in e.target)
        total = math.log(counts.total() + vocabulary)
        return [[math.log(counts[token] + 1) - total for token in e.target] for e in self._data(context)]

    def _tokenizer(self, context: BuildContext) -> Path:
        return self.model.tokenizer_folder(context.cache, self.max_source_tokens, self.max_target_tokens)

    def _data(self, context: BuildContext) -> Sequence[Encoded]:
        return encode(self._tokenizer(context), self.examples, self.prefix, self.max_source_tokens, self.max_target_tokens)


def _of_labels(out: Forward) -> LogProbs:
    log_probs = torch.log_softmax(out.logits.float(), dim=-1).gather(-1, out.labels[:, None])[:, 0]
    return [part.tolist() for part in torch.split(log_probs, out.rows.tolist())]
