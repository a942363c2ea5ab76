"""BERT-iBLEU of paraphrases, which rewards the same meaning in different words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

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
    """BERT-iBLEU of paraphrases. The references must be the sources.

    All scores are means over examples, 0 to 100 points.

    - `bert_score`: BERTScore F1 of output and source, not rescaled (see _bert_score). An empty output scores 0.
    - `self_bleu`: BLEU-4 of the output against the source (see _self_bleu). Neither direction is better by itself.
    - `bert_ibleu`: (beta + 1) / (beta / BERTScore + 1 / (1 - self-BLEU)), their weighted harmonic mean. A copy scores 0.

    Without an encoder, `bert_score` and `bert_ibleu` are missing, with the reason. Where the encoder's folder exists but cannot be used,
    `prepare` raises BenchError.

    There are two traps. First, self-BLEU is not smoothed, so it is 0 where no four consecutive words are kept. A copy of a source of under
    four words therefore scores like the best paraphrase; `check` counts such sources. Second, BERTScore of unrelated texts is far above 0,
    so scores of different encoders are not comparable.

    Kang, Xu, Ritter 2023 (run_t5.py) compute the same with two differences. They add 1e-5 to both scores, and they score an empty output as
    the words 'no prediction'.

    Source: Niu, Yavuz, Zhou, Keskar, Wang, Xiong 2021, Unsupervised Paraphrasing with Pretrained Language Models (EMNLP, arXiv 2010.12885),
    whose beta is 4.
    """

    model: ContentPath = Field(default="microsoft/deberta-xlarge-mnli", min_length=1)
    """The encoder: a folder in the transformers layout with *.safetensors, or the hub id of a copy under `--models`."""
    layer: int = Field(default=40, ge=0)
    """Layer whose states are compared. 0 is the input of the first layer. For the default model bert-score uses layer 40 of 48."""
    idf: bool = True
    """Weight tokens by their rarity in the references. If false, all tokens weigh the same."""
    beta: float = Field(default=4.0, gt=0)
    """Weight of BERTScore. The weight of 1 - self-BLEU is 1."""
    batch_size: int = Field(default=32, ge=1)
    """Texts encoded at a time."""

    uses_gpu: ClassVar[bool] = True

    score_names: ClassVar[tuple[str, ...]] = ("bert_ibleu", "bert_score", "self_bleu")
    unranked: ClassVar[tuple[str, ...]] = ("self_bleu",)

    def folder(self) -> Path:
        """Return the encoder's folder, whether or not it exists."""
        return folder_of(self.model, MODELS) or expanded(self.model)

    def prepare(self) -> None:
        if not self._absence():
            self._encoder("cpu")  # this only checks its files, because the process that starts the arms does not use the GPU

    def absent(self) -> Mapping[str, str]:
        reason = self._absence()
        return {"bert_ibleu": reason, "bert_score": reason} if reason else {}

    def check(self, references: Sequence[str]) -> list[str]:
        short = [reference for reference in references if len(tokens(reference)) < WORDS]
        found = f"metric 'bert_ibleu': {len(short):,} of {len(references):,} references have fewer than {WORDS} words between spaces"
        if 2 * len(short) > len(references):
            raise BenchError(
                f"{found} (the first is {shown(short[0])}); copies of them would score as the best paraphrases; use another metric"
            )
        warnings = [f"{found}; a copy of one scores as the best paraphrase"] if short else []
        if self._absence():
            return warnings
        from bench.metrics._bert_score import unknown_share

        unknown = unknown_share(self.folder(), references)
        if unknown > 0.5:
            raise BenchError(
                f"metric 'bert_ibleu': the encoder {self.folder()} does not know {unknown:.0%} of the tokens of the references; "
                "set `model` to an encoder trained on their script"
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
        pairs = zip(alike, copied, strict=True)
        mixed = [100 * ((self.beta + 1) / (self.beta / b + 1 / (1 - s))) if b > 0 and s < 1 else 0.0 for b, s in pairs]
        return [mean("bert_ibleu", mixed), mean("bert_score", [100 * value for value in alike]), copies]

    def _absence(self) -> str:
        """Return why there is no encoder, or '' where there is one."""
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
        except Exception as error:  # transformers, safetensors and tokenizers raise many kinds
            raise BenchError(f"metric 'bert_ibleu': {self.folder()} cannot be used: {' '.join(str(error).split())}") from error
