"""Shows the forecast of a suite on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table

from bench.contracts import FLOPS, Phase
from bench.forecast.device import added
from bench.forecast.fit.arms import TooLarge
from bench.forecast.fit.terminal import verdict
from bench.forecast.gpus import GIB
from bench.forecast.suite import SuiteForecast
from bench.forecast.totals import Total, is_paid_work_made
from bench.suite.arms import Arm

PURPOSES = {"labels": "labels $", **{phase.value: phase.heading for phase in Phase if phase.heading}}
"""Labels or a phase -> head of its column of dollars."""


def blocks(plan: SuiteForecast, too_large: TooLarge | None = None) -> Iterator[RenderableType]:
    """Yield the blocks: money, then time, memory and energy, then the totals. too_large: the largest training that does not fit."""
    yield _money(plan)
    if not all(_is_known(plan, arm) for arm in plan.planned):
        meter = plan.suite.spec.prices.meter
        yield f"The meter `{meter}` counts compute only while it runs. No arm spends more than its budget."
    if any(not forecast.exact for forecast in plan.planned.values()):
        bounded = [total for arm, total in plan.standalone.items() if not plan.planned[arm].writes_more]
        shorter = plan.suite.spec.prices.paying is FLOPS and any(_usd(one.expected_usd) != _usd(one.at_most_usd) for one in bounded)
        expected = "; expected dollars assume outputs as long as your labels" if shorter else ""
        yield f"Columns by purpose assume outputs of the maximum length{expected}."
    if plan.device:
        yield ""
        yield _work(plan)
        yield from (f"Not forecast (?): {what}, because {why}" for what, why in plan.device.reasons.items())
        yield f"Time, memory and energy: on {plan.device.title}. Each row counts all work of its arm, even work that other arms share."
    yield ""
    yield from _totals(plan)
    if plan.device and plan.too_large:
        room, most = plan.device.room_bytes, max(plan.too_large.values())
        yield (
            f"{len(plan.too_large)} of {len(plan.planned)} arms do not fit: an arm can use {room / GIB:.1f} GiB, and they need up to "
            f"{most / GIB:.1f}."
        )
        if too_large:
            phase = too_large.phase.replace("_", " ")
            yield f"The largest training is the {phase} of {too_large.arm.column}. {verdict(too_large.answer, too_large.card)}"
        else:
            yield "To need less, set micro_batch_size, freeze or adafactor, or use fewer --workers; `bench fit` compares them."
    yield from _to_go(plan)


def _is_known(plan: SuiteForecast, arm: Arm) -> bool:
    """Return whether an arm's dollars are known. They are where the meter is known in advance, or where all work that its purse pays is
    already made."""
    return plan.suite.spec.prices.paying.known_in_advance or is_paid_work_made(plan.suite, plan.planned[arm])


def _money(plan: SuiteForecast) -> Table:
    known = {arm: _is_known(plan, arm) for arm in plan.planned}
    usd = {
        arm: {
            purpose: math.fsum(charge.usd for charge in forecast.charges if charge.phase == purpose and charge.paid_by == "purse")
            for purpose in PURPOSES
        }
        for arm, forecast in plan.planned.items()
    }
    shown = [purpose for purpose in PURPOSES if not all(known.values()) or any(paid[purpose] for paid in usd.values())]
    bounded = any(_has_bound(plan, arm) for arm in plan.planned)
    sums = ("expected $", "at most $") if bounded else ("left $",)
    table = _table("labels bought", "pseudo-labels", *(PURPOSES[purpose] for purpose in shown), *sums)
    for arm, forecast in plan.planned.items():
        counts = [f"{forecast.facts.get(name, 0):,.0f}" for name in ("labels_bought", "pseudo_labels")]
        cells = [f"{usd[arm][purpose]:z.2f}" if purpose == "labels" or known[arm] else "?" for purpose in shown]
        total, left = plan.standalone[arm], f"{arm.budget_usd - math.fsum(usd[arm].values()):z.2f}"
        both = [_usd(total.expected_usd), _usd(total.at_most_usd) if _has_bound(plan, arm) else ""] if bounded else [left]
        ending = f"{forecast.status}: {forecast.stops}" if forecast.stops else ""
        if record := plan.records.get(arm):
            ending = record.status + (f": {record.reason}" if record.reason else "")
        table.add_row(*_who(arm), *counts, *cells, *both, ending)
    return table


def _has_bound(plan: SuiteForecast, arm: Arm) -> bool:
    """Return whether the arm's dollars are not exact, so that an upper bound is shown beside them."""
    total = plan.standalone[arm]
    return not plan.planned[arm].exact or _usd(total.expected_usd) != _usd(total.at_most_usd)


