"""Settings of training."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bench.contracts import Part
from bench.errors import BenchError, CheckpointError

Freeze = Literal["none", "embeddings", "encoder"]
"""The parts of the model that fine-tuning does not change. 'encoder' freezes the embeddings as well."""

Optimizer = Literal["adamw", "adafactor", "adamw_8bit"]
"""Names of the optimisers."""


def check_freeze(freeze: Freeze, causal: bool) -> None:
    """Raise CheckpointError where the encoder is to be frozen and the model is decoder-only (`causal`)."""
    if causal and freeze == "encoder":
        raise CheckpointError("freeze: encoder: a decoder-only model has no encoder; expected `embeddings` or `none`")


def is_installed(optimizer: Optimizer) -> bool:
    """Return whether the optimiser's library is installed. Only that of 'adamw_8bit' is optional."""
    return optimizer != "adamw_8bit" or find_spec("bitsandbytes") is not None


def check_optimizer(optimizer: Optimizer) -> None:
    """Raise BenchError where the optimiser's library is not installed."""
    if not is_installed(optimizer):
        raise BenchError(f"optimizer: {optimizer} needs bitsandbytes, which is not installed; `pip install bitsandbytes`, or take `adamw`")


class Lora(Part):
    """Low-rank adaptation (LoRA, Hu et al. 2021, arXiv 2106.09685).

    Each linear layer gets a pair of narrow matrices, and only these are trained. After training their product is added to the layer's
    weights, and the result is a plain model.

    All linear layers of encoder and decoder are adapted. Dettmers et al. 2023 (QLoRA, arXiv 2305.14314, section 4) found this necessary to
    match full fine-tuning. Hu et al. adapted queries and values alone. The output layer is not adapted.
    """

    rank: int = Field(default=8, ge=1)
    """Inner dimension of a pair of matrices. Hu et al. compare 1 to 64 (section 7.2). A higher rank takes more memory and FLOPs."""
    alpha: float = Field(default=16.0, gt=0)
    """Scale of the adapters: the output of a pair is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate at the input of a pair."""


