"""Text that models generate: pseudo-labels for training, predictions for scoring."""

from __future__ import annotations

import itertools
import json
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Self

from bench.contracts import (
    Activity,
    Batch,
    BuildContext,
    Decoding,
    Engine,
    Example,
    Job,
    Output,
    OutputLengths,
    Precision,
    Recipe,
)
from bench.errors import FIRST_DOES_NOT_FIT, OverBudget
from bench.system.sequences import changed, picked
from bench.training.batches import encode_sources
from bench.training.calibration import sample, smaller_batch
from bench.training.conversion import conversions, load_into
from bench.training.generation import generate, reached
from bench.training.output_lengths import expected_longest, label_lengths
from bench.training.recipes import ModelRecipe, as_the_task_says, write_json

CALIBRATION_BATCHES = 3
"""Batches that a calibration generates."""

COMPARED = 64
"""Documents whose outputs are compared with those of the reference engine."""

PREDICTIONS, LOG_PROBS, AGREEMENT = "predictions.json", "output_log_probs.json", "agreement.json"


@dataclass(frozen=True, kw_only=True)
class Outputs(Recipe):
    """The texts that `model` generates for documents."""

    activity: ClassVar[Activity] = "generation"
    generates_text: ClassVar[bool] = True

    model: ModelRecipe
    examples: Sequence[Example]
    prefix: str
    max_source_tokens: int
    max_target_tokens: int
    decoding: Decoding
    engine: Engine
    precision: Precision
    min_target_tokens: int = field(default=0, kw_only=True)
    """Smallest number of tokens in an output. Above 0 only in a calibration."""

    @classmethod
    def of(cls, job: Job, model: ModelRecipe, examples: Sequence[Example]) -> Self:
        """Build the recipe with the settings of the job's task and suite."""
        return cls(model=model, examples=examples, decoding=job.decoding, engine=job.engine, **as_the_task_says(job))

    def forecast_flops(self, context: BuildContext) -> float:
        """Return an upper bound: every output is as long as allowed."""
        costs = self._ceilings(context)
        return math.fsum(costs[i] for i in self._reached(context))

    def expected_flops(self, lengths: OutputLengths, context: BuildContext) -> float | None:
        """Take all outputs of a batch for as long as its longest, because the batch takes until that one ends."""
        if not lengths.labels or not self.documents_labelled:
            return None
        tokens = label_lengths(self.model.tokenizer_folder(context.cache, 0), lengths.labels, self.max_target_tokens)
        longest = expected_longest(tokens, min(self.decoding.batch_size, len(self.examples)))
        flops, sources = self.model.flop_model(context.cache), self.sources(context)
        return math.fsum(flops.generation(len(sources[i]), longest, self.decoding.beams) for i in self._reached(context))

    @property
    def documents_labelled(self) -> Sequence[Example]:
        return self.examples if self.model.imitates_labels else ()

    def batches(self, context: BuildContext) -> tuple[Batch, ...]:
        longest = max(map(len, self.sources(context)), default=0)
        if not longest or self.engine.reference() is not None:
            return ()  # the memory of torch alone is forecast
        size = self.decoding.batch_size
        return (
            Batch(
                network=self.model,
                settings=self.decoding,
                precision=self.precision,
                source_tokens=longest,
                target_tokens=self.max_target_tokens,
                examples=min(size, len(self.examples) or size),
            ),
        )

    def forecast_items(self, context: BuildContext) -> int:
        return len(self._reached(context))

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        """Return a small version to time, in which every output is as long as allowed."""
        size = self.decoding.batch_size
        size = smaller_batch(size, size * math.fsum(self._ceilings(context)) / max(1, len(self.examples)), step_flops)
        decoding = self.decoding.model_copy(update={"batch_size": size})
        few = sample(self.examples, CALIBRATION_BATCHES * size)
        longest = self.max_target_tokens
        return replace(self, model=self.model.untrained, decoding=decoding, examples=few, limit=None, min_target_tokens=longest)

    def _reached(self, context: BuildContext) -> list[int]:
        """Return the positions of the documents that fit the limit, in the order in which they are read."""
        return reached(self.sources(context), self._ceilings(context), self.decoding.batch_size, self.limit)

    def _ceilings(self, context: BuildContext) -> list[float]:
        """Return the FLOPs of each document if its output is as long as allowed."""
        flops, beams = self.model.flop_model(context.cache), self.decoding.beams
        return [flops.generation(len(source), self.max_target_tokens, beams) for source in self.sources(context)]

    def sources(self, context: BuildContext) -> Sequence[tuple[int, ...]]:
        """Return the token ids that the model reads of each document."""
        folder = self.model.tokenizer_folder(context.cache, self.max_source_tokens, self.max_target_tokens)
        return encode_sources(folder, self.examples, self.prefix, self.max_source_tokens)

    def extra_ends(self, context: BuildContext) -> tuple[int, ...]:  # noqa: ARG002
        """Return tokens that end an output beside those of the model."""
        return ()

    def inputs(self) -> tuple[Recipe, ...]:
        return (*super().inputs(), *conversions(self.model, self.engine, self.max_source_tokens, self.examples, self.prefix))

    def _generate(self, context: BuildContext) -> Iterator[tuple[int, Output]]:
        """Yield (position of the document, output) in the order in which outputs are made."""
        sources, ends = self.sources(context), self.extra_ends(context)
        return generate(
            load_into(self.engine, self.model, sources, context, decoding=self.decoding, precision=self.precision, ends=ends),
            sources,
            max_target_tokens=self.max_target_tokens,
            min_target_tokens=self.min_target_tokens,
            decoding=self.decoding,
            flops=self.model.flop_model(context.cache),
            usage=context.usage,
            progress=context.progress,
            may_stop_early=self.limit is not None,
        )


