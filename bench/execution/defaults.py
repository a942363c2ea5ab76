"""Defaults of a run. `bench run --help` shows them, so nothing is imported here."""

from __future__ import annotations

CHECKPOINT_MINUTES = 5.0
"""Minutes between two checkpoints of a training."""
