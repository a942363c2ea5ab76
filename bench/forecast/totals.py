"""Sums over arms: each arm alone, as its purse pays; all arms with shared work done once; and what is left to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.contracts import FLOPS, Bill
from bench.execution.job import Work
from bench.execution.record import Record
from bench.forecast.arm import Forecast
from bench.forecast.device import Device, ResourceUse, added
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite

Planned = Mapping[Arm, Forecast]

Ratios = Mapping[str, float]
"""Recipe key -> ratio of its FLOPs at the expected output length to those at the maximum; 1 where absent."""

Labels = dict[tuple[str, int], float]
"""(task, seed) -> dollars for labels. All arms with the same task and seed buy the same labels."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """Cost, time, energy and memory of one or more arms."""

    expected_usd: float | None
    """Dollars if generated texts are as long as the labels at hand. None where the meter's amount is not forecast."""
    at_most_usd: float
    taken: ResourceUse
    """What the work takes, without the start of processes."""
    start_s: float | None
    """Seconds that the processes of the arms take before their strategies start. None where unknown."""

    @property
    def seconds(self) -> float | None:
        """Seconds of the work and of the start of processes, one after the other. None where the work's are unknown. A start that is
        unknown is left out."""
        return added([self.taken.seconds, self.start_s or 0.0])


def standalone(suite: Suite, planned: Planned, device: Device, ratios: Ratios) -> dict[Arm, Total]:
    """Return the total of each arm, which pays for all of its work."""
    found: dict[Arm, Total] = {}
    expected: float | None
    for arm, forecast in planned.items():
        if suite.spec.prices.paying.known_in_advance:
            saved = 0.0 if forecast.writes_more else math.fsum(_saved_usd(suite, arm, work, ratios) for work in forecast.works)
            expected, most = forecast.usd - saved, forecast.usd + _more(arm, forecast)
        else:
            usd = added([forecast.usd, *(_metered_usd(suite, arm, work, device) for work in forecast.works)])
            expected, most = None if usd is None else min(usd, arm.budget_usd), _metered_bound(suite, arm, forecast)
        taken = ResourceUse.together(map(device.takes, forecast.works))
        found[arm] = Total(expected_usd=expected, at_most_usd=most, taken=taken, start_s=device.start_s(arm.task_label))
    return found


def deduplicated(suite: Suite, planned: Planned, device: Device, ratios: Ratios) -> Total:
    """Return the total of all arms, with every piece of work and every label counted once. The labels of one task and seed are the most
    that an arm buys."""
    return _together(suite, planned, device, ratios, _labels_usd(planned), lambda work: True)  # noqa: ARG005


def remaining(suite: Suite, planned: Planned, device: Device, ratios: Ratios, ended: Mapping[Arm, Record]) -> Total:
    """Return the total that is left: like `deduplicated`, but only for arms that have not ended. Work that is already made does not count.
    Neither do labels that were bought by arms that ended without failing."""
    open_ = {arm: forecast for arm, forecast in planned.items() if arm not in ended}
    had = _labels_usd({arm: forecast for arm, forecast in planned.items() if arm in ended and ended[arm].status != "failed"})
    labels = {drawn: max(0.0, usd - had.get(drawn, 0.0)) for drawn, usd in _labels_usd(open_).items()}
    return _together(suite, open_, device, ratios, labels, lambda work: not work.shared)