class Tuning(Part):
    """Settings of one training. The defaults suit small T5 models and a few hundred to a few thousand examples."""

    added: ClassVar[tuple[str, ...]] = ("cache_encoder",)

    epochs: int = Field(default=3, ge=1)
    """Number of times that every example is seen."""
    min_steps: int = Field(default=0, ge=0)
    """Smallest number of training steps. A small data set is seen in further epochs until this number is reached."""
    batch_size: int = Field(default=8, ge=1)
    """Examples in a training step."""
    micro_batch_size: int | None = Field(default=None, ge=1)
    """Examples in memory at a time (gradient accumulation). Missing: the whole batch at once.

    A step adds up the gradients of its batch over parts of this size. The result is the same except for rounding and dropout's draws. It
    takes less memory and, on a GPU, more time. Charges by FLOPs stay the same.
    """
    learning_rate: float = Field(default=1e-3, gt=0)
    """Highest learning rate. T5 is tuned at 1e-4 to 1e-3 (Raffel et al. 2020, section 3.1.2: 1e-3). BART and
    Pegasus students are tuned at 3e-5 to 3e-4 (Shleifer and Rush 2020, make scripts)."""
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps, or of the money, over which the learning rate rises from 0 to its highest value."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Shape of the learning rate's fall after warm-up: a straight line, half a cosine, or no fall."""
    final_rate_share: float = Field(default=0.0, ge=0, le=1)
    """Learning rate at the end, as a share of the highest one."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of matrices. Norms and biases have none."""
    optimizer: Optimizer = "adamw"
    """Optimiser. Bytes per parameter include weight and gradient. 'adamw' keeps two moments in 32 bits: 16 bytes.
    'adafactor' keeps no first moment: 8 bytes (Shazeer and Stern 2018); Pegasus was trained with it.
    'adamw_8bit' keeps both moments in 8 bits, block by block: about 10 bytes (Dettmers et al. 2022, arXiv
    2110.02861). It needs bitsandbytes, which keeps tensors of fewer than 4,096 numbers in 32 bits."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this Euclidean norm."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Probability spread evenly over the vocabulary. Pegasus was tuned with 0.1 (Zhang et al. 2020, appendix C)."""
    dropout: float | None = Field(default=0.0, ge=0, lt=1)
    """Dropout rate, instead of the checkpoint's own. Missing: the checkpoint's own, mostly 0.1, which takes 10 % more time on a CPU."""
    freeze: Freeze = "embeddings"
    """Weights that are not trained: 'none'; 'embeddings', together with positions and the output layer, whether or not it is tied to the
    embeddings; 'encoder', together with the embeddings. Shleifer and Rush freeze both for students with a whole encoder. With `lora` all
    weights are frozen, and 'encoder' means that only the decoder gets adapters."""
    cache_encoder: bool = True
    """Whether a frozen encoder without dropout computes the states of each document once and keeps them on disk
    while training lasts. Its work is then charged once per document. With false it is computed and charged in
    every epoch. The trained model is the same except for rounding."""
    lora: Lora | None = None
    """Train low-rank adapters instead of the weights, then merge them, so that the result is a plain model. Example: `{rank: 8}`, also with
    `alpha` (16; adapters are scaled by alpha / rank) and `dropout` (0). Missing: train the weights. Not allowed with freeze 'none'."""
    checkpointing: bool = False
    """Whether to recompute the activations within layers in the backward pass instead of keeping them (Chen
    et al. 2016, arXiv 1604.06174). It takes less memory and up to a third more time. The result is the same
    except for rounding. Charges by FLOPs stay the same, because they count the model's FLOPs."""

    @property
    def at_once(self) -> int:
        """Examples in memory at a time."""
        return min(self.batch_size, self.micro_batch_size or self.batch_size)

    @property
    def encodes_once(self) -> bool:
        """Whether the states of a frozen encoder are kept, where the loss allows it."""
        return self.cache_encoder and self.freeze == "encoder" and self.dropout == 0

    def identity(self) -> dict[str, Any]:
        """See Part.identity. `cache_encoder` counts where it changes something: states that are kept."""
        same = {name: value for name, value in super().identity().items() if name != "cache_encoder"}
        return same | ({"cache_encoder": True} if self.encodes_once else {})

    @property
    def rank(self) -> int:
        """Rank of the adapters; 0 without LoRA."""
        return self.lora.rank if self.lora else 0

    @model_validator(mode="after")
    def _adapters_leave_the_weights(self) -> Self:
        if self.lora and self.freeze == "none":
            raise ValueError("lora leaves all weights as they are: freeze is `embeddings`, or `encoder` for adapters in the decoder alone")
        return self


class Distillation(Part):
    """Settings of knowledge distillation (KD): a student learns the output of a teacher for the same inputs.

    The loss is the weighted sum of its terms. Unless stated otherwise, the defaults are those of Shleifer and Rush 2020
    (seq2seq-distillation/distillation.py). With logit_weight 1 and label_weight 0 the loss is that of Kang, Xu, Ritter 2023 (run_t5.py).
    """

    logit_weight: float = Field(default=0.8, ge=0)
    """Weight of the divergence of the student's next-token distributions from the teacher's (their alpha_ce)."""
    label_weight: float = Field(default=0.2, ge=0)
    """Weight of the cross-entropy of the labels (their alpha_mlm)."""
    hidden_weight: float = Field(default=0.0, ge=0)
    """Weight of the mean squared difference of hidden states, summed over layers (their alpha_hid; 3 in train_distilbart_xsum.sh)."""
    temperature: float = Field(default=2.0, gt=0)
    """Divisor of the logits before the softmax. Kang et al. use 2 as well."""
    normalize_hidden: bool = True
    """Whether to scale each token's hidden states to mean 0 and variance 1 before they are compared. Their scripts for BART turn it off.
    For Pegasus, on and with supervised layers, it made 20 points of ROUGE (transformers #6834)."""
    teacher_outputs: Literal["cached", "every_step"] = "cached"
    """'cached': the teacher sees each example once, and its likeliest tokens are kept. 'every_step': the
    teacher runs in every step, as in the published code of both papers."""
    top_k: int = Field(default=32, ge=1)
    """Tokens kept at each position of a cached label. All others are kept as one sum. The papers have no such
    setting, because they cache nothing."""

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if not (self.logit_weight or self.hidden_weight):
            raise ValueError("with logit_weight and hidden_weight 0 nothing is learnt from the teacher: one of them is above 0")
        if self.hidden_weight and self.teacher_outputs == "cached":
            raise ValueError("hidden_weight above 0 needs teacher_outputs 'every_step': hidden states are not kept")
        return self
