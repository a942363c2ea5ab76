"""Optimisers, by their names in a suite."""

from __future__ import annotations

from typing import Any

import torch

from bench.training.settings import Tuning, check_optimizer


def optimizer_of(model: Any, tuning: Tuning) -> torch.optim.Optimizer:
    """Return an optimiser for the parameters that are trained. Matrices have weight decay; norms and biases have none. Raises BenchError
    where the optimiser's library is not installed."""
    check_optimizer(tuning.optimizer)
    learning = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": tuning.weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if tuning.optimizer == "adafactor":
        from transformers.optimization import Adafactor

        optimizer = Adafactor(groups, lr=tuning.learning_rate, scale_parameter=False, relative_step=False)
    elif tuning.optimizer == "adamw_8bit":
        from bitsandbytes.optim import AdamW8bit

        optimizer = AdamW8bit(groups, lr=tuning.learning_rate)
    else:
        optimizer = torch.optim.AdamW(groups, lr=tuning.learning_rate, fused=True)
    return optimizer
