"""What strategies have made: models, pseudo-labels, predictions."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from bench.contracts import Checkpoint, Compact, Decoding, Example, Job, Precision, Recipe, Workbench
from bench.errors import BenchError, CheckpointError, OverBudget
from bench.training.batches import Encoded, encode, encode_sources, plan_batches
from bench.training.flops import FlopModel, flop_model
from bench.training.generation import Output, generate
from bench.training.loop import step_flops, train
from bench.training.models import load, read_config, save
from bench.training.shrinking import counts_of, shrink
from bench.training.tuning import Tuning

__all__ = ["Finetuned", "ModelRecipe", "Predictions", "Pretrained", "PseudoLabels", "Shrunk", "Tuning"]


@dataclass(frozen=True)
class ModelRecipe(Recipe):
    """A recipe whose artifact is a model folder. Its architecture and tokenizer are known before anything is made."""

    @property
    @abstractmethod
    def origin(self) -> Pretrained:
        """The pretrained model that all of this comes from."""

    @property
    @abstractmethod
    def shape(self) -> Compact:
        """Layers of it that are kept."""

    def folder(self, bench: Workbench) -> Path:
        """Where the model is, once it was made."""
        return bench.artifact(self)

    def flop_model(self, cache: Path) -> FlopModel:
        """FLOPs of this architecture. Raises CheckpointError where the shape has more layers than the origin."""
        config = read_config(self.origin.checkpoint.folder(cache))
        return flop_model(config, *counts_of(config, self.shape))

    def tokenizer_folder(self, cache: Path, max_tokens: int) -> Path:
        """Where the tokenizer is. Raises CheckpointError where the model has fewer positions than `max_tokens`."""
        folder = self.origin.checkpoint.folder(cache)
        positions = getattr(read_config(folder), "max_position_embeddings", None)  # T5's are relative, and end nowhere
        if positions and max_tokens > positions:
            raise CheckpointError(f"{self.origin.checkpoint.title} has {positions} positions, the task asks for {max_tokens} tokens")
        return folder


@dataclass(frozen=True)
class Pretrained(ModelRecipe):
    """A checkpoint as it comes. Its files stay where they are, so there is nothing to make."""

    checkpoint: Checkpoint

    @property
    def origin(self) -> Pretrained:
        return self

    @property
    def shape(self) -> Compact:
        return Compact()

    def forecast_flops(self, bench: Workbench) -> float:  # noqa: ARG002
        return 0.0

    def make(self, folder: Path, bench: Workbench) -> None:  # noqa: ARG002
        self.folder(bench)

    def folder(self, bench: Workbench) -> Path:
        return self.checkpoint.folder(bench.cache)


@dataclass(frozen=True)
class Shrunk(ModelRecipe):
    """A model of which some layers are kept; `shrinking.json` beside it says which, and by whose table."""

    base: ModelRecipe
    compact: Compact

    @property
    def origin(self) -> Pretrained:
        return self.base.origin

    @property
    def shape(self) -> Compact:
        before = self.base.shape
        return Compact(
            encoder_layers=self.compact.encoder_layers or before.encoder_layers,
            decoder_layers=self.compact.decoder_layers or before.decoder_layers,
        )

    def forecast_flops(self, bench: Workbench) -> float:  # noqa: ARG002
        return 0.0

    def make(self, folder: Path, bench: Workbench) -> None:
        model, tokenizer = load(self.base.folder(bench))
        encoder, decoder = shrink(model, *counts_of(model.config, self.compact))
        save(model, tokenizer, folder)
        _write_json(folder / "shrinking.json", {"encoder": asdict(encoder), "decoder": asdict(decoder)})


@dataclass(frozen=True)
class Finetuned(ModelRecipe):
    """A model trained on examples; `training.json` beside it holds loop.Training.

    teacher: where given, its logits are learnt as well, with tuning.kd_weight above 0. It has to share the vocabulary.
    """

    base: ModelRecipe
    examples: tuple[Example, ...]
    tuning: Tuning
    prefix: str
    max_source_tokens: int
    max_target_tokens: int
    precision: Precision
    seed: int
    teacher: ModelRecipe | None = None

    @property
    def origin(self) -> Pretrained:
        return self.base.origin

    @property
    def shape(self) -> Compact:
        return self.base.shape

    def forecast_flops(self, bench: Workbench) -> float:
        """Exactly what `make` tallies."""
        data, batches = self._plan(bench)
        student = self.flop_model(bench.cache)
        teacher = self._taught_by.flop_model(bench.cache) if self._taught_by else None
        steps = [step_flops([data[i] for i in batch], student, self.tuning.freeze, teacher) for batch in batches]
        return _within(steps, self.limit)[0]

    def make(self, folder: Path, bench: Workbench) -> None:
        data, batches = self._plan(bench)
        model, tokenizer = load(self.base.folder(bench), self.tuning.dropout)
        result = train(
            model,
            data,
            batches,
            self.tuning,
            self.flop_model(bench.cache),
            precision=self.precision,
            device=bench.device,
            seed=self.seed,
            tally=bench.tally,
            progress=bench.progress,
            may_stop_early=self.limit is not None,
            teacher=_teacher(self._taught_by, tokenizer, bench) if self._taught_by else None,
        )
        save(model.to("cpu"), tokenizer, folder)
        _write_json(folder / "training.json", asdict(result))

    @property
    def _taught_by(self) -> ModelRecipe | None:
        if self.teacher and not self.tuning.kd_weight:
            raise BenchError("a teacher's logits are to be learnt, and kd_weight is 0: set it above 0, at most 1")
        return self.teacher

    def _plan(self, bench: Workbench) -> tuple[Sequence[Encoded], list[list[int]]]:
        folder = self.tokenizer_folder(bench.cache, max(self.max_source_tokens, self.max_target_tokens))
        data = encode(folder, self.examples, self.prefix, self.max_source_tokens, self.max_target_tokens)
        return data, plan_batches(data, self.tuning.batch_size, self.tuning.epochs, self.tuning.min_steps, self.seed)


def _teacher(recipe: ModelRecipe, tokenizer: Any, bench: Workbench) -> tuple[Any, FlopModel]:
    teacher, its_tokenizer = load(recipe.folder(bench))
    if its_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise BenchError("teacher and student have different vocabularies, so the one's logits mean nothing to the other")
    return teacher.to(bench.device), recipe.flop_model(bench.cache)


@dataclass(frozen=True)
class Outputs(Recipe):
    """What `model` generates for documents."""

    model: ModelRecipe
    examples: tuple[Example, ...]
    prefix: str
    max_source_tokens: int
    max_target_tokens: int
    decoding: Decoding
    precision: Precision

    @classmethod
    def of(cls, job: Job, model: ModelRecipe, examples: tuple[Example, ...]) -> Self:
        """As the job's task and suite say."""
        return cls(
            model=model,
            examples=examples,
            prefix=job.task.prefix,
            max_source_tokens=job.task.max_source_tokens,
            max_target_tokens=job.task.max_target_tokens,
            decoding=job.decoding,
            precision=job.precision,
        )

    def forecast_flops(self, bench: Workbench) -> float:
        """A ceiling: every output as long as allowed."""
        return _within(self._ceilings(bench), self.limit)[0]

    def _ceilings(self, bench: Workbench) -> list[float]:
        """FLOPs of each document, if its output were as long as allowed."""
        flops, beams = self.model.flop_model(bench.cache), self.decoding.beams
        return [flops.generation(len(source), self.max_target_tokens, beams) for source in self._sources(bench)]

    def _sources(self, bench: Workbench) -> tuple[tuple[int, ...], ...]:
        folder = self.model.tokenizer_folder(bench.cache, max(self.max_source_tokens, self.max_target_tokens))
        return encode_sources(folder, self.examples, self.prefix, self.max_source_tokens)

    def _generate(self, bench: Workbench) -> Iterator[tuple[int, Output]]:
        """(position, output) of the documents, in whatever order they are made."""
        network, tokenizer = load(self.model.folder(bench))
        return generate(
            network.to(bench.device),
            tokenizer,
            self._sources(bench),
            max_target_tokens=self.max_target_tokens,
            decoding=self.decoding,
            precision=self.precision,
            device=bench.device,
            flops=self.model.flop_model(bench.cache),
            tally=bench.tally,
            progress=bench.progress,
            may_stop_early=self.limit is not None,
        )


