"""How a model is trained, as settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.contracts import Part

Freeze = Literal["none", "embeddings", "encoder"]
"""What fine-tuning leaves as it is; 'encoder' freezes the embeddings as well."""


class Tuning(Part):
    """Settings of one training. The defaults suit small T5 models and a few hundred to a few thousand examples."""

    epochs: int = Field(default=3, ge=1)
    """Times that every example is seen."""
    min_steps: int = Field(default=0, ge=0)
    """Small sets get further epochs until so many steps are made."""
    batch_size: int = Field(default=8, ge=1)
    """Examples a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Highest rate. T5 is tuned at 1e-4 to 1e-3 (Raffel et al. 2020, section 3.1.2: 1e-3); BART and Pegasus students at 3e-5
    to 3e-4 (Shleifer and Rush 2020, make scripts)."""
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps, or of the money, over which the rate rises from 0, before it falls to 0 in a straight line."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled decay of matrices; norms and biases have none."""
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    """'adafactor' keeps no first moment: 8 instead of 16 bytes a parameter (Shazeer and Stern 2018); Pegasus' own choice."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this Euclidean norm."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability spread over the vocabulary; Pegasus was tuned with 0.1 (Zhang et al. 2020, appendix C)."""
    dropout: float | None = Field(default=0.0, ge=0, lt=1)
    """Dropout rate in place of the checkpoint's own; missing: its own (mostly 0.1, which takes 10 % more time on a CPU)."""
    freeze: Freeze = "embeddings"
    """What stays as it is: 'none'; 'embeddings' (with positions and output layer, whether or not that is the embedding too);
    'encoder' (and embeddings). Shleifer and Rush freeze both for students with a whole encoder."""
    kd_weight: float = Field(default=0.0, ge=0, le=1)
    """Weight of a teacher's soft labels (logit distillation) in the loss; the rest is on the labels. Unused without a teacher."""
    kd_temperature: float = Field(default=2.0, gt=0)
    """Temperature of the soft labels: 2 (Shleifer and Rush 2020; Kang et al. 2023, run_t5.py)."""
