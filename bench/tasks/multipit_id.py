"""The task of deciding whether two tweets are paraphrases."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bench.tasks._class_labels import ClassLabels


class MultipitId(ClassLabels):
    """'sentence1: ... sentence2: ...' -> YES or NO: MultiPIT's paraphrase identification.

    The data is that of Dou, Jiang, Xu 2022 (arXiv 2210.03235) as Kang, Xu, Ritter 2023 use it. Their test file has 11,530 rows.

    A limit: pairs share sentences. Where test is split off `train` by hash, a sentence of test can occur in train with another partner.

    A trap: published cells of 53.1 and 46.9 are the constants, all YES (6,120 of 11,530) and all NO. See the metric `classification`.
    """

    prefix: str = "multipit_id: "
    """Text before every source that a model reads."""
    max_target_tokens: int = Field(default=8, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut. A class has 4 of T5's tokens or fewer."""
    label_usd: float | None = Field(default=0.200, ge=0)
    """Price of one label in dollars, as the authors estimate it."""
    train: str = "multipit_id_train_all.json"
    """File of the labelled examples."""
    test: str | None = "multipit_id_test_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    classes: ClassVar[tuple[str, ...]] = ("NO", "YES")
