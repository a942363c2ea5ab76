"""Loss functions of training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy, kl_div, layer_norm, log_softmax, mse_loss

from bench.training.batches import IGNORED


def label_loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Return the mean cross-entropy per label token. logits: (batch, target, vocabulary); labels: (batch, target). Padded positions (-100)
    count neither in the mean nor in the smoothing."""
    return cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, label_smoothing=smoothing)


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor, labels: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return KL(teacher || student) at `temperature`, averaged over label tokens, times temperature squared (Hinton et al. 2015).

    The labels mask the positions. The published code differs in two ways. seq2seq-distillation masks by decoder inputs, which gives T5 and
    Pegasus no signal for their first token, because they start from the padding token. Kang et al. 2023 (run_t5.py) do not mask at all.
    """
    counted = labels != IGNORED
    learnt = log_softmax(student[counted].float() / temperature, dim=-1)
    taught = log_softmax(teacher[counted].float() / temperature, dim=-1)
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


def cached_distillation_loss(
    student: torch.Tensor, tokens: torch.Tensor, log_probs: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return `distillation_loss` against a teacher of which only `top_log_probs` of its k likeliest tokens were kept.

    student: (batch, target, vocabulary); labels: (batch, target). tokens and log_probs have one row for each label token, in the order of
    the batch's rows. The result is never more than the loss over the whole vocabulary (data processing inequality), and equals it where k
    is the whole vocabulary.
    """
    learnt = top_log_probs(student[labels != IGNORED], tokens, temperature)
    return kl_div(learnt, log_probs, reduction="batchmean", log_target=True) * temperature**2


def hidden_loss(
    student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor], layers: Sequence[int], counted: torch.Tensor, normalize: bool
) -> torch.Tensor:
    """Return the mean squared difference of hidden states over the tokens `counted`, summed over layers.

    student, teacher: the states after each layer, including the last, each (batch, tokens, width). layers: the teacher's layer for each of
    the student's. counted: (batch, tokens), true where a token counts. normalize: scale each token's states to mean 0 and variance 1 over
    the width.

    Source: calc_hidden_loss of Shleifer and Rush 2020 (seq2seq-distillation/distillation.py). Their code compares the states before each
    layer, so the output of the last layer is never supervised. It also normalises over the whole batch, including its padding.
    """
    differences = []
    for own, layer in zip(student, layers, strict=True):
        learnt, taught = own[counted].float(), teacher[layer][counted].float()
        if normalize:
            learnt, taught = (layer_norm(states, states.shape[-1:]) for states in (learnt, taught))
        differences.append(mse_loss(learnt, taught))
    return torch.stack(differences).sum()
