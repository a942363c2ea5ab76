"""Generates text with CTranslate2, which is faster than torch on CPUs, above all with int8 weights.

A model is converted once: a pretrained one into the cache, before anything is paid, and a trained one as an artifact of its
own (`bench.training.conversion`). Its tokens are named by their ids there, so no text passes through another tokenizer.
Every conversion is compared with torch before it generates anything, on the device that generates. The comparison is a
check and is not charged. It is needed because CTranslate2's converter takes `tie_word_embeddings` for a sign that logits are
scaled, and transformers 5 sets it for Flan-T5 and T5 v1.1 too, whose logits are not. The scale is therefore set by
`scale_decoder_outputs`, and a model that computes anything else than torch's is refused.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from bench.contracts import Decoding, Engine, LoadedModel, Output, Precision
from bench.engines.torch import Torch
from bench.errors import BenchError
from bench.system.files import build_once
from bench.system.fingerprints import of_folder

PACKAGE = "ctranslate2"
INSTALL = "pip install 'ctranslate2>=4.8'"
FAMILIES = ("t5", "mt5", "bart", "pegasus")
"""Values of `model_type` whose models are converted and compared with torch in the tests."""

COMPARED_DOCUMENTS, COMPARED_TOKENS = 20, 16
"""Documents that are compared with torch, and the longest output in tokens."""

ComputeType = Literal["float32", "int8", "bfloat16"]

TOLERANCE: dict[ComputeType, float] = {"float32": 0.005, "int8": 0.5, "bfloat16": 0.25}
"""Largest mean difference of log-probabilities for each token, in nats, that the compute type explains. A scale that is
missing or added changes them by more than 1."""


class CTranslate2(Engine):
    """CTranslate2 4.8 or later, for T5, mT5, BART and Pegasus. It ignores the suite's `precision`."""

    compute_type: ComputeType = "float32"
    """Type of the weights and products. 'int8' is the fastest on most CPUs and changes outputs. 'bfloat16' needs a device
    that has it."""

    converts: ClassVar[bool] = True

    def reference(self) -> Engine:
        return Torch()

    def check(self, folder: Path, device: str) -> None:
        from bench.training.checkpoints import read_config

        if find_spec(PACKAGE) is None:
            raise BenchError(f"engine: {PACKAGE} is not installed; `{INSTALL}`, or take `engine: {{use: torch}}`")
        import ctranslate2

        kind = _kind(device)
        try:
            known = ctranslate2.get_supported_compute_types(kind)
        except RuntimeError as error:
            raise BenchError(f"engine: {PACKAGE} cannot use {kind} ({error}); take `engine: {{use: torch}}`") from error
        if self.compute_type not in known:
            raise BenchError(f"engine: compute_type {self.compute_type} is not available on {kind}; there are: {', '.join(sorted(known))}")
        if (family := read_config(folder).model_type) not in FAMILIES:
            raise BenchError(
                f"engine: {PACKAGE} is not used for models of the type '{family}' ({folder}), only for {', '.join(FAMILIES)}; "
                "take `engine: {use: torch}`"
            )

    def versions(self) -> str:
        return f"{version(PACKAGE)}-{version('transformers')}"

    def convert(self, folder: Path, to: Path) -> None:
        from bench.training.checkpoints import load

        model, _ = load(folder)
        _converter(model, folder).convert(str(to))  # in fp32: the weights get their compute type when they are loaded

    def verify(self, folder: Path, sources: Sequence[Sequence[int]], *, device: str, cache: Path, converted: Path | None = None) -> None:
        if converted is None:
            self._in_cache(folder, sources, device, cache)
        else:
            self._compare(folder, converted, sources, device)

    def load(
        self,
        folder: Path,
        sources: Sequence[Sequence[int]],
        *,
        decoding: Decoding,
        precision: Precision,  # noqa: ARG002
        device: str,
        cache: Path,
        ends: Sequence[int] = (),
        converted: Path | None = None,
    ) -> LoadedModel:
        from bench.training.checkpoints import load_tokenizer, read_generation_config

        self.check(folder, device)
        settings = read_generation_config(folder)
        return _Model(
            _translator(converted or self._in_cache(folder, sources, device, cache), device, self.compute_type),
            load_tokenizer(folder),
            decoding=decoding,
            ends=tuple(dict.fromkeys([*settings.eos_token_id, *ends])),
            forced_first=settings.forced_bos_token_id,
        )

    def _in_cache(self, folder: Path, sources: Sequence[Sequence[int]], device: str, cache: Path) -> Path:
        """Return the conversion that the cache holds for this device. Raises BenchError where it does not compute what torch does."""

        def build(part: Path) -> None:
            self.convert(folder, part)
            self._compare(folder, part, sources, device)

        name = "-".join([of_folder(folder, cache), _kind(device), self.compute_type, self.versions()])
        return build_once(cache / PACKAGE / name, build)

    def _compare(self, folder: Path, converted: Path, sources: Sequence[Sequence[int]], device: str) -> None:
        if not sources:
            raise BenchError(f"engine: there is no document on which {PACKAGE} could be compared with torch; take `engine: {{use: torch}}`")
        difference = _difference(folder, converted, sources[:COMPARED_DOCUMENTS], device, self.compute_type)
        if not difference <= TOLERANCE[self.compute_type]:  # also where it is no number
            raise BenchError(
                f"engine: with {PACKAGE} ({self.compute_type}) the log-probabilities of {folder} differ from torch's by {difference:.3f} "
                f"for each token, at most {TOLERANCE[self.compute_type]} are explained by rounding; take `engine: {{use: torch}}`"
            )


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _translator(folder: Path, device: str, compute_type: ComputeType) -> Any:
    import ctranslate2
    import torch

    return ctranslate2.Translator(str(folder), device=_kind(device), compute_type=compute_type, intra_threads=torch.get_num_threads())


