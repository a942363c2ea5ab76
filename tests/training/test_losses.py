import math

import pytest
import torch

from bench.training.batches import IGNORED
from bench.training.losses import distillation_loss, label_loss, mixed_loss

LABELS = torch.tensor([[2, 1, IGNORED]])


def _logits(*rows):
    return torch.tensor([rows]).log()


def test_label_loss_is_the_mean_over_label_tokens():
    logits = _logits([0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [1.0, 1e-9, 1e-9])
    assert label_loss(logits, LABELS).item() == pytest.approx(math.log(2))


def test_smoothing_leaves_padding_out():
    logits = _logits([0.25, 0.25, 0.5], [0.25, 0.5, 0.25], [1.0, 1e-9, 1e-9])
    expected = 0.7 * math.log(2) + 0.3 * (math.log(2) + 2 * math.log(4)) / 3
    assert label_loss(logits, LABELS, smoothing=0.3).item() == pytest.approx(expected)


def test_distillation_is_the_divergence_from_the_teacher_per_label_token():
    student = _logits([0.5, 0.5], [0.5, 0.5], [0.9, 0.1])
    teacher = _logits([0.9, 0.1], [0.5, 0.5], [0.1, 0.9])
    divergence = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert distillation_loss(student, teacher, LABELS.clamp(max=1), 1.0).item() == pytest.approx(divergence / 2, rel=1e-5)


def test_the_first_token_is_taught_too():
    """The published code left it out for T5 and Pegasus, whose outputs start from the padding token."""
    student, teacher = _logits([0.5, 0.5], [0.5, 0.5]), _logits([0.9, 0.1], [0.5, 0.5])
    assert distillation_loss(student, teacher, torch.tensor([[0, 1]]), 2.0) > 0.01


def test_padded_positions_teach_nothing():
    student = torch.randn(2, 3, 5)
    labels = torch.tensor([[1, 2, IGNORED], [3, IGNORED, IGNORED]])
    teacher = student.clone()
    teacher[labels == IGNORED] += torch.randn(3, 5)
    assert distillation_loss(student, teacher, labels, 2.0).item() == pytest.approx(0, abs=1e-6)


def test_temperature_leaves_small_differences_as_large_as_they_were():
    """Hinton et al. 2015, section 2.1: gradients of soft labels scale with 1 / T squared, hence the factor."""
    student, teacher = torch.zeros(1, 2, 4), 0.01 * torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2]])
    at_1, at_4 = (distillation_loss(student, teacher, labels, t).item() for t in (1.0, 4.0))
    assert at_4 == pytest.approx(at_1, rel=0.05)


def test_a_mixture_weighs_both():
    student, teacher, labels = torch.randn(1, 2, 4), torch.randn(1, 2, 4), torch.tensor([[1, 2]])
    gold, soft = label_loss(student, labels), distillation_loss(student, teacher, labels, 2.0)
    assert torch.isclose(mixed_loss(student, labels, teacher, 0.0, 0.25, 2.0), 0.75 * gold + 0.25 * soft)
