"""How many tokens a model can read: its positions, where they end."""

from __future__ import annotations

from typing import Any

from bench.errors import CheckpointError

RELATIVE = ("t5", "mt5")
"""Families whose positions are relative, and end nowhere. The `n_positions` of their configs is no limit."""

STRETCHED = ("yarn", "longrope", "llama3")
"""Ways of stretching rotary positions whose `factor` multiplies `original_max_position_embeddings`."""


def positions(config: Any) -> int | None:
    """Tokens that a model of this transformers config can read; None where there is no end to them."""
    if config.model_type in RELATIVE:
        return None
    limit: int | None = getattr(config, "max_position_embeddings", None)
    rope = getattr(config, "rope_parameters", None) or {}
    if limit and rope.get("rope_type") in STRETCHED:
        limit = max(limit, int(rope.get("factor", 1) * rope.get("original_max_position_embeddings", 0)))
    return limit


def source_positions(config: Any, target_tokens: int) -> int | None:
    """Tokens of a document that it can read beside a label of so many; None where there is no end to them."""
    limit = positions(config)
    return limit if limit is None or config.is_encoder_decoder else limit - target_tokens


def needed(config: Any, source_tokens: int, target_tokens: int) -> int:
    """Positions that a document and its label of so many tokens take; a decoder-only model reads both as one text."""
    return max(source_tokens, target_tokens) if config.is_encoder_decoder else source_tokens + target_tokens


def check_positions(title: str, config: Any, source_tokens: int, target_tokens: int) -> None:
    """Raises CheckpointError where such a document and label are longer than the model's positions."""
    limit, needs = positions(config), needed(config, source_tokens, target_tokens)
    if limit and needs > limit:
        raise CheckpointError(
            f"{title}: config.json gives {limit} positions, and documents of {source_tokens} with labels of {target_tokens} tokens "
            f"need {needs}; lower max_source_tokens or max_target_tokens, or take a model that reads more"
        )