@dataclass(frozen=True)
class PseudoLabels(Outputs):
    """A teacher's outputs for unlabelled documents, as labels; `labelling.json` beside them counts them."""

    def make(self, folder: Path, bench: Workbench) -> None:
        made = tokens = empty = 0
        with (folder / "pseudo_labels.jsonl").open("w", encoding="utf-8") as file:
            for position, output in self._generate(bench):
                example = self.examples[position]
                file.write(json.dumps({"id": example.id, "source": example.source, "target": output.text}) + "\n")
                made, tokens, empty = made + 1, tokens + output.tokens, empty + (not output.text)
        if not made and self.examples:
            raise OverBudget("the first pseudo-label does not fit into what is left")
        _write_json(folder / "labelling.json", {"documents": made, "empty": empty, "tokens": tokens})

    def read(self, folder: Path) -> tuple[Example, ...]:
        """The documents with their labels; '' where the teacher said nothing."""
        lines = (folder / "pseudo_labels.jsonl").read_text(encoding="utf-8").split("\n")
        return tuple(Example(**json.loads(line)) for line in lines if line)

    def pretend(self, bench: Workbench) -> tuple[Example, ...]:
        """As many documents as the limit allows, each labelled with its own first words, as many as an output may have tokens."""
        documents = _within(self._ceilings(bench), self.limit)[1]
        words = self.max_target_tokens
        return tuple(Example(e.id, e.source, " ".join(e.source.split()[:words]) or "-") for e in self.examples[:documents])


@dataclass(frozen=True)
class Predictions(Outputs):
    """A model's outputs for documents, in order: for evaluation."""

    def make(self, folder: Path, bench: Workbench) -> None:
        outputs = dict(self._generate(bench))
        _write_json(folder / "predictions.json", [outputs[i].text for i in range(len(self.examples))])

    def read(self, folder: Path) -> list[str]:
        predictions: list[str] = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
        return predictions


def _within(steps: Sequence[float], limit: float | None) -> tuple[float, int]:
    """FLOPs and number of the first steps that fit. Raises OverBudget where none does."""
    total, done = 0.0, 0
    for step in steps:
        if limit is not None and total + step > limit:
            break
        total, done = total + step, done + 1
    if steps and not done:
        raise OverBudget("the first step does not fit into what is left")
    return total, done


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
