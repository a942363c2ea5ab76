"""A line of the leaderboard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from bench.report.analysis.significance import Estimate

Kind = Literal["setting", "teacher", "baseline"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a board: a setting, a teacher or a baseline."""

    name: str
    kind: Kind
    strategy: str = ""
    """Label of a setting's strategy."""
    scores: Mapping[str, Estimate]
    """Metric -> mean and interval."""
    samples: Mapping[str, pd.DataFrame]
    """Metric -> scores, (seeds, examples), for pairing. One column where a metric gives no score per example."""
    statuses: Mapping[str, int]
    """Status -> number of arms that ended with it."""
    facts: Mapping[str, float]
    """Column of `results.arms` -> mean over the arms that are done, or over all of them where none is."""
    seeds: int = 0
    """Number of seeds with a score."""
    wanted_seeds: int = 0
    """Number of seeds for which any setting of the board has a score. A setting that stopped at a look is to have those until then."""
    stopped: int = 0
    """The look at which a run with --until-decided stopped a setting, from 1; 0 where it did not."""
    teacher: Line | None = None
    """The teachers of a setting."""
    taught: tuple[str, ...] = ()
    """The settings that a teacher taught."""
    who: str = ""
    """The model of a teacher."""

    def fact(self, name: str) -> float:
        """Return one of `facts`; NaN where it is not known."""
        return self.facts.get(name, math.nan)

    @property
    def complete(self) -> bool:
        """Whether it has a score for every seed for which another setting has one."""
        return self.seeds >= self.wanted_seeds
