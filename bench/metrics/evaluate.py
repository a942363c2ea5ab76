"""Any metric of Hugging Face's package `evaluate`, from a folder or from its hub."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from pydantic import Field, JsonValue

from bench.contracts import ContentPath, Direction, Metric, Score
from bench.errors import BenchError
from bench.system.home import expanded
from bench.system.one_line import shown

CHECKED = 8
"""Number of references on which a metric is tried before any money is spent."""


class Evaluate(Metric):
    """One number from the result of a metric of `evaluate`.

    It is a corpus value, without values per example. A metric is a Python script, and loading it runs it. Use
    only scripts that you trust, and pin those from the hub with `revision`. A folder needs no network. The
    script is first copied below HF_HOME, which must be writable. Predictions stay in memory, so parallel arms
    do not wait for each other's files. The seeds of NumPy and torch are 0 during the computation.

    Raises BenchError where the metric cannot be loaded, fails, or returns no such number.
    """

    uses_gpu: ClassVar[bool] = True  # a script may

    path: ContentPath
    """A folder NAME that contains NAME.py, such as './metrics/bertscore', or a name on the hub. A folder with
    that name has priority. `~` is the home folder."""
    key: str | None = None
    """Which number of the result to use. Optional where there is only one."""
    direction: Direction = "higher"
    """Which direction is better."""
    unit: str = "points"
    """Unit of the number as the metric returns it. Nothing is rescaled. Points lie between 0 and 100."""
    revision: str | None = None
    """Commit on the hub."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """Further arguments of the metric's `compute`."""

    @property
    def score_names(self) -> tuple[str, ...]:
        name = Path(self.path).stem
        return (name if self.key in (None, name) else f"{name}.{self.key}",)

    @property
    def unranked(self) -> tuple[str, ...]:
        return self.score_names if self.direction == "none" else ()

    def folder(self) -> Path | None:
        return folder if (folder := expanded(self.path)).is_dir() else None

    def prepare(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            self._load(scratch)

    def check(self, references: Sequence[str]) -> Sequence[str]:
        """Refuse a metric that scores copies of some references like empty texts, because it ignores their whole content. Raises BenchError
        also where the metric fails on copies. It would otherwise fail after the money is spent."""
        some = [reference for reference in references if reference][:CHECKED]
        if not some:
            return ()
        with patch("torch.cuda.is_available", return_value=False):  # the process that starts the arms does not use the GPU
            copied = self.score(some, some)[0].value
            try:
                empty = self.score([""] * len(some), some)[0].value
            except BenchError:  # a metric may refuse empty texts
                return ()
        if copied == empty and self.direction != "none":
            raise BenchError(
                f"metric '{self.path}' scores copies of {len(some)} references like empty texts, {copied:g}: its tokenizer seems "
                f"to drop their script (the first is {shown(some[0])}); set a tokenizer under `options`, or use chrf"
            )
        return ()

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        if len(predictions) != len(references):
            raise ValueError(f"{len(predictions)} predictions for {len(references)} references")
        with tempfile.TemporaryDirectory() as scratch:
            metric = self._load(scratch)
            try:
                result = dict(metric.compute(predictions=list(predictions), references=list(references), **self.options))
            except Exception as error:  # the script's author decides what it raises
                raise BenchError(f"metric '{self.path}' failed: {_line(error)}") from error
        numbers = [key for key, value in result.items() if isinstance(value, Real)]
        wanted = numbers if self.key is None else [self.key]
        if len(wanted) != 1 or wanted[0] not in numbers:
            raise BenchError(f"metric '{self.path}': key must name one of its numbers: {', '.join(numbers) or 'there are none'}")
        value = float(result[wanted[0]])
        if not math.isfinite(value):
            raise BenchError(f"metric '{self.path}': '{wanted[0]}' is {value}, not a number to compare")
        return [Score(self.score_names[0], value, self.unit, self.direction)]

    def _load(self, scratch: str) -> Any:
        import evaluate

        try:
            return evaluate.load(str(expanded(self.path)), revision=self.revision, keep_in_memory=True, cache_dir=scratch, seed=0)
        except Exception as error:  # a script, the hub's client or an HTTP library may raise anything
            hint = "; a name is loaded from the hub, so without a network give the path of a folder" if isinstance(error, OSError) else ""
            raise BenchError(f"metric '{self.path}' cannot be loaded: {_line(error)}{hint}") from error


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
