"""The task of paraphrasing a tweet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from bench.contracts import Example, Progress, Rule, Splits, fingerprint
from bench.tasks._json_lines_folder import JsonLinesFolder


class MultipitGen(JsonLinesFolder):
    """Tweet -> paraphrase: MultiPIT's paraphrase generation.

    The data is that of Dou, Jiang, Xu 2022 (arXiv 2210.03235) as Kang, Xu, Ritter 2023 use it. The metric
    `bert_ibleu` scores it by comparing outputs with sources. The target of a test example is therefore its
    own source. The authors' test file does the same, and so does a test split off `train`.

    A limit: 1,519 of the 6,120 rows of the test file have repeated sources, and are left out.

    There are two traps. A metric that rewards likeness to the target, such as ROUGE, rewards copying here.
    BERT-iBLEU gives a copy 0 only from four words on (see the metric).
    """

    prefix: str = "multipit: "
    """Text before every source that a model reads; the authors' name for this task."""
    max_target_tokens: int = Field(default=64, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut."""
    label_usd: float | None = Field(default=0.371, ge=0)
    """Price of one label in dollars, as the authors estimate it."""
    train: str = "multipit_train_all.json"
    """File of the labelled examples."""
    test: str | None = "multipit_test_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits."""
        found = super().splits(cache, progress)
        test = tuple(replace(example, target=example.source) for example in found.test)
        return replace(found, test=test, fingerprint=fingerprint(found.train, found.unlabelled, found.dev, test))

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - a copy learns nothing
        """Return the copy of the source."""
        return {"copy": lambda source: source}
