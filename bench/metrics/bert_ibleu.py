"""BERT-iBLEU of paraphrases: the same meaning in other words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from bench.contracts import ContentPath, Metric, Score
from bench.errors import BenchError
from bench.metrics._means import mean
from bench.metrics._self_bleu import WORDS, self_bleu, tokens
from bench.system import machine
from bench.system.home import expanded
from bench.system.hub_mirror import MODELS, folder_of, missing_from
from bench.system.one_line import shown

if TYPE_CHECKING:
    from bench.metrics._bert_score import Encoder


class BertIbleu(Metric):
    """Paraphrases against what they paraphrase: the references must be the sources. 0 to 100 points, means over examples.

    - `bert_score`: BERTScore F1 of output and source, not rescaled (see _bert_score). An empty output scores 0.
    - `self_bleu`: BLEU-4 of the output against the source (see _self_bleu). Neither way is better by itself.
    - `bert_ibleu`: (beta + 1) / (beta / BERTScore + 1 / (1 - self-BLEU)), their weighted harmonic mean; 0 for a copy.

    Where the encoder cannot be had, the first and the last are missing, and say why. Where it is there but cannot be used,
    `prepare` raises BenchError.

    Two traps. Self-BLEU is not smoothed, so it is 0 where no four words in a row are kept, and a copy of a source of under
    four words scores as the best of paraphrases; `check` counts those. And BERTScore of unrelated texts is far above 0: from one
    encoder to another scores do not compare. Kang, Xu, Ritter 2023 (run_t5.py) do the same, except that they add 1e-5 to both scores, and
    that an empty output becomes the words 'no prediction', and is scored as those.

    Source: Niu, Yavuz, Zhou, Keskar, Wang, Xiong 2021, Unsupervised Paraphrasing with Pretrained Language Models (EMNLP,
    arXiv 2010.12885), whose beta is 4.
    """

    model: ContentPath = Field(default="microsoft/deberta-xlarge-mnli", min_length=1)
    """The encoder: a folder in the transformers layout with *.safetensors, or the hub id of a copy under `--models`."""
    layer: int = Field(default=40, ge=0)
    """Which layer's states are compared; 0 is before the first. Of the default model bert-score takes the 40th of 48."""
    idf: bool = True
    """Weigh tokens by how few of the references hold them; else all alike."""
    beta: float = Field(default=4.0, gt=0)
    """Weight of BERTScore against 1 for the rest."""
    batch_size: int = Field(default=32, ge=1)
    """Texts encoded at a time."""

    @property
    def score_names(self) -> tuple[str, ...]:
        return "bert_ibleu", "bert_score", "self_bleu"

    def folder(self) -> Path:
        """The encoder's folder, whether or not it is there."""
        return folder_of(self.model, MODELS) or expanded(self.model)

    def prepare(self) -> None:
        if not self._absence():
            self._encoder("cpu")  # a look at its files; the process that starts the arms keeps off the GPU

    def absent(self) -> Mapping[str, str]:
        reason = self._absence()
        return {"bert_ibleu": reason, "bert_score": reason} if reason else {}

    def check(self, references: Sequence[str]) -> list[str]:
        short = [reference for reference in references if len(tokens(reference)) < WORDS]
        told = f"metric 'bert_ibleu': {len(short):,} of {len(references):,} references have fewer than {WORDS} words between spaces"
        if 2 * len(short) > len(references):
            raise BenchError(
                f"{told} (the first is {shown(short[0])}), so that copies would pass for the best paraphrases; use another metric"
            )
        warnings = [f"{told}; a copy of one passes for the best of paraphrases"] if short else []
        if self._absence():
            return warnings
        from bench.metrics._bert_score import unknown_share

        unknown = unknown_share(self.folder(), references)
        if unknown > 0.5:
            raise BenchError(
                f"metric 'bert_ibleu': the encoder {self.folder()} does not know {unknown:.0%} of the tokens of the references; "
                "set `model` to one that knows their script"
            )
        return warnings

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        copied = [self_bleu(p, r) for p, r in zip(predictions, references, strict=True)]
        copies = mean("self_bleu", [100 * value for value in copied], direction="none")
        if absence := self._absence():
            missing = partial(Score, value=None, unit="points", direction="higher", reason=absence)
            return [missing("bert_ibleu"), missing("bert_score"), copies]
        from bench.metrics._bert_score import bert_score

        alike = bert_score(self._encoder(machine.device("auto")), predictions, references, self.idf, self.batch_size)
        mixed = [100 * self._mixed(b, s) for b, s in zip(alike, copied, strict=True)]
        return [mean("bert_ibleu", mixed), mean("bert_score", [100 * value for value in alike]), copies]

    def _mixed(self, bert_score: float, self_bleu: float) -> float:
        if bert_score <= 0 or self_bleu >= 1:
            return 0.0
        return (self.beta + 1) / (self.beta / bert_score + 1 / (1 - self_bleu))

    def _absence(self) -> str:
        """Why there is no encoder; empty where there is one."""
        folder = self.folder()
        if not folder.is_dir():
            return f"no encoder: there is no folder '{self.model}', {missing_from(MODELS)}"
        if not any(folder.glob("*.safetensors")):
            return f"no encoder: {folder} holds no *.safetensors, and pickled weights, which can run code, are never loaded"
        return ""

    def _encoder(self, device: str) -> Encoder:
        from bench.metrics._bert_score import Encoder

        try:
            return Encoder(self.folder(), self.layer, device)
        except Exception as error:  # transformers, safetensors and tokenizers raise what they like
            raise BenchError(f"metric 'bert_ibleu': {self.folder()} cannot be used: {' '.join(str(error).split())}") from error
