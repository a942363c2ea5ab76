"""What is kept of a teacher, and found again, and the terms of a loss."""

from typing import Any

import pytest
import torch

from bench.training import objectives
from bench.training.forward import Forward
from bench.training.losses import cached_distillation_loss, distillation_loss, label_loss, top_log_probs
from bench.training.objectives import CachedObjective, SoftTargets, TeacherObjective
from bench.training.settings import Distillation


def kept(*lengths: int) -> SoftTargets:
    """Of examples with so many label tokens: two tokens of each, by their number."""
    rows = torch.arange(sum(lengths))
    tokens = torch.stack([rows, rows + 100], dim=1).int()
    return SoftTargets(tokens, -tokens.float(), torch.tensor([0, *lengths]).cumsum(0))


def test_parts_that_are_joined_have_the_rows_of_each_example_where_it_comes() -> None:
    parts = [kept(2, 1), kept(3), kept(1, 2)]
    joined = SoftTargets.joined(parts)
    assert joined.starts.tolist() == [0, 2, 3, 6, 7, 9]
    for number, part, own in ((0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 2, 0), (4, 2, 1)):
        expected = parts[part].rows([own])
        assert torch.equal(joined.tokens[joined.rows([number])], parts[part].tokens[expected])
        assert torch.equal(joined.log_probs[joined.rows([number])], parts[part].log_probs[expected])
    assert joined.tokens.dtype == torch.int32


def test_one_part_is_joined_to_itself() -> None:
    alone = kept(2, 4)
    assert all(torch.equal(own, its) for own, its in zip(SoftTargets.joined([alone]), alone, strict=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("cached", [True, False])
def test_the_label_term_takes_the_memory_of_the_logits_and_changes_no_gradient(
    cached: bool, smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objectives, "forward", lambda output, batch, **_: output)
    numbers, settings = torch.Generator().manual_seed(1), Distillation()
    given, taught = (torch.randn(7, 50, generator=numbers) for _ in range(2))
    labels, tokens = torch.randint(50, (7,), generator=numbers), taught.topk(8).indices
    log_probs = top_log_probs(taught, tokens, settings.temperature)

    def output(logits: torch.Tensor) -> Any:
        return Forward(logits=logits, labels=labels, rows=torch.tensor([7]), encoder_states=(), decoder_states=())

    def soft(logits: torch.Tensor) -> torch.Tensor:
        if cached:
            return cached_distillation_loss(logits, tokens, log_probs, settings.temperature)
        return distillation_loss(logits, taught, settings.temperature)

    flops: Any = None
    objective = (
        CachedObjective(settings, smoothing, SoftTargets(tokens.int(), log_probs, torch.tensor([0, 7])))
        if cached
        else TeacherObjective(settings=settings, smoothing=smoothing, teacher_flops=flops, teacher=output(taught))
    )
    weights, expected = given.clone().requires_grad_(), given.clone().requires_grad_()
    logits = 1 * weights
    loss = objective.loss(output(logits), [0], {})
    assert torch.equal(logits, given.log_softmax(-1))
    loss.backward()
    apart = settings.label_weight * label_loss(1 * expected, labels, smoothing) + settings.logit_weight * soft(expected)
    apart.backward()
    assert torch.equal(loss, apart)
    assert weights.grad is not None
    assert expected.grad is not None
    assert torch.equal(weights.grad, expected.grad)
