"""Recipes for models: load, shrink, fine-tune."""

from __future__ import annotations

import functools
import json
import operator
from abc import abstractmethod
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from bench.contracts import Activity, Batch, BuildContext, Checkpoint, Compact, Fact, Job, Precision, Recipe
from bench.training.calibration import UNLIMITED, smaller_batch
from bench.training.checkpoints import load, read_config, save
from bench.training.flops import FlopModel, flop_model
from bench.training.loop import Data, Order, forecast_steps, train
from bench.training.objectives import LabelObjective, Objective
from bench.training.positions import check_positions
from bench.training.settings import Tuning
from bench.training.shrinking import shrink, shrunk_config

STEPS_LOOKED_AT = 64
"""Training steps that are searched for the longest sequences; steps are in random order."""


def as_the_task_says(job: Job) -> dict[str, Any]:
    """Return the fields that every recipe over documents and labels has: how text is cut, and the numeric precision."""
    return {
        "prefix": job.task.prefix,
        "max_source_tokens": job.task.max_source_tokens,
        "max_target_tokens": job.task.max_target_tokens,
        "precision": job.precision,
    }


@dataclass(frozen=True)
class ModelRecipe(Recipe):
    """A recipe whose artifact is a model folder. Its architecture and tokenizer are known before anything is made."""

    @property
    @abstractmethod
    def untrained(self) -> ModelRecipe:
        """The same architecture before any training by bench: the pretrained model, or some of its layers."""

    imitates_labels: ClassVar[bool] = False
    """Whether its outputs are about as long as the labels on which it was trained. Other models may generate any length."""

    @property
    def origin(self) -> Pretrained:
        """The pretrained model from which this model is made."""
        return self.untrained.origin

    def checkpoint_folder(self, cache: Path) -> Path:
        """Return the folder of the pretrained model from which this model is made."""
        return self.origin.checkpoint.folder(cache)

    def speed_as_input(self) -> Any:
        return self.untrained.key  # speed depends on the architecture, not on trained weights

    def config(self, cache: Path) -> Any:
        """Return the transformers config. Raises CheckpointError where layers are to be kept that the origin does not have."""
        return self.untrained.config(cache)

    def folder(self, context: BuildContext) -> Path:
        """Return the folder of the model. It has to be made first."""
        return context.artifact(self)

    def flop_model(self, cache: Path) -> FlopModel:
        """Return the FLOP coefficients of this architecture. Raises CheckpointError as `config` does."""
        return flop_model(self.config(cache))

    def tokenizer_folder(self, cache: Path, source_tokens: int, target_tokens: int = 0) -> Path:
        """Return the folder of the tokenizer. Raises CheckpointError where the model has too few positions for such texts."""
        folder = self.checkpoint_folder(cache)
        check_positions(self.origin.checkpoint.title, read_config(folder), source_tokens, target_tokens)
        return folder


@dataclass(frozen=True)
class Pretrained(ModelRecipe):
    """A checkpoint as published. Its files stay where they are, so nothing is made."""

    activity: ClassVar[Activity] = "none"

    checkpoint: Checkpoint

    @property
    def untrained(self) -> ModelRecipe:
        return self

    @property
    def origin(self) -> Pretrained:
        return self

    def config(self, cache: Path) -> Any:
        return read_config(self.checkpoint.folder(cache))

    def forecast_flops(self, context: BuildContext) -> float:  # noqa: ARG002
        return 0.0

    def make(self, folder: Path, context: BuildContext) -> None:  # noqa: ARG002
        self.folder(context)

    def folder(self, context: BuildContext) -> Path:
        return self.checkpoint.folder(context.cache)


@dataclass(frozen=True)
class Shrunk(ModelRecipe):
    """A model that keeps some layers of another. `shrinking.json` beside it states which ones, and by which rule."""

    activity: ClassVar[Activity] = "copying"

    base: ModelRecipe
    compact: Compact

    @property
    def untrained(self) -> ModelRecipe:
        return Shrunk(self.base.untrained, self.compact)

    @property
    def origin(self) -> Pretrained:
        return self.base.origin

    def config(self, cache: Path) -> Any:
        return shrunk_config(self.base.config(cache), self.compact)

    def forecast_flops(self, context: BuildContext) -> float:
        self.config(context.cache)  # raises here, before anything is paid, where layers do not exist
        return 0.0

    def calibration_run(self, step_flops: float, context: BuildContext) -> ModelRecipe:  # noqa: ARG002
        return self.untrained

    def make(self, folder: Path, context: BuildContext) -> None:
        model, tokenizer = load(self.base.folder(context))
        encoder, decoder = shrink(model, self.compact)
        save(model, tokenizer, folder)
        write_json(folder / "shrinking.json", {"encoder": asdict(encoder), "decoder": asdict(decoder)})


