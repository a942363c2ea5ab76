import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.training.batches import IGNORED
from bench.training.losses import cached_distillation_loss, distillation_loss, hidden_loss, label_loss, top_log_probs

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


def test_tokens_that_are_not_kept_are_one_bucket():
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = top_log_probs(logits, torch.tensor([[0, 2]]), 1.0).exp()
    assert kept.tolist() == [pytest.approx([0.5, 0.15, 0.35])]


def test_of_the_whole_vocabulary_there_is_no_bucket():
    logits = torch.randn(3, 4)
    kept = top_log_probs(logits, logits.argsort(descending=True), 2.0)
    assert torch.allclose(kept.exp().sum(-1), torch.ones(3))
    assert kept.shape == (3, 4)


def test_a_bucket_that_is_all_but_empty_is_still_a_number():
    student, teacher = torch.tensor([[[0.0, 0.0, 0.0]]]), torch.tensor([[1000.0, 0.0, -1000.0]])
    tokens, student = torch.tensor([[0]]), student.requires_grad_()
    loss = cached_distillation_loss(student, tokens, top_log_probs(teacher, tokens, 1.0), torch.tensor([[0]]), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3))
    assert student.grad.isfinite().all()


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    vocabulary=st.integers(2, 12),
    kept=st.integers(1, 12),
    temperature=st.sampled_from([0.5, 1.0, 2.0, 4.0]),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_fewer_tokens_kept_never_make_the_loss_larger_and_all_of_them_leave_it_as_it_is(seed, vocabulary, kept, temperature, scale):
    draw = torch.Generator().manual_seed(seed)
    student, teacher = (scale * torch.randn(2, 3, vocabulary, generator=draw) for _ in range(2))
    labels = torch.tensor([[1, 0, IGNORED], [1, IGNORED, IGNORED]])
    whole = distillation_loss(student, teacher, labels, temperature).item()

    def cached(k):
        told = teacher[labels != IGNORED]
        tokens = told.topk(k).indices
        return cached_distillation_loss(student, tokens, top_log_probs(told, tokens, temperature), labels, temperature).item()

    assert cached(vocabulary) == pytest.approx(whole, rel=1e-4, abs=1e-5)
    assert -1e-5 <= cached(min(kept, vocabulary)) <= whole * (1 + 1e-4) + 1e-5


ONE, TWO = torch.ones(1, 2, 4), 3 * torch.ones(1, 2, 4)
TOLD = torch.tensor([[True, False]])


def test_hidden_states_are_compared_with_the_layers_that_supervise_them():
    teacher = [ONE * 9, ONE, ONE * 9, TWO]
    assert hidden_loss([ONE, TWO], teacher, (1, 3), TOLD, normalize=False).item() == 0
    assert hidden_loss([TWO, TWO], teacher, (1, 3), TOLD, normalize=False).item() == 4
    assert hidden_loss([TWO, ONE], teacher, (1, 3), TOLD, normalize=False).item() == 8


def test_hidden_states_of_padding_do_not_count():
    student = ONE.clone()
    student[0, 1] = 100
    assert hidden_loss([student], [ONE], (0,), TOLD, normalize=False).item() == 0


def test_normalised_states_are_compared_by_direction_alone():
    states = torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(0))
    other = torch.randn(1, 2, 8, generator=torch.Generator().manual_seed(1))
    told = torch.tensor([[True, True]])
    assert hidden_loss([5 * states + 3], [states], (0,), told, normalize=True).item() == pytest.approx(0, abs=1e-4)
    assert hidden_loss([states], [other], (0,), told, normalize=True).item() > 0.1
    alone = hidden_loss([states[:, :1]], [other[:, :1]], (0,), told[:, :1], normalize=True)
    beside = hidden_loss([states], [torch.cat([other[:, :1], 50 * other[:, 1:]], 1)], (0,), TOLD, normalize=True)
    assert torch.isclose(alone, beside)  # the published code normalises a token together with all others of the batch
