"""Optimisers, by their names in a suite."""

from __future__ import annotations

from typing import Any

import torch

from bench.training.settings import Tuning, check_optimizer


def optimizer_of(model: Any, tuning: Tuning) -> torch.optim.Optimizer:
    """Return an optimiser for the parameters that are trained.

    Matrices have weight decay; norms and biases have none. Raises BenchError where the optimiser's library is not installed.
    """
    check_optimizer(tuning.optimizer)
    learning = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": tuning.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    return {"adamw": _adamw, "adafactor": _adafactor, "adamw_8bit": _adamw_8bit}[tuning.optimizer](groups, tuning.learning_rate)


def _adamw(groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def _adafactor(groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    from transformers.optimization import Adafactor

    optimizer: torch.optim.Optimizer = Adafactor(groups, lr=rate, scale_parameter=False, relative_step=False)
    return optimizer


def _adamw_8bit(groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    from bitsandbytes.optim import AdamW8bit

    optimizer: torch.optim.Optimizer = AdamW8bit(groups, lr=rate)
    return optimizer
