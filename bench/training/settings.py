"""How a model is trained, as settings."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Part
from bench.errors import BenchError, CheckpointError

Freeze = Literal["none", "embeddings", "encoder"]
"""What fine-tuning leaves as it is; 'encoder' freezes the embeddings as well."""

Optimizer = Literal["adamw", "adafactor", "adamw_8bit"]
"""How gradients become steps, and what is remembered of them."""


def check_freeze(freeze: Freeze, causal: bool) -> None:
    """Raises CheckpointError where the encoder is to be frozen and the model, which is `causal`, has none."""
    if causal and freeze == "encoder":
        raise CheckpointError("freeze: encoder: a decoder-only model has no encoder; expected `embeddings` or `none`")


def is_installed(optimizer: Optimizer) -> bool:
    """Whether the library that it comes from is there; that of the others always is."""
    return optimizer != "adamw_8bit" or find_spec("bitsandbytes") is not None


def check_optimizer(optimizer: Optimizer) -> None:
    """Raises BenchError where its library is not installed."""
    if not is_installed(optimizer):
        raise BenchError(f"optimizer: {optimizer} needs bitsandbytes, which is not installed; `pip install bitsandbytes`, or take `adamw`")


class Lora(Part):
    """Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): a pair of narrow matrices beside each linear layer learns, and every weight
    of the model itself stays as it is. When the training is over their product is added to the weights, and the model is a plain one.

    All linear layers of encoder and decoder have such a pair, as Dettmers et al. 2023 (QLoRA, arXiv 2305.14314, section 4) found needed to
    come up to training everything; Hu et al. took queries and values alone. The output layer has none.
    """

    rank: int = Field(default=8, ge=1)
    """Numbers between the two matrices of a pair. Hu et al. compare 1 to 64 (section 7.2); more take more memory and FLOPs."""
    alpha: float = Field(default=16.0, gt=0)
    """What the pair adds is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate of what goes into a pair."""


class Tuning(Part):
    """Settings of one training. The defaults suit small T5 models and a few hundred to a few thousand examples."""

    epochs: int = Field(default=3, ge=1)
    """Times that every example is seen."""
    min_steps: int = Field(default=0, ge=0)
    """Small sets get further epochs until so many steps are made."""
    batch_size: int = Field(default=8, ge=1)
    """Examples a step."""
    micro_batch_size: int | None = Field(default=None, ge=1)
    """Examples in memory at a time: a step adds up the gradients of its batch, so many examples after so many (gradient accumulation). The
    same result but for rounding and dropout's draws, in less memory and, on a GPU, more time; charges by FLOPs stay the same. Missing: the
    whole batch at once."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Highest rate. T5 is tuned at 1e-4 to 1e-3 (Raffel et al. 2020, section 3.1.2: 1e-3); BART and Pegasus students at 3e-5
    to 3e-4 (Shleifer and Rush 2020, make scripts)."""
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps, or of the money, over which the rate rises from 0, before it falls."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after that: in a straight line, as half a cosine, or not at all."""
    final_rate_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the highest rate at which it ends."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled decay of matrices; norms and biases have none."""
    optimizer: Optimizer = "adamw"
    """'adafactor' keeps no first moment: 8 instead of 16 bytes a parameter (Shazeer and Stern 2018); Pegasus' own choice.
    'adamw_8bit' keeps both moments in 8 bits, block by block: some 10 bytes a parameter (Dettmers et al. 2022, arXiv 2110.02861); it needs
    bitsandbytes, which leaves what has fewer than 4,096 numbers in 32 bits."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this Euclidean norm."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability spread over the vocabulary; Pegasus was tuned with 0.1 (Zhang et al. 2020, appendix C)."""
    dropout: float | None = Field(default=0.0, ge=0, lt=1)
    """Dropout rate in place of the checkpoint's own; missing: its own (mostly 0.1, which takes 10 % more time on a CPU)."""
    freeze: Freeze = "embeddings"
    """What stays as it is: 'none'; 'embeddings' (with positions and output layer, whether or not that is the embedding too);
    'encoder' (and embeddings). Shleifer and Rush freeze both for students with a whole encoder. With `lora` all weights stay, and
    'encoder' says that only the decoder gets adapters."""
    lora: Lora | None = None
    """Train adapters of low rank instead of the weights, then add them to these, so that what comes out is a plain model: `{rank: 8}`, also
    with `alpha` (16; what is learnt counts alpha / rank times) and `dropout` (0). Missing: train the weights. Not with freeze 'none'."""
    checkpointing: bool = False
    """Keep no activations within layers and compute them a second time on the way back (Chen et al. 2016, arXiv 1604.06174): less memory,
    up to a third more time, the same result but for rounding. Charges by FLOPs stay the same: they are the model's."""

    @property
    def at_once(self) -> int:
        """Examples in memory at a time."""
        return min(self.batch_size, self.micro_batch_size or self.batch_size)

    @property
    def rank(self) -> int:
        """Of the adapters; 0 without."""
        return self.lora.rank if self.lora else 0

    @model_validator(mode="after")
    def _adapters_leave_the_weights(self) -> Self:
        if self.lora and self.freeze == "none":
            raise ValueError("lora leaves all weights as they are: freeze is `embeddings`, or `encoder` for adapters in the decoder alone")
        return self


class Distillation(Part):
    """How a student learns what its teacher makes of the same inputs: knowledge distillation (KD).

    The loss is the sum of its terms by their weights. Where not said otherwise, the defaults are those of Shleifer and Rush 2020
    (seq2seq-distillation/distillation.py). With logit_weight 1 and label_weight 0 it is that of Kang, Xu, Ritter 2023 (run_t5.py).
    """

    logit_weight: float = Field(default=0.8, ge=0)
    """Of the divergence of the student's next-token distributions from the teacher's (their alpha_ce)."""
    label_weight: float = Field(default=0.2, ge=0)
    """Of the cross-entropy of the labels (alpha_mlm)."""
    hidden_weight: float = Field(default=0.0, ge=0)
    """Of the mean squared difference of hidden states, summed over layers (alpha_hid). 3 in train_distilbart_xsum.sh."""
    temperature: float = Field(default=2.0, gt=0)
    """Divides the logits before the softmax; 2 in Kang et al. as well."""
    normalize_hidden: bool = True
    """Whether each token's states are brought to mean 0 and variance 1 before they are compared. Off in their scripts for BART;
    for Pegasus, on and with supervised layers, it made 20 points of ROUGE (transformers #6834)."""
    teacher_outputs: Literal["cached", "every_step"] = "cached"
    """'cached': the teacher sees each example once and its likeliest tokens are kept; 'every_step': it runs in every step, as in
    the published code of both papers."""
    top_k: int = Field(default=32, ge=1)
    """Tokens kept at each place of a cached label; the others are kept as one. Not of the papers, which cache nothing."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if not (self.logit_weight or self.hidden_weight):
            raise ValueError("with logit_weight and hidden_weight 0 nothing is learnt from the teacher: one of them is above 0")
        if self.hidden_weight and self.teacher_outputs == "cached":
            raise ValueError("hidden_weight above 0 needs teacher_outputs 'every_step': hidden states are not kept")
        return self
