"""Loss functions of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import kl_div, layer_norm, log_softmax, mse_loss

LEAST_LOG_PROB = -87.0
"""Log-probabilities below this are raised to it. On a CPU, `exp` is 20 times slower where its result is too small for fp32."""


def label_loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Return the mean cross-entropy per label token. logits: (label tokens, vocabulary); labels: (label tokens). Where the logits are in
    fp32, they are overwritten, and what else needs them needs a copy."""
    loss: torch.Tensor = _CrossEntropy.apply(logits, labels, smoothing)  # type: ignore[no-untyped-call]
    return loss


class _CrossEntropy(torch.autograd.Function):
    """`cross_entropy` of torch, in the memory of its logits. Torch makes three more tensors of their size."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        log_probs = logits.float()
        torch._log_softmax(log_probs, -1, False, out=log_probs)
        likely = log_probs.gather(-1, labels[:, None]).sum()
        loss = -(1 - smoothing) * likely - (smoothing / log_probs.shape[-1] * log_probs.sum() if smoothing else 0)
        ctx.save_for_backward(labels)
        ctx.log_probs, ctx.smoothing, ctx.dtype = log_probs, smoothing, logits.dtype
        return loss / len(labels)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (labels,), smoothing, probs = ctx.saved_tensors, ctx.smoothing, ctx.log_probs.clamp_(min=LEAST_LOG_PROB).exp_()
        del ctx.log_probs
        if smoothing:
            probs -= smoothing / probs.shape[-1]
        probs.scatter_add_(-1, labels[:, None], probs.new_full((len(labels), 1), smoothing - 1))
        return probs.mul_(gradient / len(labels)).to(ctx.dtype), None, None


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return KL(teacher || student) at `temperature`, averaged over label tokens, times temperature squared (Hinton et al. 2015). Logits
    are (label tokens, vocabulary).

    The published code differs in two ways. seq2seq-distillation masks by decoder inputs, which gives T5 and Pegasus no signal for their
    first token, because they start from the padding token. Kang et al. 2023 (run_t5.py) do not mask at all.
    """
    learnt = log_softmax(student.float() / temperature, dim=-1)
    taught = log_softmax(teacher.float() / temperature, dim=-1)
    return kl_div(learnt, taught, reduction="batchmean", log_target=True) * temperature**2


def top_log_probs(logits: torch.Tensor, tokens: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return log-probabilities at `temperature` of k tokens, and in a last column of all other tokens together. logits (n, vocabulary),
    tokens (n, k) -> (n, k + 1). The result is (n, k) where the k tokens are the whole vocabulary."""
    scaled = logits.float() / temperature
    named = scaled.gather(-1, tokens)
    if tokens.shape[-1] < scaled.shape[-1]:
        others = scaled.scatter(-1, tokens, -torch.inf).logsumexp(-1, keepdim=True)
        named = torch.cat([named, others], dim=-1)
    return named - scaled.logsumexp(-1, keepdim=True)


def cached_distillation_loss(student: torch.Tensor, tokens: torch.Tensor, log_probs: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return `distillation_loss` against a teacher of which only `top_log_probs` of its k likeliest tokens were kept.

    student: (label tokens, vocabulary). tokens and log_probs have one row for each label token. The result is never more than the loss
    over the whole vocabulary (data processing inequality), and equals it where k is the whole vocabulary.
    """
    learnt = top_log_probs(student, tokens, temperature)
    return kl_div(learnt, log_probs, reduction="batchmean", log_target=True) * temperature**2


def hidden_loss(student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], layers: Sequence[int], normalize: bool) -> torch.Tensor:
    """Return the mean squared difference of hidden states over tokens, summed over layers.

    student, teacher: the states after each layer, including the last, each (tokens, width). layers: the teacher's layer for each of the
    student's. normalize: scale each token's states to mean 0 and variance 1 over the width.

    Source: calc_hidden_loss of Shleifer and Rush 2020 (seq2seq-distillation/distillation.py). Their code compares the states before each
    layer, so the output of the last layer is never supervised. It also normalises over the whole batch, including its padding.
    """
    differences = []
    for own, layer in zip(student, layers, strict=True):
        learnt, taught = own.float(), teacher[layer].float()
        if normalize:
            learnt, taught = (layer_norm(states, states.shape[-1:]) for states in (learnt, taught))
        differences.append(mse_loss(learnt, taught))
    return torch.stack(differences).sum()
