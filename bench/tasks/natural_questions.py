"""The task of answering short questions from memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import Field

from bench.contracts import Example, Rule
from bench.tasks._json_lines_folder import JsonLinesFolder
from bench.tasks._trivial_rules import constant


class NaturalQuestions(JsonLinesFolder):
    """Question -> answer of five words or fewer: Natural Questions, closed book.

    The data is that of Kwiatkowski et al. 2019 as Kang, Xu, Ritter 2023 use it. Their test file is the dev
    set: 2,837 rows, no question twice. The metric `squad` scores it.

    Limits: no passage is given, so a compact model can answer little. The best published one has an F1 of 18.
    Each question has one reference, though other answers may be right. Some answers have changed since.
    """

    prefix: str = "nq: "
    """Text before every source that a model reads."""
    max_target_tokens: int = Field(default=16, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut. 99 % of the dev answers have
    12 of T5's tokens or fewer, and one has 20."""
    label_usd: float | None = Field(default=0.129, ge=0)
    """Price of one label in dollars, as the authors estimate it."""
    train: str = "nq_train_all.json"
    """File of the labelled examples."""
    test: str | None = "nq_dev_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """Return the most common answer of `train`. In the dev file it is '2018', 14 of 2,837."""
        answers = Counter(example.target or "" for example in train)
        return {"commonest answer": constant(max(answers, key=lambda answer: answers[answer], default=""))}
