"""What is kept of a teacher, and found again."""

import torch

from bench.training.objectives import SoftTargets


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
