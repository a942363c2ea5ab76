"""The task of classifying the stance of a tweet towards a claim."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bench.tasks._class_labels import ClassLabels


class Stanceosaurus(ClassLabels):
    """'claim: ... tweet: ...' -> one of five stances: Stanceosaurus.

    The data is that of Zheng et al. 2022 as Kang, Xu, Ritter 2023 use it. Their test file has 4,750 rows.

    Limits: many rows share a claim. Where test is split off `train` by hash, its claims are seen in training. Sources are long: in the test
    file they have 68 words on average, and 122 at the 95th percentile. The authors' default of 128 tokens cuts the end: the tweet that is
    replied to, and the title of the linked page.

    A trap: published cells of 45.4, 45.5 and 35.2 are constants: all Discussing (2,160 of 4,750) and all Irrelevant, the class that the
    authors assume for invalid outputs. The published F1 is micro F1, which then equals accuracy. Look at macro F1 too.
    """

    prefix: str = "stanceosaurus: "
    """Text before every source that a model reads."""
    max_target_tokens: int = Field(default=8, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut. A class has 5 of T5's tokens or fewer."""
    label_usd: float | None = Field(default=0.364, ge=0)
    """Price of one label in dollars, as the authors estimate it."""
    train: str = "stanceosaurus_train_all.json"
    """File of the labelled examples."""
    test: str | None = "stanceosaurus_test_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    classes: ClassVar[tuple[str, ...]] = ("Irrelevant", "Supporting", "Refuting", "Discussing", "Querying")
