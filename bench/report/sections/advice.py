"""Sentences that the answer card and `bench recommend` share: what to take, what comes next, and what adds seeds."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from bench.report.analysis.format import score
from bench.report.analysis.significance import FEWEST_EXAMPLES, LEVEL, Estimate
from bench.report.blocks import Text, code, strong
from bench.report.text import cheaper, count

SEEDS_AT_MOST = 30
"""A larger number of further seeds is not recommended."""
SEEDS_BY_DEFAULT = 20
"""Largest number of seeds of a run with --until-decided and without --max-seeds."""

Advice = Literal["take", "guess", "take a model", "guess a model", "only", "only model"]
"""How a setting is recommended. 'a model': a rule without a model is better. 'only': there is no other one."""
HEADS: dict[Advice, str] = {
    "take": "Take ",
    "guess": "The best guess is ",
    "take a model": "If you want a model, take ",
    "guess a model": "If you want a model, the best guess is ",
    "only": "For ",
    "only model": "If you want a model, the only one is ",
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The best setting and the next one."""

    best: str
    second: str
    gap: Estimate | None
    """How much better the best one is; None where nothing can be paired."""
    settings: int
    """Number of settings that are compared."""
    spent_usd: tuple[float, float]
    """Dollars of both; NaN where they are not known."""
    seconds: float = math.nan
    """Time of one further seed of both; NaN where it is not known."""

    @property
    def only_by_itself(self) -> bool:
        """Whether the interval of this one comparison leaves out 0, and the corrected p-value is not significant."""
        return self.gap is not None and self.gap.tested and not self.gap.significant and self.gap.low > 0

    @property
    def seeds(self) -> int:
        """Number of seeds that may separate the two. 0: they are separate, or more than SEEDS_AT_MOST further ones would be needed."""
        if self.gap is None or not self.gap.has_interval or self.gap.significant:
            return 0
        if not self.gap.tested:
            return 2
        further = further_seeds(self.gap)
        return 0 if further > SEEDS_AT_MOST else self.gap.seeds + int(further)


def recommended(name: str, what: str, advice: Advice) -> Text:
    """Return the sentence that recommends a setting. `what` is what to do, such as 'buy 160 labels'; '' where it is not known."""
    if not what and advice == "only":
        return ""
    return (HEADS[advice], strong(name), f": {what}." if what else ".")


def next_one(pair: Pair) -> str:
    """Return the sentence with the next setting, and what would separate it from the best one."""
    if pair.gap is None:
        return f"{pair.second} cannot be compared with it, because the two share no seed and test example."
    alone = f", which is not significant among {pair.settings} settings" if pair.only_by_itself else ""
    return "; ".join(filter(None, [f"Next is {pair.second}, {score(pair.gap)} behind{alone}", _what_decides(pair, pair.gap)])) + "."


def _what_decides(pair: Pair, gap: Estimate) -> str:
    """Return a clause with what would separate the best two settings; '' where they are separate."""
    if not gap.has_interval:
        return f"a test needs two seeds and scores of at least {FEWEST_EXAMPLES} test examples"
    if not gap.tested:
        return "a test needs two seeds"
    if gap.significant:
        return ""
    further = further_seeds(gap)
    if further > SEEDS_AT_MOST:
        cheap = cheaper((pair.best, pair.second), pair.spent_usd)
        choice = f"the cheaper one, {cheap}" if cheap else "either"
        return f"more than {SEEDS_AT_MOST} more seeds would be needed to separate them, so you may take {choice}"
    minutes = further * pair.seconds / 60
    time = f" ({count(max(1, round(minutes)), 'minute')})" if minutes == minutes else ""
    return f"about {count(int(further), 'more seed')}{time} would separate them"


def add_seeds(pairs: Iterable[Pair], suite: str) -> Text:
    """Return the command that adds seeds where these separate the settings of a pair; '' where they do for none. `suite` is a path."""
    seeds = max((pair.seeds for pair in pairs), default=0)
    limit = f" --max-seeds {seeds}" if seeds > SEEDS_BY_DEFAULT else ""
    return ("This adds seeds: ", code(f"bench run {shlex.quote(suite)} --until-decided{limit}")) if seeds else ""


def further_seeds(gap: Estimate) -> float:
    """Return how many further seeds would make a tested difference significant, if it is the true one. At least 1; infinity where it is 0.

    A difference in standard errors grows with the square root of the number of seeds. It is read from the corrected p-value, which decides.
    """
    normal = NormalDist()
    errors, needed = (-normal.inv_cdf(p / 2) for p in (gap.p, LEVEL))
    return max(math.ceil(gap.seeds * (needed / errors) ** 2) - gap.seeds, 1) if errors > 0 else math.inf