@dataclass(frozen=True, kw_only=True)
class Trained(ModelRecipe):
    """The model that training makes of `base`. `training.json` beside it holds loop.Training."""

    activity: ClassVar[Activity] = "training"

    base: ModelRecipe
    tuning: Tuning
    precision: Precision
    seed: int

    @abstractmethod
    def plan(self, context: BuildContext) -> tuple[Data, Order]:
        """Return the training data and the order in which it is used."""

    def objective(self, context: BuildContext, ready: bool) -> Objective:  # noqa: ARG002
        """Return the loss of each step. With `ready` false, what only the loss itself needs is left out: a forecast does without."""
        return LabelObjective(self.tuning.label_smoothing)

    def room_for_states(self, context: BuildContext) -> int:  # noqa: ARG002
        """Return the number of source tokens whose encoder states are kept. 0: the encoder runs in every step."""
        return 0

    @property
    def untrained(self) -> ModelRecipe:
        return self.base.untrained

    def forecast_flops(self, context: BuildContext) -> float:
        """Return exactly the FLOPs that `make` tallies."""
        return functools.reduce(operator.add, self._costs(context), 0.0)  # step by step, as a meter adds them

    def training_steps(self, context: BuildContext) -> int:
        """Return the number of steps within a limit in FLOPs."""
        return len(self._costs(context))

    def batches(self, context: BuildContext) -> tuple[Batch, ...]:
        data, order = self.plan(context)
        seen = [data[i] for step in range(min(order.steps, STEPS_LOOKED_AT)) for i in order.batch(step, step / order.steps)]
        return (
            Batch(
                network=self,
                settings=self.tuning,
                precision=self.precision,
                source_tokens=max(len(one.source) for one in seen),
                target_tokens=max(len(one.target) for one in seen),
                examples=self.examples_at_once,
            ),
        )

    @property
    def examples_at_once(self) -> int:
        """Examples in memory at a time: a batch or a micro-batch, or all examples where they are fewer."""
        return self.tuning.at_once

    def _costs(self, context: BuildContext) -> list[float]:
        """Return the FLOPs of each step. The result is cached, because a purse, a store and a plan all ask for it, and computing it may
        take seconds."""
        known: dict[Path, list[float]] = self.__dict__.setdefault("_costs_by_cache", {})  # kept in the instance, as cached_property does
        if context.cache not in known:
            data, order = self.plan(context)
            objective = self.objective(context, ready=False)
            flops, room = self.flop_model(context.cache), self.room_for_states(context)
            known[context.cache] = forecast_steps(data, order, self.tuning, flops, objective, self.limit, room)
        return known[context.cache]

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        whole = replace(self, limit=None)
        batch = smaller_batch(self.tuning.batch_size, whole.forecast_flops(context) / max(1, whole.plan(context)[1].steps), step_flops)
        tuning = self.tuning.model_copy(update={"batch_size": batch, "epochs": 1, "min_steps": 0})
        return replace(self, base=self.base.untrained, tuning=tuning, limit=UNLIMITED)

    def make(self, folder: Path, context: BuildContext) -> None:
        data, order = self.plan(context)
        model, tokenizer = load(self.base.folder(context), self.tuning.dropout)
        result = train(
            model,
            data,
            order,
            self.tuning,
            self.flop_model(context.cache),
            self.objective(context, ready=True),
            precision=self.precision,
            device=context.device,
            seed=self.seed,
            usage=context.usage,
            progress=context.progress,
            may_stop_early=self.limit is not None,
            items=self.forecast_items(context),
            room=self.room_for_states(context),
            folder=folder,
            checkpoints=context.checkpoints,
        )
        save(model.to("cpu"), tokenizer, folder)
        write_json(folder / "training.json", asdict(result))

    def facts(self, folder: Path) -> tuple[Fact, ...]:
        size = json.loads((folder / "training.json").read_text(encoding="utf-8")).get("reduced_micro_batch")
        return (Fact(name="reduced_micro_batch", value=size, unit="examples"),) if size else ()


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file beside an artifact."""
    path.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
