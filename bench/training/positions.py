"""Computes how many tokens a model can read: its number of positions."""

from __future__ import annotations

from typing import Any

from bench.errors import CheckpointError

RELATIVE = ("t5", "mt5")
"""Families whose positions are relative and have no limit. The `n_positions` of their configs is not a limit."""

STRETCHED = ("yarn", "longrope", "llama3")
"""Methods of stretching rotary positions whose `factor` multiplies `original_max_position_embeddings`."""


def positions(config: Any) -> int | None:
    """Return how many tokens a model of this transformers config can read, or None where there is no limit."""
    if config.model_type in RELATIVE:
        return None
    limit: int | None = getattr(config, "max_position_embeddings", None)
    rope = getattr(config, "rope_parameters", None) or {}
    if limit and rope.get("rope_type") in STRETCHED:
        limit = max(limit, int(rope.get("factor", 1) * rope.get("original_max_position_embeddings", 0)))
    return limit


def source_positions(config: Any, target_tokens: int) -> int | None:
    """Return how many tokens of a document it can read beside a label of `target_tokens`, or None where there is no limit."""
    limit = positions(config)
    return limit if limit is None or config.is_encoder_decoder else limit - target_tokens


def needed(config: Any, source_tokens: int, target_tokens: int) -> int:
    """Return the number of positions for a document and its label. A decoder-only model reads both as one text."""
    return max(source_tokens, target_tokens) if config.is_encoder_decoder else source_tokens + target_tokens


def check_positions(title: str, config: Any, source_tokens: int, target_tokens: int) -> None:
    """Raise CheckpointError where a document and label of these lengths exceed the model's positions."""
    limit, needs = positions(config), needed(config, source_tokens, target_tokens)
    if limit and needs > limit:
        raise CheckpointError(
            f"{title}: config.json gives {limit} positions, and documents of {source_tokens} with labels of {target_tokens} tokens "
            f"need {needs}; lower max_source_tokens or max_target_tokens, or take a model that reads more"
        )
