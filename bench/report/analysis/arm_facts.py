"""Facts of a line beside its scores: means over its arms, and for teachers the size, speed and FLOPs of the large model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.report.analysis.significance import Floats
from bench.results import arm_columns as columns
from bench.results.table import Results

LARGE_FACTS = {columns.LARGE_MS: columns.STUDENT_MS, columns.LARGE_FLOPS: columns.STUDENT_FLOPS}
TEACHER_FACTS = {columns.TEACHER_PARAMETERS: columns.STUDENT_PARAMETERS, **LARGE_FACTS}
"""Size of the teacher, and measurements of the large model -> the columns of the same facts for a student."""


@dataclass(frozen=True)
class TeacherFacts:
    """Facts about the teachers of arms."""

    names: tuple[str, ...]
    """Columns of TEACHER_FACTS that were recorded."""
    values: Floats
    """(arms, names)."""
    done: NDArray[np.bool_]
    """(arms,): whether the arm is done."""

    @classmethod
    def of(cls, arms: pd.DataFrame) -> TeacherFacts:
        """Collect the facts from `arms`, which come from `results.arms`."""
        names = tuple(name for name in TEACHER_FACTS if name in arms.columns)
        return cls(names, arms[[*names]].to_numpy(dtype=np.float64), arms["status"].eq("done").to_numpy())

    def means(self, arms: NDArray[np.intp], is_large: bool) -> dict[str, float]:
        """Return means over those of `arms` that are done, or over all of them where none is.

        `arms` holds positions. `is_large` says whether the large model was the teacher.
        """
        values = self.values[arms[self.done[arms]] if self.done[arms].any() else arms]
        found = {name: column[~np.isnan(column)] for name, column in zip(self.names, values.T, strict=True)}
        kept = {name: column for name, column in found.items() if len(column) and (is_large or name not in LARGE_FACTS)}
        return {TEACHER_FACTS[name]: float(column.mean()) for name, column in kept.items()}


def of_lines(arms: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return line -> means over its arms that are done, or over all of them where none is."""
    done = arms["status"].eq("done")
    counted = arms[done | ~arms["name"].isin(arms.loc[done, "name"])].drop(columns=["seed", "label_share"])
    means = counted.groupby("name").mean(numeric_only=True).to_dict("index")
    return {str(line): {str(name): value for name, value in of.items() if not math.isnan(value)} for line, of in means.items()}


def taught_by(found: Results, arm: str) -> tuple[str, bool]:
    """Return the name of the teacher of an arm's student, and whether it is the large model."""
    settings = found.records[arm].settings if arm in found.records else {}
    endpoint, teacher = settings.get("endpoint"), settings.get("teacher", {})
    if isinstance(endpoint, dict):
        return f"{endpoint.get('model', 'an LLM')}, prompted", False
    if isinstance(teacher, str):
        return f"{found.suite.get('models', {}).get(teacher, teacher)}, prompted", False
    large = str(found.suite.get("large", "the large model"))
    return (large if teacher is None else f"{large}, tuned"), True
