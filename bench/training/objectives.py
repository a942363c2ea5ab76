"""What one training step makes small, and what finding that out takes beside the student's own work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch

from bench.training.batches import IGNORED, Encoded
from bench.training.flops import FlopModel
from bench.training.forward import Forward, forward
from bench.training.losses import cached_distillation_loss, distillation_loss, hidden_loss, label_loss
from bench.training.settings import Distillation
from bench.training.shrinking import supervised_layers


@dataclass(frozen=True)
class Share:
    """What of a step's real tokens a part of its batch holds: of the documents', and of those that a label is predicted for."""

    sources: float = 1.0
    labels: float = 1.0


WHOLE = Share()


def share(part: Sequence[Encoded], whole: Sequence[Encoded], causal: bool) -> Share:
    """Losses are means over tokens, so the parts of a batch that is divided count by their tokens, not by their examples."""
    (sources, labels), (all_sources, all_labels) = _tokens(part, causal), _tokens(whole, causal)
    return Share(sources / max(1, all_sources), labels / max(1, all_labels))


def _tokens(batch: Sequence[Encoded], causal: bool) -> tuple[int, int]:
    first = sum(not e.source for e in batch) if causal else 0  # nothing comes before the first token of a text
    return sum(len(e.source) for e in batch), sum(len(e.target) for e in batch) - first


class Objective(Protocol):
    """The loss of a step."""

    def extra_flops(self, batch: Sequence[Encoded]) -> float:
        """Model FLOPs of a step beside the student's forward and backward. Known without any weights."""
        ...

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:
        """A scalar. positions: of the examples in the data; batch: the same as `collate` gives them, on the model's device.

        of: the share of the step that they are; the losses of a step's parts add up to the loss of the whole.
        """
        ...


@dataclass(frozen=True)
class LabelObjective:
    """Cross-entropy of the labels, smoothed or not."""

    smoothing: float = 0.0

    def extra_flops(self, batch: Sequence[Encoded]) -> float:  # noqa: ARG002
        return 0.0

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:  # noqa: ARG002
        out = forward(model, batch)
        return of.labels * label_loss(out.logits, out.labels, self.smoothing)


@dataclass(frozen=True, kw_only=True)
class TeacherObjective:
    """The labels, and what a teacher makes of the same inputs, run in every step: KD of Shleifer and Rush 2020.

    The teacher runs whole. Where both encoders are equally deep the published code hands the student's encoder output to the
    teacher's decoder, which is right only as long as that encoder is frozen and the teacher's own.
    teacher: on the student's device, in eval mode; None in a forecast, which takes no loss.
    """

    settings: Distillation
    smoothing: float
    teacher_flops: FlopModel
    teacher: Any | None = None

    def extra_flops(self, batch: Sequence[Encoded]) -> float:
        return sum(self.teacher_flops.forward(len(e.source), len(e.target)) for e in batch)

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:  # noqa: ARG002
        settings = self.settings
        learnt = forward(model, batch, hidden_states=settings.hidden_weight > 0)
        with torch.no_grad():
            taught = forward(self.teacher, batch, hidden_states=settings.hidden_weight > 0)
        loss = _labels_and(settings, learnt, self.smoothing)
        if settings.logit_weight:
            loss = loss + settings.logit_weight * distillation_loss(learnt.logits, taught.logits, learnt.labels, settings.temperature)
        loss = of.labels * loss
        if settings.hidden_weight:
            loss = loss + settings.hidden_weight * _hidden(learnt, taught, settings.normalize_hidden, of)
        return loss


class SoftTargets(NamedTuple):
    """A teacher's distributions at each label token of a set of examples, kept once.

    tokens (label tokens, k) int32: its likeliest; log_probs (label tokens, k + 1): theirs, and of all others together; or k of
    the whole vocabulary. starts (examples + 1): the rows of example i are starts[i] to starts[i + 1].
    """

    tokens: torch.Tensor
    log_probs: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def joined(cls, parts: Sequence[SoftTargets]) -> SoftTargets:
        """Of the examples of all parts, one after the other. The same teacher made them, with the same k."""
        tokens, log_probs = torch.cat([part.tokens for part in parts]), torch.cat([part.log_probs for part in parts])
        lengths = torch.cat([part.starts.diff() for part in parts])
        return cls(tokens, log_probs, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))

    def rows(self, positions: Sequence[int]) -> torch.Tensor:
        """Rows of these examples, one after the other."""
        return torch.cat([torch.arange(int(self.starts[i]), int(self.starts[i + 1])) for i in positions])


@dataclass(frozen=True)
class CachedObjective:
    """The labels, and what was kept of a teacher's distributions. targets: None in a forecast, which takes no loss."""

    settings: Distillation
    smoothing: float
    targets: SoftTargets | None = None

    def extra_flops(self, batch: Sequence[Encoded]) -> float:  # noqa: ARG002
        return 0.0

    def loss(self, model: Any, positions: Sequence[int], batch: Mapping[str, torch.Tensor], of: Share = WHOLE) -> torch.Tensor:
        assert self.targets is not None
        learnt = forward(model, batch)
        rows = self.targets.rows(positions)
        tokens, log_probs = (kept[rows].to(learnt.logits.device) for kept in self.targets[:2])
        soft = cached_distillation_loss(learnt.logits, tokens.long(), log_probs, learnt.labels, self.settings.temperature)
        return of.labels * (_labels_and(self.settings, learnt, self.smoothing) + self.settings.logit_weight * soft)


def _labels_and(settings: Distillation, learnt: Forward, smoothing: float) -> torch.Tensor:
    """The label loss by its weight, to add to."""
    if not settings.label_weight:
        return learnt.logits.new_zeros((), dtype=torch.float32)
    return settings.label_weight * label_loss(learnt.logits, learnt.labels, smoothing)


def _hidden(learnt: Forward, taught: Forward, normalize: bool, of: Share) -> torch.Tensor:
    """Of both stacks, over the real tokens of documents and labels; a causal model has the second one alone."""
    stacks = [(learnt.decoder_states, taught.decoder_states, learnt.labels != IGNORED, of.labels)]
    if learnt.encoder_states:
        stacks.append((learnt.encoder_states, taught.encoder_states, learnt.source_mask.bool(), of.sources))
    losses = [part * hidden_loss(own, its, supervised_layers(len(its), len(own)), told, normalize) for own, its, told, part in stacks]
    return torch.stack(losses).sum()