def _converter(model: Any, folder: Path) -> Any:
    """Return CTranslate2's converter for a loaded model. It reads neither weights nor code from anywhere else."""
    from ctranslate2.converters import TransformersConverter

    config, decoder = model.config, model.get_decoder()
    if config.model_type in ("t5", "mt5"):  # the converter reads the first for the second, which mT5 lacks
        config.tie_word_embeddings = getattr(config, "scale_decoder_outputs", False)
    else:
        config.normalize_before = hasattr(decoder, "layer_norm")
        config.normalize_embedding = hasattr(decoder, "layernorm_embedding")

    class Converter(TransformersConverter):  # type: ignore[misc]
        def load_model(self, *_: Any, **__: Any) -> Any:
            return model

        def load_tokenizer(self, *_: Any, **__: Any) -> Any:
            return _Ids(config)

    return Converter(str(folder))


class _Ids:
    """A tokenizer for the converter whose tokens are the ids."""

    def __init__(self, config: Any) -> None:
        """Take the special tokens from the model's config."""
        self._size = config.vocab_size
        self.pad_token = str(config.pad_token_id)
        self.bos_token = self.unk_token = self.pad_token
        self.eos_token = str(config.eos_token_id)

    def get_vocab(self) -> dict[str, int]:
        return {str(token): token for token in range(self._size)}

    def convert_ids_to_tokens(self, token: int) -> str:
        return str(token)


def _difference(folder: Path, converted: Path, sources: Sequence[Sequence[int]], device: str, compute_type: ComputeType) -> float:
    """Return the mean difference between the log-probabilities of CTranslate2 and torch for its greedy outputs, for each token."""
    from bench.training.checkpoints import read_generation_config

    settings = read_generation_config(folder)
    model = _Model(
        _translator(converted, device, compute_type),
        None,
        decoding=Decoding(),
        ends=settings.eos_token_id,
        forced_first=settings.forced_bos_token_id,
    )
    written = model.ids(sources, COMPARED_TOKENS)
    del model  # before torch loads the same weights
    expected = _log_probs(folder, sources, [tokens for tokens, _ in written], device, skipped=settings.forced_bos_token_id is not None)
    return statistics.mean(abs(found - log_prob) / len(tokens) for found, (tokens, log_prob) in zip(expected, written, strict=True))


def _log_probs(folder: Path, sources: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]], device: str, skipped: int) -> list[float]:
    """Return torch's log-probability of each output, in fp32. The first `skipped` tokens of an output do not count."""
    import torch

    from bench.training.batches import Encoded, collate
    from bench.training.checkpoints import load
    from bench.training.forward import forward

    model, found = load(folder)[0].to(device), list[float]()
    for source, tokens in zip(sources, outputs, strict=True):
        with torch.inference_mode():
            out = forward(model, collate([Encoded(tuple(source), tuple(tokens))], model.config, device))
        each = torch.log_softmax(out.logits.float(), -1).gather(-1, out.labels[:, None])
        found.append(float(each[skipped:].sum()))
    return found


class _Model(LoadedModel):
    """A converted model."""

    def __init__(self, translator: Any, tokenizer: Any, *, decoding: Decoding, ends: Sequence[int], forced_first: int | None) -> None:
        """Keep what `generate` needs. `ends` are the tokens that end an output."""
        self._translator, self._tokenizer, self._decoding = translator, tokenizer, decoding
        self._ends, self._forced_first = list(ends), forced_first

    def generate(self, sources: Sequence[Sequence[int]], max_tokens: int, min_tokens: int = 0) -> list[Output]:
        from bench.training.batches import decode

        found = self.ids(sources, max_tokens, min_tokens)
        texts = decode(self._tokenizer, [tokens for tokens, _ in found])
        return [
            Output(text=text, tokens=len(tokens), ended=bool(tokens) and tokens[-1] in self._ends, log_prob=log_prob)
            for text, (tokens, log_prob) in zip(texts, found, strict=True)
        ]

    def ids(self, sources: Sequence[Sequence[int]], max_tokens: int, min_tokens: int = 0) -> list[tuple[list[int], float]]:
        """Return (token ids, log-probability) for each source."""
        greedy = self._decoding.beams == 1
        penalty = 0.0 if greedy else self._decoding.length_penalty
        prefix = None if self._forced_first is None else [[str(self._forced_first)]] * len(sources)
        results = self._translator.translate_batch(
            [[str(token) for token in source] for source in sources],
            target_prefix=prefix,
            beam_size=self._decoding.beams,
            length_penalty=penalty,
            max_input_length=0,
            max_decoding_length=max_tokens,
            min_decoding_length=min_tokens,
            end_token=self._ends,
            return_end_token=True,
            return_scores=True,
        )
        found = (([int(token) for token in result.hypotheses[0]], result.scores[0]) for result in results)
        return [(tokens, score * len(tokens) ** penalty) for tokens, score in found]
