"""Generates text with torch, on a CPU or a GPU.

From a checkpoint's own generation settings only the start and end tokens are kept: decoder start, bos, eos,
pad and forced bos. A BART that was tuned to begin with its forced bos needs it. Lengths, beams, penalties and
bans are dropped. For example facebook/bart-large-cnn brings min_length 56 and no_repeat_ngram_size 3. With
these a task of ten-word labels cannot be answered, and models of different origin cannot be compared. The
suite's `Decoding` sets how all models decode.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts import Decoding, Engine, LoadedModel, Output, Precision

if TYPE_CHECKING:
    from bench.engines._search import Decoder, EachToken


class Torch(Engine):
    """Greedy and beam search with torch, in the suite's precision. Every family can be generated with."""

    in_keys = False

    def load(
        self,
        folder: Path,
        sources: Sequence[Sequence[int]],  # noqa: ARG002
        *,
        decoding: Decoding,
        precision: Precision,
        device: str,
        cache: Path,  # noqa: ARG002
        ends: Sequence[int] = (),
        converted: Path | None = None,  # noqa: ARG002
    ) -> LoadedModel:
        from bench.training.checkpoints import load

        model, tokenizer = load(folder)
        model.generation_config.eos_token_id = list(dict.fromkeys([*model.generation_config.eos_token_id, *ends]))
        return TorchModel(model, tokenizer, decoding=decoding, precision=precision, device=device, packed=True)


class TorchModel(LoadedModel):
    """A transformers model that generates on a device."""

    def __init__(self, model: Any, tokenizer: Any, *, decoding: Decoding, precision: Precision, device: str, packed: bool = False) -> None:
        """Prepare the weights, and move them to the device.

        Layers of an encoder-decoder become views of larger ones, in the precision. In fp32 the outputs of `model` stay the same, unless
        `packed` lets the output layer take its weights into a faster layout.
        """
        self._model, self._tokenizer, self._decoding = model, tokenizer, decoding
        self._precision, self._device = precision, device
        self._decoder = self._decoder_of(model, packed)

    def _decoder_of(self, model: Any, packed: bool) -> Decoder:
        import torch

        from bench.engines._decoder_only import DecoderOnly
        from bench.engines._stacks import StackDecoder
        from bench.engines._weights import stacks_of

        if not model.config.is_encoder_decoder:
            return DecoderOnly(model.to(self._device))
        dtype = torch.bfloat16 if self._precision == "bf16" else torch.float32
        stacks = stacks_of(model, dtype, self._device, packed=packed)
        return StackDecoder(stacks, model.generation_config.decoder_start_token_id)

    def generate(
        self, sources: Sequence[Sequence[int]], max_tokens: int, min_tokens: int = 0, each_token: EachToken = lambda: None
    ) -> list[Output]:
        """Return one output for each source, in order. `each_token` is called before the first token and after each one.

        Sources of a decoder-only model are padded on the left, so that all outputs continue from the same position.
        """
        import torch

        from bench.engines._search import Limits, search
        from bench.training.batches import decode, pad

        model, settings = self._model, self._model.generation_config
        left = not model.config.is_encoder_decoder
        ids = pad(sources, model.config.pad_token_id, left=left).to(self._device)
        mask = pad([[1] * len(source) for source in sources], 0, left=left).to(self._device)
        limits = Limits(
            max_tokens=max_tokens,
            min_tokens=min_tokens,
            ends=torch.tensor(settings.eos_token_id, device=self._device),
            forced_first=settings.forced_bos_token_id,
        )
        kind = self._device.partition(":")[0]
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.bfloat16, enabled=self._precision == "bf16"):
            found = search(self._decoder, ids, mask, limits, self._decoding.beams, self._decoding.length_penalty, each_token)
        ended = [bool(one.tokens) and one.tokens[-1] in settings.eos_token_id for one in found]
        texts = decode(self._tokenizer, [one.tokens for one in found])
        return [
            Output(text=text, tokens=len(one.tokens), ended=end, log_prob=one.log_prob)
            for text, one, end in zip(texts, found, ended, strict=True)
        ]
