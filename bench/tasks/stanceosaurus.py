"""Claim and tweet -> the stance of the tweet, one of five."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bench.tasks._class_labels import ClassLabels


class Stanceosaurus(ClassLabels):
    """'claim: ... tweet: ...' -> one of five stances: Stanceosaurus (Zheng et al. 2022) as Kang, Xu, Ritter 2023 use it. Their test
    file has 4,750 rows.

    Limits. Many rows share a claim, so where test is split off `train` by hash, its claims are seen in training. Sources are
    long, 68 words on average and 122 at the 95th percentile of the test file: 128 tokens, the authors' default, cut the tail,
    which is the tweet replied to and the title of what is linked.

    A trap: published cells of 45.4, 45.5 and 35.2 are the constants, all Discussing (2,160 of 4,750) and all Irrelevant, the
    class that the authors take invalid outputs for. Their F1 is micro F1, which is accuracy then; look at macro F1 too.
    """

    prefix: str = "stanceosaurus: "
    """Put before every source that a model reads."""
    max_target_tokens: int = Field(default=8, ge=2)
    """Labels are cut, and generation stops, here; a class is 5 of T5's tokens or fewer."""
    label_usd: float | None = Field(default=0.364, ge=0)
    """Price of one label in dollars, as the authors estimate it."""
    train: str = "stanceosaurus_train_all.json"
    """File of the labelled examples."""
    test: str | None = "stanceosaurus_test_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    classes: ClassVar[tuple[str, ...]] = ("Irrelevant", "Supporting", "Refuting", "Discussing", "Querying")
