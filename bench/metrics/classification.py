"""Accuracy, micro F1, macro F1 and the rate of invalid outputs, for classes written as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field, model_validator

from bench.contracts import Form, Metric, Score, is_blank, normal_form
from bench.errors import BenchError
from bench.metrics._means import mean
from bench.metrics._ratio_of_sums import f1, score
from bench.system.one_line import shown


class Classification(Metric):
    """Scores for classes written as text, 0 to 100 points.

    An output names a class if it equals the class's name in normal form, without outer white space.

    - `accuracy`: share of correct outputs. An output that names no class is wrong, whatever the reference.
    - `micro_f1`: 2 x correct / (outputs that name a class + references). It equals accuracy where every
      output names a class. Otherwise it is higher, because an invalid output is a miss but not a false alarm.
    - `macro_f1`: the mean over classes of 2 x correct / (outputs + references of that class). A class that
      occurs in neither outputs nor references is left out. A class that occurs in outputs alone counts as 0.
    - `invalid_rate`: share of outputs that name no class; lower is better.

    Both F1 scores are those of scikit-learn's `f1_score` with `labels` set to these classes. They are ratios of sums, so their values per
    example are linearised (see _ratio_of_sums).

    This metric avoids a trap: the code of Kang, Xu, Ritter 2023 (run_t5.py, postprocess_text) counts every invalid output as class 0. A
    model that has learnt nothing then scores like the constant class 0, here REFUTES, NO or Irrelevant. Several published cells equal such
    constants to the decimal: FEVER 49.7 and 50.3, MultiPIT_id 53.1 and 46.9.

    Raises BenchError where a reference is not one of the classes.
    """

    classes: tuple[str, ...] = Field(min_length=1)
    """Names of the classes."""
    ignore_case: bool = True
    """Ignore the difference between upper and lower case, by Unicode case folding."""

    @model_validator(mode="after")
    def _each_class_once(self) -> Self:
        if any(map(is_blank, self.classes)):
            raise ValueError("a class is blank; delete it from `classes`")
        if len({self.compared(name) for name in self.classes}) < len(self.classes):
            raise ValueError("a class is named twice; delete one")
        return self

    score_names: ClassVar[tuple[str, ...]] = ("accuracy", "micro_f1", "macro_f1", "invalid_rate")
    not_means: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1")

    def in_form(self, form: Form) -> Self:
        return self.model_copy(update={"classes": tuple(map(form, self.classes))})

    def check(self, references: Sequence[str]) -> Sequence[str]:
        classes = {self.compared(name) for name in self.classes}
        strange = next((reference for reference in references if self.compared(reference) not in classes), None)
        if strange is not None:
            raise BenchError(
                f"metric 'classification': the reference {shown(strange)} is not one of the classes {', '.join(self.classes)}; "
                "add it to `classes` or correct the data"
            )
        return ()

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        self.check(references)
        pairs = [(self.compared(p), self.compared(r)) for p, r in zip(predictions, references, strict=True)]
        classes = [self.compared(name) for name in self.classes]
        by_example = [[pair] for pair in pairs]
        return [
            mean("accuracy", [100.0 * (p == r) for p, r in pairs]),
            score("micro_f1", [f1(by_example, classes)]),
            score("macro_f1", [f1(by_example, [name]) for name in classes]),
            mean("invalid_rate", [100.0 * (p not in classes) for p, _ in pairs], direction="lower"),
        ]

    def compared(self, text: str) -> str:
        """Return the form in which this metric compares a text with its classes."""
        text = normal_form(text).strip()
        return text.casefold() if self.ignore_case else text