def _work(plan: SuiteForecast) -> Table:
    table = _table("training steps", "TFLOP", "time", "peak GiB", "Wh")
    for arm, total in plan.standalone.items():
        taken, forecast = total.taken, plan.planned[arm]
        flops = math.fsum(work.bill.flops for work in forecast.works)
        peak = "?" if taken.peak_bytes is None else f"{taken.peak_bytes / GIB:.1f}"
        cells = [f"{forecast.steps:,}", _figure(flops / 1e12), duration(total.seconds), peak, _wh(taken.kwh)]
        table.add_row(*_who(arm), *cells, "does not fit" if arm in plan.too_large else "")
    return table


def _table(*heads: str) -> Table:
    """Return a table of arms with these columns of numbers, and one of remarks."""
    table = Table("task", "strategy (setting)", box=None, padding=(0, 1))
    for head in ("seed", "budget", *heads):
        table.add_column(head, justify="right")
    table.add_column("")
    return table


def _who(arm: Arm) -> tuple[str, str, str, str]:
    return arm.task_label, arm.column, str(arm.seed), f"${arm.budget_usd:g}"


def _totals(plan: SuiteForecast) -> Iterator[str]:
    standalone, once = plan.standalone.values(), plan.deduplicated
    budgets = math.fsum(arm.budget_usd for arm in plan.planned)
    expected, most = added([total.expected_usd for total in standalone]), math.fsum(total.at_most_usd for total in standalone)
    exact = all(forecast.exact for forecast in plan.planned.values())
    yield f"All arms: {_both(expected, most, exact)}, of ${budgets:,.2f} in budgets."
    yield f"With shared labels and work counted once: {_both(once.expected_usd, once.at_most_usd, exact)}."
    if plan.device:
        each = duration(added([total.seconds for total in standalone]))
        spread = _spread(once, plan.workers, [total.seconds for total in standalone])
        start = "The start of processes and the scoring of texts are not included."
        if once.start_s:
            start = f"This includes the start of {len(standalone)} processes ({duration(once.start_s)}) but not the scoring of texts."
        yield f"Time of all arms: {each}; with shared work done once: {spread}; {_wh(once.taken.kwh)} Wh. {start}"


def _to_go(plan: SuiteForecast) -> Iterator[str]:
    """Yield what is left to do, where a run has begun."""
    open_ = {arm: forecast for arm, forecast in plan.planned.items() if arm not in plan.records}
    failed = sum(record.status == "failed" for record in plan.records.values())
    again = f" {failed} failed: `bench run --retry` runs them again." if failed else ""
    if not open_:
        yield again.strip() or "All arms have ended: `bench run` has nothing to do."
    elif plan.records or any(forecast.begun for forecast in plan.planned.values()):
        time, device = "", plan.device
        if device:
            left = []
            for arm, forecast in open_.items():
                seconds = [device.takes(work).seconds for work in forecast.works if not work.shared]
                left.append(added([device.start_s(arm.task_label) or 0.0, *seconds]))
            time = f" in {_spread(plan.remaining, plan.workers, left)}"
        both = _both(plan.remaining.expected_usd, plan.remaining.at_most_usd, all(forecast.exact for forecast in open_.values()))
        so_far = f"{len(plan.records)} of {len(plan.planned)} arms have ended; `bench run` reuses their work."
        yield f"{so_far} Left to do: {both}{time}.{again}"


def _both(expected: float | None, most: float, exact: bool) -> str:
    """Return dollars such as '$3.20' if they are exact, 'at most $3.20', or '$3.20 expected, at most $4.00'."""
    if _usd(expected) == _usd(most):
        return f"${_usd(most)}" if exact else f"at most ${_usd(most)}"
    return f"${_usd(expected)} expected, at most ${_usd(most)}"


def _spread(total: Total, workers: int, arms: Iterable[float | None]) -> str:
    """Return a time such as '8 min, 4 min with 2 processes at a time'. It is at least that of the longest arm, whose steps run one after
    the other."""
    seconds, longest = total.seconds, max((one for one in arms if one is not None), default=0.0)
    parallel = duration(None if seconds is None else max(longest, seconds / workers))
    return duration(seconds) + (f", {parallel} with {workers} processes at a time" if workers > 1 else "")


def duration(seconds: float | None) -> str:
    """Return a time such as '48 s', '3.2 min', '1.4 h', '2.1 days', or '?' where it is unknown."""
    if seconds is None:
        return "?"
    for most, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.{0 if unit == 1 and seconds >= 10 else 1}f} {name}"
    return f"{seconds / 86400:.1f} days"


def _usd(usd: float | None) -> str:
    return "?" if usd is None else f"{usd:z,.2f}"


def _wh(kwh: float | None) -> str:
    return "?" if kwh is None else _figure(1000 * kwh)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
