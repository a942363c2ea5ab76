"""Objectives of training: the loss of one step, and the FLOPs that it needs beside the student's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch

from bench.training.batches import Encoded
from bench.training.flops import FlopModel
from bench.training.forward import Forward, forward
from bench.training.losses import cached_distillation_loss, distillation_loss, hidden_loss, label_loss
from bench.training.settings import Distillation
from bench.training.shrinking import supervised_layers


@dataclass(frozen=True)
class Share:
    """The share of a batch's real tokens that one part of the batch holds."""

    sources: float = 1.0
    """Share of the document tokens."""
    labels: float = 1.0
    """Share of the predicted label tokens."""


WHOLE = Share()


def share(part: Sequence[Encoded], whole: Sequence[Encoded], causal: bool) -> Share:
    """Return the share of the batch `whole` that is in `part`. Losses are means over tokens. Therefore the parts of a divided batch are
    weighted by their tokens, not by their examples."""
    (sources, labels), (all_sources, all_labels) = _tokens(part, causal), _tokens(whole, causal)
    return Share(sources / max(1, all_sources), labels / max(1, all_labels))


def _tokens(batch: Sequence[Encoded], causal: bool) -> tuple[int, int]:
    first = sum(not e.source for e in batch) if causal else 0  # nothing predicts the first token of a text
    return sum(len(e.source) for e in batch), sum(len(e.target) for e in batch) - first


class Objective(Protocol):
    """The loss of a training step."""

    def extra_flops(self, batch: Sequence[Encoded]) -> float:  # noqa: ARG002
        """Return the model FLOPs of a step beside the student's forward and backward. No weights are needed."""
        return 0.0

    @property
    def reads_layers(self) -> bool:
        """Whether the loss reads the states after each layer of the student's encoder."""
        return False

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:
        """Return the loss as a scalar. positions: of the examples in the data. batch: the same examples, made by `collate`, on the model's
        device. of: the share of the step's batch that they are. The losses of a step's parts add up to the loss of the whole batch."""
        ...


@dataclass(frozen=True)
class LabelObjective(Objective):
    """Cross-entropy of the labels, with or without label smoothing."""

    smoothing: float = 0.0

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:  # noqa: ARG002
        out = forward(model, batch)
        return of.labels * label_loss(out.logits, out.labels, self.smoothing)


@dataclass(frozen=True, kw_only=True)
class TeacherObjective(Objective):
    """Cross-entropy of the labels plus distillation from a teacher that runs in every step: KD of Shleifer and Rush 2020.

    The teacher always runs whole. Where both encoders have the same depth, the published code passes the student's encoder output to the
    teacher's decoder. This is right only as long as that encoder is frozen and is the teacher's own.
    """

    settings: Distillation
    smoothing: float
    teacher_flops: FlopModel
    teacher: Any | None = None
    """The model on the student's device, in eval mode. None in a forecast, which computes no loss."""

    @property
    def reads_layers(self) -> bool:
        return self.settings.hidden_weight > 0

    def extra_flops(self, batch: Sequence[Encoded]) -> float:
        return sum(self.teacher_flops.forward(len(e.source), len(e.target)) for e in batch)

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:  # noqa: ARG002
        settings = self.settings
        learnt = forward(model, batch, hidden_states=settings.hidden_weight > 0)
        with torch.no_grad():
            taught = forward(self.teacher, batch, hidden_states=settings.hidden_weight > 0)
        soft: torch.Tensor | float = 0.0
        if settings.logit_weight:
            soft = distillation_loss(learnt.logits, taught.logits, settings.temperature)
        loss = of.labels * (_weighted_label_loss(settings, learnt, self.smoothing) + settings.logit_weight * soft)
        if settings.hidden_weight:
            stacks = [(learnt.decoder_states, taught.decoder_states, of.labels)]
            if learnt.encoder_states:  # a causal model has the decoder only
                stacks.append((learnt.encoder_states, taught.encoder_states, of.sources))
            losses = [
                part * hidden_loss(own, its, supervised_layers(len(its), len(own)), settings.normalize_hidden) for own, its, part in stacks
            ]
            loss = loss + settings.hidden_weight * torch.stack(losses).sum()
        return loss


class SoftTargets(NamedTuple):
    """A teacher's distributions at each label token of a set of examples, computed once and kept."""

    tokens: torch.Tensor
    """(label tokens, k) int32: the teacher's k likeliest tokens."""
    log_probs: torch.Tensor
    """(label tokens, k + 1): their log-probabilities, and that of all other tokens together. The shape is (label tokens, k) where k is the
    whole vocabulary."""
    starts: torch.Tensor
    """(examples + 1): the rows of example i are starts[i] to starts[i + 1]."""

    @classmethod
    def joined(cls, parts: Sequence[SoftTargets]) -> SoftTargets:
        """Join the examples of all parts, in order. One teacher made all of them, with the same k."""
        tokens, log_probs = torch.cat([part.tokens for part in parts]), torch.cat([part.log_probs for part in parts])
        lengths = torch.cat([part.starts.diff() for part in parts])
        return cls(tokens, log_probs, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

    def rows(self, positions: Sequence[int]) -> torch.Tensor:
        """Return the row numbers of these examples, one example after the other."""
        return torch.cat([torch.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in positions])


@dataclass(frozen=True)
class CachedObjective(Objective):
    """Cross-entropy of the labels plus distillation from a teacher's cached distributions."""

    settings: Distillation
    smoothing: float
    targets: SoftTargets | None = None
    """The teacher's distributions. None in a forecast, which computes no loss."""

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:
        assert self.targets is not None
        learnt = forward(model, batch)
        rows = self.targets.rows(positions)
        tokens, log_probs = (kept[rows].to(learnt.logits.device) for kept in self.targets[:2])
        soft = cached_distillation_loss(learnt.logits, tokens.long(), log_probs, self.settings.temperature)
        return of.labels * (_weighted_label_loss(self.settings, learnt, self.smoothing) + self.settings.logit_weight * soft)


def _weighted_label_loss(settings: Distillation, learnt: Forward, smoothing: float) -> torch.Tensor:
    """Return the label term of a loss. Call it after all other terms of the logits, because it overwrites them."""
    if not settings.label_weight:
        return learnt.logits.new_zeros((), dtype=torch.float32)
    return settings.label_weight * label_loss(learnt.logits, learnt.labels, smoothing)
