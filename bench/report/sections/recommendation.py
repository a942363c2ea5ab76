"""The recommendation for a budget in one paragraph: the best setting, its certainty, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.contracts import METERS
from bench.report.analysis.break_even import MOVED, break_evens
from bench.report.analysis.budget_curves import Field
from bench.report.analysis.decision import Verdict, covered, verdict
from bench.report.analysis.format import score
from bench.report.analysis.pair import Pair
from bench.report.analysis.ranking import LOOKED_AT
from bench.report.blocks import Text, code, sentences, strong
from bench.report.sections import advice
from bench.report.text import conjoined, dollars, interval, named
from bench.results.repricing import FIXED, Quotes, goods


def recommend(field: Field, budget_usd: float, quotes: Quotes, suite: str) -> Text:
    """Return the paragraph. `suite` is the path of the suite file, for a command."""
    found = verdict(field, budget_usd, quotes)
    asked = (strong(f"{field.task}, {budget_usd:g} USD, a label at {quotes.price('label', field.task):.3g} USD"), ":")
    if found.best is None:
        ranges = [(offer.name, *offer.range) for offer in field.offers(quotes)]
        ends = [f"{name} from {low:.3g}" + (f" to {high:.3g}" if math.isfinite(high) else "") + " USD" for name, low, high in ranges]
        known = f"Scores are known for {conjoined(ends)}." if ends else ""
        return sentences([asked, f"{_why_nothing(field, found)}.", known, *_as_it_was_run(found, field), _more(found)])
    pairs = [_pair(found, field)] if len(found.candidates) > 1 else []
    next_ones = [text for pair in pairs for text in _next_ones(found, pair)]
    details = [*next_ones, *_as_it_was_run(found, field), *_what_would_change_it(found, field), _more(found)]
    return sentences([asked, *_what_to_do(found, field), *details, advice.add_seeds(pairs, suite)])


def _why_nothing(field: Field, found: Verdict) -> str:
    """Return why no setting has a score at this budget."""
    if not covered(field, found.budget_usd, found.quotes):
        return "every run cost more than this budget"
    if all(offer.range[1] < found.budget_usd for offer in field.offers(found.quotes)):
        return "every setting was run with less money"
    return "no setting was run near this budget"


def _what_to_do(found: Verdict, field: Field) -> Iterator[Text]:
    """Yield the best setting, texts such as 'buy 720 labels for 72.00 USD and 2.91 USD of compute; 74.91 USD in all', and its score."""
    best = found.candidates[0]
    labels = best.amount("label")
    usd = {sold: best.amount(sold) * found.quotes.price(sold, field.task) for sold in goods()}
    compute = sum(usd[good] for good in dict.fromkeys(meter.bought for meter in METERS.values()) if good)
    tokens = usd["prompt_tokens"] + usd["output_tokens"]
    parts = [f"buy {labels:,.0f} labels for {dollars(usd['label'])} USD" if labels else "buy no labels"]
    named = {"compute": compute, "tokens of an endpoint": tokens, "work priced by the item": best.amount(FIXED)}
    parts += [f"{dollars(cost)} USD of {what}" for what, cost in named.items() if cost]
    if len(found.candidates) == 1:
        yield "Only one setting was run near this budget."
    elif not found.has_winner:
        yield "There is no winner."
    kind: advice.Advice = "take" if found.has_winner else "guess" if len(found.candidates) > 1 else "only"
    yield advice.recommended(best.name, f"{conjoined(parts)}, {dollars(best.dollars)} USD in all", kind)
    budgets = conjoined([f"{part.point.budget_usd:g}" for part in best.parts])
    how = "as it was run" if best.measured else f"interpolated between budgets of {budgets} USD"
    yield f"Expected {field.metric.name}: {score(field.reached(best))} ({how})."


def _pair(found: Verdict, field: Field) -> Pair:
    """Return the best setting and the first one that ties with it, or the next one."""
    best, second = found.candidates[0], next(iter(found.tied), found.candidates[1])
    gap = found.ahead[found.candidates.index(second) - 1]
    return Pair(
        best=best.name,
        second=second.name,
        gap=gap,
        spread=field.ranking(found.candidates[:LOOKED_AT]).spread(best.name, second.name),
        settings=len(found.candidates),
        spent_usd=(best.dollars, second.dollars),
    )


def _next_ones(found: Verdict, pair: Pair) -> Iterator[Text]:
    """Yield the next setting, and those that are not significantly worse either."""
    yield advice.next_one(pair)
    others = [mixture.name for mixture in found.tied if mixture.name != pair.second]
    if others and pair.gap and pair.gap.tested:
        yield f"Also not significantly worse: {named(others)}."


def _as_it_was_run(found: Verdict, field: Field) -> Iterator[Text]:
    """Yield a setting run with a smaller budget that is better than the best one here, and costs less than this budget."""
    known = covered(field, found.budget_usd, found.quotes)
    if not known or (found.best and field.sign * (known[1].mean - found.best.mean) <= 0):
        return
    name, point, usd = known
    left = found.budget_usd - usd
    yield (
        "The run of ",
        strong(name),
        f" with {point.budget_usd:g} USD costs {dollars(usd)} USD at these prices and reached {score(field.measured(point))}. Repeating it "
        f"leaves {dollars(left)} USD.",
    )


def _what_would_change_it(found: Verdict, field: Field) -> Iterator[str]:
    """Yield, for each kind of price, the nearest price at which another strategy is as good."""
    best = found.candidates[0].name
    ties = [tie for tie in break_evens(field, [found.budget_usd], found.quotes) if tie.usd is not None and best in (tie.below, tie.above)]
    for moved in MOVED:
        of_kind = [tie for tie in ties if tie.moved == moved]
        if of_kind:
            nearest = min(of_kind, key=lambda tie: abs(math.log((tie.usd or 1.0) / found.quotes.price(moved, field.task))))
            side, other = ("above", nearest.above) if best == nearest.below else ("below", nearest.below)
            known = (
                interval(nearest.low, nearest.high, nearest.least, nearest.most) if nearest.low <= nearest.high else "(interval not known)"
            )
            yield f"With {MOVED[moved]} {side} {dollars(nearest.usd, computed=True)} USD {known} the best is {other}."


def _more(found: Verdict) -> Text:
    """Return which arms are missing at this budget; '' where there is a winner, or none is missing."""
    if found.has_winner or not found.not_covered:
        return ""
    return (f"To settle it, run {named(found.not_covered)} with about {found.budget_usd:g} USD (", code("budgets_usd"), ").")
