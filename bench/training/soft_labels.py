"""A teacher's next-token distributions, computed once per example, and the student that learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import torch
from safetensors.torch import load_file, save_file

from bench.contracts import Activity, Batch, BuildContext, Example, OutputLengths, Precision, Recipe
from bench.errors import BenchError
from bench.training.batches import Encoded, encode
from bench.training.checkpoints import load, load_tokenizer
from bench.training.finetuned import Finetuned
from bench.training.forward import Forward
from bench.training.inference import fewer, passes
from bench.training.losses import top_log_probs
from bench.training.objectives import CachedObjective, Objective, SoftTargets, TeacherObjective
from bench.training.output_lengths import with_expected_labels
from bench.training.recipes import ModelRecipe
from bench.training.settings import Distillation


@dataclass(frozen=True, kw_only=True)
class SoftLabels(Recipe):
    """The `top_k` likeliest tokens of `teacher` at every label token of `examples`, given the tokens before it.

    They are made for all examples or not at all, even within a limit, because a student needs them for every example. Log-probabilities are
    kept in fp32: 8 bytes for each kept token, including its id.
    """

    activity: ClassVar[Activity] = "forward passes"

    teacher: ModelRecipe
    examples: Sequence[Example]
    prefix: str
    max_source_tokens: int
    max_target_tokens: int
    temperature: float
    top_k: int
    precision: Precision

    def forecast_flops(self, context: BuildContext) -> float:
        """Return exactly the FLOPs that `make` tallies: one forward pass of the teacher for each example."""
        return self._forward_flops(self._data(context), context)

    def expected_flops(self, lengths: OutputLengths, context: BuildContext) -> float | None:
        if not lengths.concern(self.examples):
            return None
        folder = self.teacher.tokenizer_folder(context.cache, 0)
        expected = with_expected_labels(self._data(context), self.examples, lengths, folder, self.max_target_tokens)
        return self._forward_flops(expected, context)

    def _forward_flops(self, data: Sequence[Encoded], context: BuildContext) -> float:
        flops = self.teacher.flop_model(context.cache)
        return float(sum(flops.forward(len(e.source), len(e.target)) for e in data))

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        few = fewer(self.examples, self.forecast_flops(context), step_flops)
        return replace(self, teacher=self.teacher.untrained, examples=few)

    def make(self, folder: Path, context: BuildContext) -> None:
        kept = dict(passes(self.teacher, self._data(context), context, self.precision, "soft labels", self._distributions))
        tokens, log_probs = (torch.cat([kept[i][part] for i in range(len(kept))]) for part in (0, 1))
        starts = torch.tensor([0] + [len(kept[i][0]) for i in range(len(kept))]).cumsum(0)
        save_file(SoftTargets(tokens, log_probs, starts)._asdict(), folder / "soft_labels.safetensors")

    def read(self, folder: Path) -> SoftTargets:
        return SoftTargets(**load_file(folder / "soft_labels.safetensors"))

    def _data(self, context: BuildContext) -> Sequence[Encoded]:
        folder = self.teacher.tokenizer_folder(context.cache, self.max_source_tokens, self.max_target_tokens)
        return encode(folder, self.examples, self.prefix, self.max_source_tokens, self.max_target_tokens)

    def _distributions(self, out: Forward) -> list[tuple[torch.Tensor, torch.Tensor]]:
        logits = out.logits.float()
        tokens = logits.topk(min(self.top_k, logits.shape[-1])).indices
        log_probs = top_log_probs(logits, tokens, self.temperature)
        return list(zip(*(torch.split(kept.cpu(), out.rows.tolist()) for kept in (tokens.int(), log_probs)), strict=True))


@dataclass(frozen=True)
class Distilled(Finetuned):
    """A student trained on labels and on a teacher's distributions for the same inputs. A forecast raises the errors of `check_taught`,
    even before the teacher is made."""

    taught_by: tuple[SoftLabels, ...] | ModelRecipe
    """The soft labels, or a teacher that runs in every step. Soft labels come from one teacher and cover the examples part by part, in the
    same order."""
    distillation: Distillation

    def batches(self, context: BuildContext) -> tuple[Batch, ...]:
        beside = () if isinstance(self.taught_by, tuple) else (self.taught_by,)
        return tuple(replace(batch, beside=beside, distillation=self.distillation) for batch in super().batches(context))

    def calibration_run(self, step_flops: float, context: BuildContext) -> Self:
        short = super().calibration_run(step_flops, context)
        if not isinstance(self.taught_by, tuple):
            return replace(short, taught_by=self.taught_by.untrained)
        first = self.taught_by[0]
        return replace(short, taught_by=(replace(first, teacher=first.teacher.untrained, examples=short.examples),))

    def objective(self, context: BuildContext, ready: bool) -> Objective:
        settings, smoothing = self.distillation, self.tuning.label_smoothing
        teacher = self.taught_by[0].teacher if isinstance(self.taught_by, tuple) else self.taught_by
        check_taught(self, teacher, settings.hidden_weight > 0, context.cache)
        if isinstance(self.taught_by, tuple):
            kept = [part.read(context.artifact(part)) for part in self.taught_by] if ready else []
            return CachedObjective(settings, smoothing, SoftTargets.joined(kept) if ready else None)
        network = load(teacher.folder(context))[0].to(context.device) if ready else None
        return TeacherObjective(settings=settings, smoothing=smoothing, teacher_flops=teacher.flop_model(context.cache), teacher=network)


def check_taught(student: ModelRecipe, teacher: ModelRecipe, hidden: bool, cache: Path) -> None:
    """Check that the student can learn from the teacher. Neither model has to be made. Raises BenchError where their vocabularies differ,
    or, with `hidden`, where the widths of their hidden states differ."""
    if teacher.origin == student.origin:
        return
    ours, theirs = student.config(cache), teacher.config(cache)
    vocabularies = [load_tokenizer(model.origin.checkpoint.folder(cache)).get_vocab() for model in (student, teacher)]
    if vocabularies[0] != vocabularies[1] or ours.vocab_size != theirs.vocab_size:
        raise BenchError("teacher and student have different vocabularies, so the one's logits mean nothing to the other")
    if hidden and ours.hidden_size != theirs.hidden_size:
        raise BenchError(
            f"hidden states of {theirs.hidden_size} numbers in the teacher and {ours.hidden_size} in the student cannot be compared; "
            "kd: hidden_weight 0"
        )
