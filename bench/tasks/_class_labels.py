"""Tasks whose labels are classes, written as words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from bench.contracts import Example, Progress, Rule, Splits, normal_form
from bench.errors import DataError
from bench.tasks._json_lines_folder import JsonLinesFolder
from bench.tasks._trivial_rules import constant


class ClassLabels(JsonLinesFolder):
    """Files of one folder whose targets are classes. The baseline is the majority class."""

    classes: ClassVar[tuple[str, ...]]
    """Names of the classes as the authors write them. The metric `classification` takes them as its setting `classes`."""

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits. Raises DataError where a target is not a class."""
        splits = super().splits(cache, progress)
        classes = set(map(normal_form, self.classes))
        for example in (*splits.train, *splits.dev, *splits.test):
            if example.target not in classes:
                raise DataError(
                    f"{self.folder}: the target '{example.target}' is not one of the classes {', '.join(self.classes)}; "
                    "correct or delete its row"
                )
        return splits

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """Return the most common class of `train`, or the first class where `train` is empty."""
        counts = Counter(example.target for example in train)
        return {"majority class": constant(max(self.classes, key=lambda name: counts[normal_form(name)]))}
