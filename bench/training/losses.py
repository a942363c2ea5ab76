"""What training makes small."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy, kl_div, layer_norm, log_softmax, mse_loss

from bench.training.batches import IGNORED


def label_loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Cross-entropy per label token, averaged; logits (batch, target, vocabulary), labels (batch, target).

    Padded positions (-100) are left out, also of the average and of the smoothing.
    """
    told = labels != IGNORED
    return cross_entropy(logits[told].float(), labels[told], label_smoothing=smoothing)


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """KL(teacher || student) per label token at `temperature`, times its square (Hinton et al. 2015), averaged.

    Positions are masked by the labels. The published code masks by decoder inputs, and so gives T5 and Pegasus, which
    start from the padding token, no signal for their first token (seq2seq-distillation), or it does not mask at all (Kang
    et al. 2023, run_t5.py).
    """
    told = labels != IGNORED
    learnt = log_softmax(student[told].float() / temperature, dim=-1)
    taught = log_softmax(teacher[told].float() / temperature, dim=-1)
    return kl_div(learnt, taught, reduction="batchmean", log_target=True) * temperature**2


def top_log_probs(logits: torch.Tensor, tokens: torch.Tensor, temperature: float) -> torch.Tensor:
    """Log-probabilities at `temperature` of k tokens, and in a last column of all others together.

    logits (n, vocabulary), tokens (n, k) -> (n, k + 1); (n, k) where the k tokens are the whole vocabulary.
    """
    scaled = logits.float() / temperature
    named = scaled.gather(-1, tokens)
    if tokens.shape[-1] < scaled.shape[-1]:
        others = scaled.scatter(-1, tokens, -torch.inf).logsumexp(-1, keepdim=True)
        named = torch.cat([named, others], dim=-1)
    return named - scaled.logsumexp(-1, keepdim=True)


def cached_distillation_loss(
    student: torch.Tensor, tokens: torch.Tensor, log_probs: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """`distillation_loss` against a teacher of whom only `top_log_probs` of its k likeliest tokens were kept.

    student (batch, target, vocabulary), labels (batch, target); tokens and log_probs: a row for each label token, batch row by
    batch row. Never more than the loss over the whole vocabulary (data processing inequality), and equal to it where k is that.
    """
    learnt = top_log_probs(student[labels != IGNORED], tokens, temperature)
    return kl_div(learnt, log_probs, reduction="batchmean", log_target=True) * temperature**2


def hidden_loss(
    student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], layers: Sequence[int], told: torch.Tensor, normalize: bool
) -> torch.Tensor:
    """Mean squared difference of states (batch, tokens, width) over the tokens `told` (batch, tokens), summed over layers.

    student, teacher: the states after each layer, the last one included; layers: the teacher's for each of the student's.
    normalize: of each token, over its width, to mean 0 and variance 1. Source: calc_hidden_loss of Shleifer and Rush 2020,
    seq2seq-distillation/distillation.py, which compares the states before each layer, so that what the last layer does is
    never supervised, and normalises over the whole batch with its padding.
    """
    differences = []
    for own, layer in zip(student, layers, strict=True):
        learnt, taught = own[told].float(), teacher[layer][told].float()
        if normalize:
            learnt, taught = (layer_norm(states, states.shape[-1:]) for states in (learnt, taught))
        differences.append(mse_loss(learnt, taught))
    return torch.stack(differences).sum()
