"""The task of verifying a claim without evidence."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from bench.tasks._class_labels import ClassLabels


class Fever(ClassLabels):
    """Claim -> SUPPORTS or REFUTES: FEVER without evidence.

    The data is FEVER (Thorne et al. 2018, arXiv 1803.05355) as Kang, Xu, Ritter 2023 use it. The model reads
    the claim alone. The evidence and the third class are absent, so it can only recall knowledge from
    pretraining. The authors' test file is FEVER's dev set: 10,444 rows, 200 of them with repeated sources.

    A trap: the two classes are almost even, and several published cells equal the constants to the decimal.
    49.7 is all SUPPORTS (5,192 of 10,444), 50.3 all REFUTES. See the metric `classification`.
    """

    prefix: str = "fever: "
    """Text before every source that a model reads."""
    max_target_tokens: int = Field(default=8, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut. A class has 4 of T5's tokens."""
    label_usd: float | None = Field(default=0.129, ge=0)
    """Price of one label in dollars, as the authors estimate it."""
    train: str = "fever_train_all.json"
    """File of the labelled examples."""
    test: str | None = "fever_dev_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    classes: ClassVar[tuple[str, ...]] = ("REFUTES", "SUPPORTS")
