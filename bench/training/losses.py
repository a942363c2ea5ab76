"""What training makes small."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

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


def mixed_loss(
    logits: torch.Tensor, labels: torch.Tensor, teacher: torch.Tensor, smoothing: float, weight: float, temperature: float
) -> torch.Tensor:
    """(1 - weight) x label loss + weight x distillation loss."""
    gold = label_loss(logits, labels, smoothing)
    return (1 - weight) * gold + weight * distillation_loss(logits, teacher, labels, temperature)