def _together(suite: Suite, planned: Planned, device: Device, ratios: Ratios, labels: Labels, counts: Callable[[Work], bool]) -> Total:
    once = {work.recipe.key: (arm, work) for arm, forecast in planned.items() for work in forecast.works if counts(work)}
    paid = math.fsum([*labels.values(), *(_known_usd(suite, arm, work) for arm, work in once.values())])
    expected: float | None
    if suite.spec.prices.paying.known_in_advance:
        expected = paid - math.fsum(_saved_usd(suite, arm, work, ratios) for arm, work in once.values())
        most = paid + math.fsum(_more(arm, forecast) for arm, forecast in planned.items())
    else:
        expected = added([paid, *(_metered_usd(suite, arm, work, device) for arm, work in once.values())])
        made = [_known_usd(suite, arm, work) for arm, forecast in planned.items() for work in forecast.works if not counts(work)]
        most = math.fsum(_metered_bound(suite, arm, forecast) for arm, forecast in planned.items()) - math.fsum(made)
        expected = None if expected is None else min(expected, most)
    taken = ResourceUse.together(device.takes(work) for _, work in once.values())
    start_s = added([device.start_s(arm.task_label) for arm in planned])
    return Total(expected_usd=expected, at_most_usd=most, taken=taken, start_s=start_s)


def _metered_bound(suite: Suite, arm: Arm, forecast: Forecast) -> float:
    """Return the most that an arm can spend by seconds or kWh: its budget, or what it spent if all paid work is made."""
    return forecast.usd if is_paid_work_made(suite, forecast) else arm.budget_usd


def is_paid_work_made(suite: Suite, forecast: Forecast) -> bool:
    """Return whether all work that the purse pays for is already made."""
    return all(work.shared for work in forecast.works if suite.spec.pays.who(work.phase) == "purse")


def _saved_usd(suite: Suite, arm: Arm, work: Work, ratios: Ratios) -> float:
    """Return the dollars that the purse saves because outputs are shorter than allowed."""
    if suite.spec.prices.paying is not FLOPS or suite.spec.pays.who(work.phase) != "purse" or not work.recipe.on_device or work.shared:
        return 0.0
    price = FLOPS.unit_price_usd(suite.spec.prices, arm.task_label, work.phase)
    return (1 - ratios.get(work.recipe.key, 1.0)) * work.bill.flops * price


def _more(arm: Arm, forecast: Forecast) -> float:
    """Return the dollars that an arm may spend beyond the forecast. It is the rest of the budget if the budget limits the arm and its
    output lengths are unknown."""
    if forecast.exact:
        return 0.0
    left = max(0.0, arm.budget_usd - forecast.usd)
    return left if forecast.limited else min(left, forecast.more_usd)


def _labels_usd(planned: Planned) -> Labels:
    most: Labels = {}
    for arm, forecast in planned.items():
        bought = math.fsum(charge.usd for charge in forecast.charges if charge.kind == "labels")
        most[arm.task_label, arm.seed] = max(bought, most.get((arm.task_label, arm.seed), 0.0))
    return most


def _known_usd(suite: Suite, arm: Arm, work: Work) -> float:
    """Return the dollars of a work's quantities that are known in advance, where the purse pays for it."""
    prices, payer = suite.spec.prices, suite.spec.pays.who(work.phase)
    charges = prices.compute_charges(work.bill, arm.task_label, work.phase, payer) if work.recipe.on_device else []
    charges += prices.token_charges(work.bill.prompt_tokens, work.bill.output_tokens, work.phase, payer)
    charges += work.recipe.own_charges(work.phase, payer)
    return math.fsum(charge.usd for charge in charges if charge.paid_by == "purse")


def _metered_usd(suite: Suite, arm: Arm, work: Work, device: Device) -> float | None:
    """Return the dollars of a work's seconds or kWh, where the purse pays for it and it is not made yet. None where the amount is not
    forecast."""
    prices, meter = suite.spec.prices, suite.spec.prices.paying
    if suite.spec.pays.who(work.phase) != "purse" or not work.recipe.on_device or work.shared:  # work that is made has its charges
        return 0.0
    taken = device.takes(work)
    if taken.seconds is None:
        return None
    amount = meter.quantity(Bill(flops=work.bill.flops, wall_s=taken.seconds, kwh=taken.kwh))
    return None if amount is None else amount * meter.unit_price_usd(prices, arm.task_label, work.phase)
