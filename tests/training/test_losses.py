import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.training.losses import cached_distillation_loss, distillation_loss, hidden_loss, label_loss, top_log_probs

LABELS = torch.tensor([2, 1])


def _logits(*rows):
    return torch.tensor(rows).log()


def test_label_loss_is_the_mean_over_label_tokens():
    logits = _logits([0.25, 0.25, 0.5], [0.25, 0.5, 0.25])
    assert label_loss(logits, LABELS).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("scale", [5, 100])
def test_loss_and_gradient_are_those_of_torch(scale, smoothing, dtype):
    draw = torch.Generator().manual_seed(0)
    logits = (scale * torch.randn(6, 11, generator=draw)).to(dtype).requires_grad_()
    labels = torch.randint(11, (6,), generator=draw)
    expected = torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(0.4 * expected, logits)
    loss = label_loss(1 * logits, labels, smoothing)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    (0.4 * loss).backward()
    assert logits.grad.dtype == dtype
    assert torch.allclose(logits.grad, gradient, atol=1e-3 if dtype == torch.bfloat16 else 1e-7)


def test_an_impossible_label_has_a_finite_gradient():
    logits = torch.tensor([[0.0, 1000.0]], requires_grad=True)
    loss = label_loss(1 * logits, torch.tensor([0]))
    loss.backward()
    assert loss.item() == 1000
    assert logits.grad.tolist() == [[-1, 1]]


def test_logits_that_were_overwritten_are_not_used_in_another_gradient():
    logits = torch.randn(2, 3).requires_grad_() * 1
    other = (logits * logits).sum()
    label_loss(logits, LABELS).backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified"):
        other.backward()


def test_distillation_is_the_divergence_from_the_teacher_per_label_token():
    student = _logits([0.5, 0.5], [0.5, 0.5])
    teacher = _logits([0.9, 0.1], [0.5, 0.5])
    divergence = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert distillation_loss(student, teacher, 1.0).item() == pytest.approx(divergence / 2, rel=1e-5)


def test_temperature_leaves_small_differences_as_large_as_they_were():
    """Hinton et al. 2015, section 2.1: gradients of soft labels scale with 1 / T squared, hence the factor."""
    student, teacher = torch.zeros(2, 4), 0.01 * torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    at_1, at_4 = (distillation_loss(student, teacher, t).item() for t in (1.0, 4.0))
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
    student, teacher = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[1000.0, 0.0, -1000.0]])
    tokens, student = torch.tensor([[0]]), student.requires_grad_()
    loss = cached_distillation_loss(student, tokens, top_log_probs(teacher, tokens, 1.0), 1.0)
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
    student, teacher = (scale * torch.randn(3, vocabulary, generator=draw) for _ in range(2))
    whole = distillation_loss(student, teacher, temperature).item()

    def cached(k):
        tokens = teacher.topk(k).indices
        return cached_distillation_loss(student, tokens, top_log_probs(teacher, tokens, temperature), temperature).item()

    assert cached(vocabulary) == pytest.approx(whole, rel=1e-4, abs=1e-5)
    assert -1e-5 <= cached(min(kept, vocabulary)) <= whole * (1 + 1e-4) + 1e-5


ONE, TWO = torch.ones(2, 4), 3 * torch.ones(2, 4)


def test_hidden_states_are_compared_with_the_layers_that_supervise_them():
    teacher = [ONE * 9, ONE, ONE * 9, TWO]
    assert hidden_loss([ONE, TWO], teacher, (1, 3), normalize=False).item() == 0
    assert hidden_loss([TWO, TWO], teacher, (1, 3), normalize=False).item() == 4
    assert hidden_loss([TWO, ONE], teacher, (1, 3), normalize=False).item() == 8


def test_normalised_states_are_compared_by_direction_alone():
    states = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    other = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    assert hidden_loss([5 * states + 3], [states], (0,), normalize=True).item() == pytest.approx(0, abs=1e-4)
    first, second, both = (hidden_loss([states[at]], [other[at]], (0,), normalize=True) for at in ([0], [1], [0, 1]))
    assert first > 0.1
    assert torch.isclose(both, (first + second) / 2)  # the published code normalises a token together with all others of the batch
