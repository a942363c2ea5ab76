"""Sentences that the answer card and `bench recommend` share: what to take, what comes next, and what adds seeds."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from typing import Literal

from bench.report.analysis.format import score
from bench.report.analysis.pair import SEEDS_AT_MOST, Pair
from bench.report.analysis.significance import FEWEST_EXAMPLES, Estimate
from bench.report.blocks import Text, code, strong
from bench.report.text import cheaper, count

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
    if pair.further_seeds > SEEDS_AT_MOST:
        return _no_seeds(pair)
    minutes = pair.further_seeds * pair.seconds / 60
    time = f" ({count(max(1, round(minutes)), 'minute')})" if minutes == minutes else ""
    return f"about {count(int(pair.further_seeds), 'more seed')}{time} would separate them"


def _no_seeds(pair: Pair) -> str:
    """Return a clause for settings that more seeds separate at too high a price, or not at all."""
    cheap = cheaper((pair.best, pair.second), pair.spent_usd)
    choice = f"so you may take {f'the cheaper one, {cheap}' if cheap else 'either'}"
    if math.isfinite(pair.further_seeds):
        return f"more than {SEEDS_AT_MOST} more seeds would be needed to separate them, {choice}"
    if pair.further_examples is None:
        return f"more seeds cannot separate them, {choice}"
    examples = int(float(f"{pair.further_examples:.2g}"))
    return f"more seeds cannot separate them, but about {count(examples, 'more test example')} would"


def add_seeds(pairs: Iterable[Pair], suite: str) -> Text:
    """Return the command that adds seeds where these separate the settings of a pair; '' where they do for none. `suite` is a path."""
    seeds = max((pair.seeds for pair in pairs), default=0)
    limit = f" --max-seeds {seeds}" if seeds > SEEDS_BY_DEFAULT else ""
    return ("This adds seeds: ", code(f"bench run {shlex.quote(suite)} --until-decided{limit}")) if seeds else ""
