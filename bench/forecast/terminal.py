"""Shows the forecast of a suite on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich.console import RenderableType
from rich.table import Table

from bench.forecast.arm import Forecast
from bench.forecast.device import Device, added
from bench.forecast.gpus import GIB
from bench.forecast.suite import Ahead
from bench.forecast.totals import Total
from bench.suite.arms import Arm
from bench.suite.prices import FORESEEN

PURPOSES = {
    "labels": "labels $",
    "continued_pretraining": "pretraining $",
    "teacher_tuning": "teacher $",
    "pseudo_labelling": "pseudo $",
    "student_training": "student $",
}
"""Phase -> head of its column of dollars."""


def blocks(ahead: Ahead) -> Iterator[RenderableType]:
    """Yield the blocks: money, then time, memory and energy, then the totals."""
    meter = ahead.suite.spec.prices.meter
    yield _money(ahead)
    if not all(_is_known(ahead, arm) for arm in ahead.planned):
        yield f"What compute costs by {meter} is known when it has been measured; the purse stops it at the budget."
    if ahead.device:
        yield ""
        yield _work(ahead)
        for what, why in ahead.device.reasons.items():
            yield f"? where a few steps could not be made: {what}: {why}"
        yield f"Time, memory and energy: on {ahead.device.title}. Each arm as if it did all of its work itself."
    yield ""
    yield from _in_all(ahead)


def _is_known(ahead: Ahead, arm: Arm) -> bool:
    """Return whether an arm's dollars are known.

    They are where the meter is known in advance, or where all work that its purse pays is already made.
    """
    spec = ahead.suite.spec
    paid = [work for work in ahead.planned[arm].works if spec.pays.who(work.phase) == "purse"]
    return spec.prices.meter in FORESEEN or all(work.shared for work in paid)


def _money(ahead: Ahead) -> Table:
    all_known = all(_is_known(ahead, arm) for arm in ahead.planned)
    usd = {arm: {purpose: _dollars(forecast, purpose) for purpose in PURPOSES} for arm, forecast in ahead.planned.items()}
    shown = [purpose for purpose in PURPOSES if not all_known or any(paid[purpose] for paid in usd.values())]
    table = _table("labels bought", "pseudo-labels", *(PURPOSES[purpose] for purpose in shown), "left $")
    table.add_column("")
    for arm, forecast in ahead.planned.items():
        paid, known = usd[arm], _is_known(ahead, arm)
        cells = [f"{paid[purpose]:z.2f}" if purpose == "labels" or known else "?" for purpose in shown]
        left = f"{arm.budget_usd - math.fsum(paid.values()):z.2f}" if known else "?"
        counts = [f"{forecast.facts.get(name, 0):,.0f}" for name in ("labels_bought", "pseudo_labels")]
        table.add_row(*_who(arm), *counts, *cells, left, _said(ahead, arm))
    return table


def _said(ahead: Ahead, arm: Arm) -> str:
    """Return how the arm ended or will end, or whether its dollars are an upper bound.

    A limited arm spends at most its budget.
    """
    forecast = ahead.planned[arm]
    if record := ahead.records.get(arm):
        return record.status + (f": {record.reason}" if record.reason else "")
    if forecast.stops:
        return f"{forecast.status}: {forecast.stops}"
    ceiling = "at most the budget" if forecast.limited else "at most"
    return "" if forecast.exact or ahead.suite.spec.prices.meter not in FORESEEN else ceiling


def _work(ahead: Ahead) -> Table:
    table = _table("training steps", "TFLOP", "time", "peak GiB", "Wh")
    table.add_column("")
    for arm, total in ahead.alone.items():
        taken, forecast = total.taken, ahead.planned[arm]
        flops = math.fsum(work.bill.flops for work in forecast.works)
        cells = [f"{forecast.steps:,}", _figure(flops / 1e12), duration(taken.seconds), _gib(taken.peak_bytes), _wh(taken.kwh)]
        table.add_row(*_who(arm), *cells, "does not fit" if arm in ahead.too_large else "")
    return table


def _table(*heads: str) -> Table:
    table = Table("task", "strategy (setting)", box=None, padding=(0, 1))
    for head in ("seed", "budget", *heads):
        table.add_column(head, justify="right")
    return table


def _who(arm: Arm) -> tuple[str, str, str, str]:
    return arm.task_label, arm.column, str(arm.seed), f"${arm.budget_usd:g}"


def _in_all(ahead: Ahead) -> Iterator[str]:
    alone, once = ahead.alone.values(), ahead.shared
    budgets = math.fsum(arm.budget_usd for arm in ahead.planned)
    usd = [total.usd for total in alone]
    each = "?" if None in usd else f"{math.fsum(one for one in usd if one is not None):,.2f}"
    ceiling = "" if all(forecast.exact for forecast in ahead.planned.values()) else ", if every output is as long as allowed"
    yield f"In all ${each} of ${budgets:,.2f}{ceiling}. With labels and work that arms share counted once: ${_usd(once.usd)}."
    if ahead.device:
        apart = duration(added([total.taken.seconds for total in alone]))
        spread = _spread(once, ahead.workers, [total.taken.seconds for total in alone])
        yield f"Time in all {apart}; shared work done once {spread}, starting processes and scoring texts aside; {_wh(once.taken.kwh)} Wh."
        yield from _what_does_not_fit(ahead)
    yield from _to_go(ahead)


def _to_go(ahead: Ahead) -> Iterator[str]:
    """Yield what is left to do, where a run has begun."""
    ended, left = len(ahead.records), ahead.to_go
    failed = sum(record.status == "failed" for record in ahead.records.values())
    again = f" {failed} failed: `bench run --retry` runs them again." if failed else ""
    if ended == len(ahead.planned):
        yield again.strip() or "All arms have ended: `bench run` has nothing to do."
    elif ended or any(forecast.begun for forecast in ahead.planned.values()):
        time = f" and {_spread(left, ahead.workers, _left(ahead, ahead.device))}" if ahead.device else ""
        so_far = f"{ended} of {len(ahead.planned)} arms have ended, and what was made is kept."
        yield f"{so_far} To go, shared work done once: ${_usd(left.usd)}{time}.{again}"


def _left(ahead: Ahead, device: Device) -> list[float | None]:
    """Return the seconds that each arm without a record has left."""
    open_ = [forecast for arm, forecast in ahead.planned.items() if arm not in ahead.records]
    return [added([device.takes(work).seconds for work in forecast.works if not work.shared]) for forecast in open_]


def _spread(total: Total, workers: int, arms: Iterable[float | None]) -> str:
    """Return a time such as '8 min, 4 min with 2 processes at a time'.

    It is at least that of the longest arm, whose steps run one after the other.
    """
    seconds, longest = total.taken.seconds, max((one for one in arms if one is not None), default=0.0)
    apart = duration(None if seconds is None else max(longest, seconds / workers))
    return duration(seconds) + (f", {apart} with {workers} processes at a time" if workers > 1 else "")


def _what_does_not_fit(ahead: Ahead) -> Iterator[str]:
    if not ahead.device or not ahead.too_large:
        return
    room, most = ahead.device.room_bytes, max(ahead.too_large.values())
    yield (
        f"{len(ahead.too_large)} of {len(ahead.planned)} arms do not fit: there are {room / GIB:.1f} GiB for each, they take up to "
        f"{most / GIB:.1f}. A micro_batch_size, freeze, adafactor or fewer --workers take less; `bench fit` tells which."
    )


def duration(seconds: float | None) -> str:
    """Return a time such as '48 s', '3.2 min', '1.4 h', '2.1 days', or '?' where it is unknown."""
    if seconds is None:
        return "?"
    for most, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.{0 if unit == 1 and seconds >= 10 else 1}f} {name}"
    return f"{seconds / 86400:.1f} days"


def _usd(usd: float | None) -> str:
    return "?" if usd is None else f"{usd:,.2f}"


def _gib(size: float | None) -> str:
    return "?" if size is None else f"{size / GIB:.1f}"


def _wh(kwh: float | None) -> str:
    return "?" if kwh is None else _figure(1000 * kwh)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _dollars(forecast: Forecast, phase: str) -> float:
    return math.fsum(charge.usd for charge in forecast.charges if charge.phase == phase and charge.paid_by == "purse")
