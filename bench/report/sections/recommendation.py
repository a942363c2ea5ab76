"""The recommendation for a budget in one paragraph: the best setting, its certainty, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.contracts import METERS
from bench.report.analysis.break_even import MOVED, BreakEven, break_evens
from bench.report.analysis.budget_curves import Field, Mixture
from bench.report.analysis.decision import Verdict, covered, verdict
from bench.report.analysis.format import score
from bench.report.markdown import conjoined, count, escape, listed, number
from bench.report.sections.decision_map import interval
from bench.results.repricing import FIXED, Quotes, goods

SEEDS_AT_MOST = 30
"""A larger number of seeds is not recommended."""

NOT_TO_BE_SETTLED = "To settle it, both would have to be run with two seeds or more, and with scores kept example by example."


def paragraph(field: Field, budget_usd: float, quotes: Quotes) -> str:
    """Return the paragraph as Markdown."""
    told = verdict(field, budget_usd, quotes)
    if told.best is None:
        nothing = "was run with so much money" if covered(field, budget_usd, quotes) else "was run that such a budget covers"
        said = [f"{_asked(told, field)}: nothing {nothing}.", _range(field, quotes), *_as_it_was_run(told, field), _more(told, field)]
        return " ".join(filter(None, said))
    said = [_what_to_do(told, field), _runner_up(told), *_as_it_was_run(told, field), *_what_would_change_it(told, field)]
    said += [_more(told, field)]
    return " ".join(filter(None, said))


def _asked(told: Verdict, field: Field) -> str:
    return f"**{escape(field.task)}, {told.budget_usd:g} USD, a label at {told.quotes.price('label', field.task):.3g} USD**"


def _what_to_do(told: Verdict, field: Field) -> str:
    best = told.candidates[0]
    doing = "take" if told.has_winner else "the best guess is" if len(told.candidates) > 1 else "something is told of one setting alone,"
    name = escape(field.metric.name)
    how = "as it was run" if best.measured else f"interpolated between budgets of {_budgets(best)} USD"
    return (
        f"{_asked(told, field)}: {doing} **{escape(best.name)}**: {_allocation(best, told.quotes, field)}. "
        f"Expected {name}: {score(field.reached(best))} ({how})."
    )


def _budgets(mixture: Mixture) -> str:
    return conjoined([f"{part.point.budget_usd:g}" for part in mixture.parts])


def _allocation(mixture: Mixture, quotes: Quotes, field: Field) -> str:
    """Return text such as 'buy 720 labels for 72.00 USD and 2.91 USD of compute; 74.91 USD in all'."""
    labels = mixture.amount("label")
    usd = {sold: mixture.amount(sold) * quotes.price(sold, field.task) for sold in goods()}
    compute = sum(usd[good] for good in dict.fromkeys(meter.bought for meter in METERS.values()) if good)
    tokens = usd["prompt_tokens"] + usd["output_tokens"]
    parts = [f"buy {labels:,.0f} labels for {number(usd['label'])} USD" if labels else "buy no labels"]
    named = {"compute": compute, "tokens of an endpoint": tokens, "work priced by the item": mixture.amount(FIXED)}
    parts += [f"{number(cost)} USD of {what}" for what, cost in named.items() if cost]
    return f"{conjoined(parts)}; {number(mixture.dollars)} USD in all"


def _runner_up(told: Verdict) -> str:
    if len(told.candidates) < 2:
        return ""
    second, gap = told.candidates[1], told.ahead[0]
    tie = "which cannot be told apart from it" if gap.has_interval else "of which no interval is known"
    words = tie if second in told.tied else "which is worse"
    others = [mixture.name for mixture in told.tied if mixture is not second]
    also = f"; nor can {listed(others, 3)}" if others and gap.has_interval else ""
    return f"Runner-up: {escape(second.name)}, {words} (behind by {score(gap)}, for {number(second.dollars)} USD{also})."


def _as_it_was_run(told: Verdict, field: Field) -> Iterator[str]:
    """Yield a setting run with a smaller budget that is better than the best one here, and costs less than
    this budget."""
    found = covered(field, told.budget_usd, told.quotes)
    if not found or (told.best and field.sign * (found[1].mean - told.best.mean) <= 0):
        return
    name, point, usd = found
    reached = score(field.measured(point))
    said = f"What **{escape(name)}** did with {point.budget_usd:g} USD costs {number(usd)} USD at these prices"
    yield f"{said}, and reached {reached}: the same can be done again, with {number(told.budget_usd - usd)} USD left over."


def _what_would_change_it(told: Verdict, field: Field) -> Iterator[str]:
    """Yield, for each kind of price, the nearest price at which another strategy is as good."""
    best = told.candidates[0].name
    ties = [tie for tie in break_evens(field, [told.budget_usd], told.quotes) if tie.usd is not None and best in (tie.below, tie.above)]
    for moved in MOVED:
        of_kind = [tie for tie in ties if tie.moved == moved]
        if of_kind:
            nearest = min(of_kind, key=lambda tie: abs(math.log((tie.usd or 1.0) / told.quotes.price(moved, field.task))))
            yield _flip(nearest, best)


def _flip(tie: BreakEven, best: str) -> str:
    side, other = ("above", tie.above) if best == tie.below else ("below", tie.below)
    sure = interval(tie) if tie.low <= tie.high else "(interval not known)"
    return f"With {MOVED[tie.moved]} {side} {tie.usd:.3g} USD {sure} it would be {escape(other)}."


def _more(told: Verdict, field: Field) -> str:
    """Return which further arms would settle the question."""
    if told.not_covered and not told.has_winner:
        others = listed(list(told.not_covered), 3)
        return f"To settle it, run {others} with about {told.budget_usd:g} USD (`budgets_usd`): so far nothing is told of that."
    if told.tied:
        return _seeds(told, field) if told.ahead[0].has_interval else NOT_TO_BE_SETTLED
    return ""


def _seeds(told: Verdict, field: Field) -> str:
    """Return how many seeds would make the difference significant, if it is the true one.

    The width of the interval falls with the square root of the number of seeds.
    """
    gap = told.ahead[0]
    half = (gap.high - gap.low) / 2
    wanted = field.seeds * (half / gap.mean) ** 2 if gap.mean else math.inf
    names = conjoined([escape(mixture.name) for mixture in told.candidates[:2]])
    if wanted > SEEDS_AT_MOST:
        return f"No affordable number of further seeds would tell {names} apart: take the cheaper one."
    further = count(max(math.ceil(wanted) - field.seeds, 1), "further seed")
    return f"To settle it, run {names} with {further} (`seeds`), if the difference is as it seems."


def _range(field: Field, quotes: Quotes) -> str:
    ranges = [(offer.name, *offer.range) for offer in field.offers(quotes)]
    said = [f"{escape(name)} from {low:.3g}" + (f" to {high:.3g}" if math.isfinite(high) else "") + " USD" for name, low, high in ranges]
    return f"At these prices something is told of {conjoined(said)}." if said else ""