@dataclass(frozen=True)
class PseudoLabels(Outputs):
    """A teacher's outputs for unlabelled documents, used as labels. `labelling.json` beside them counts them."""

    def make(self, folder: Path, context: BuildContext) -> None:
        made = tokens = empty = 0
        with (folder / "pseudo_labels.jsonl").open("w", encoding="utf-8") as file:
            for position, output in self._generate(context):
                example = self.examples[position]
                file.write(json.dumps({"id": example.id, "source": example.source, "target": output.text}) + "\n")
                made, tokens, empty = made + 1, tokens + output.tokens, empty + (not output.text)
        if not made and self.examples:
            raise OverBudget(FIRST_DOES_NOT_FIT)
        write_json(folder / "labelling.json", {"documents": made, "empty": empty, "tokens": tokens})

    def read(self, folder: Path) -> Sequence[Example]:
        """Return the documents with their labels. A label is '' where the teacher generated nothing."""
        lines = (folder / "pseudo_labels.jsonl").read_text(encoding="utf-8").split("\n")
        return with_labels(self.examples, [json.loads(line) for line in lines if line])

    def placeholder(self, context: BuildContext) -> Sequence[Example]:
        """Return placeholder labels for as many documents as the limit allows.

        Each label consists of the document's own words, as many as an output may have tokens.
        """
        documents = picked(self.examples, sorted(self._reached(context)))
        return changed(documents, lambda e: Example(e.id, e.source, own_words(e.source, self.max_target_tokens)))


@dataclass(frozen=True)
class Predictions(Outputs):
    """A model's outputs for documents, in the documents' order, to be scored, and the log-probability of each."""

    def make(self, folder: Path, context: BuildContext) -> None:
        outputs = [output for _, output in sorted(self._generate(context), key=operator.itemgetter(0))]
        write_json(folder / PREDICTIONS, [output.text for output in outputs])
        write_json(folder / LOG_PROBS, [round(output.log_prob, 6) for output in outputs])

    def verify(self, folder: Path, context: BuildContext) -> None:
        """Write the share of the first outputs that the reference engine writes too, in fp32. Torch's memory is free by then."""
        if (reference := self.engine.reference()) is not None:
            exact = replace(self, engine=reference, precision="fp32", examples=self.examples[:COMPARED], limit=None)
            expected = dict(exact._generate(context))
            equal = [text == expected[i].text for i, text in enumerate(self.read(folder)[:COMPARED])]
            write_json(folder / AGREEMENT, {"share": sum(equal) / max(1, len(equal))})

    def read(self, folder: Path) -> list[str]:
        predictions: list[str] = json.loads((folder / PREDICTIONS).read_text(encoding="utf-8"))
        return predictions

    def agreement(self, folder: Path) -> float | None:
        """Return the share of outputs that the reference engine writes too. None: the engine is the reference."""
        path = folder / AGREEMENT
        return float(json.loads(path.read_text(encoding="utf-8"))["share"]) if path.exists() else None

    def log_probs(self, folder: Path) -> list[float] | None:
        """Return the log-probability of each output. None: an earlier version made the artifact, without them."""
        path = folder / LOG_PROBS
        return list(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def with_labels(examples: Sequence[Example], rows: Sequence[Mapping[str, str]]) -> Sequence[Example]:
    """Return the examples with the ids of `rows`, in the order of `rows`, each with the `target` of its row. Only labels are held in memory
    where the examples are on the disk."""
    place = {example.id: at for at, example in enumerate(examples)}
    places, labels = [place[row["id"]] for row in rows], [row["target"] for row in rows]
    if isinstance(examples, tuple):
        return tuple(replace(examples[at], target=label) for at, label in zip(places, labels, strict=True))
    return changed(range(len(rows)), lambda at: replace(examples[places[at]], target=labels[at]))


def own_words(document: str, count: int) -> str:
    """Return the first `count` words of a document, repeated from its start where it has fewer."""
    return " ".join(itertools.islice(itertools.cycle(document.split() or ["-"]), count))
