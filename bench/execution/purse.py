"""The budget of one arm: a purse that refuses to spend more than it holds."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal

from bench.contracts import Charge
from bench.errors import OverBudget
from bench.execution.ledger import Ledger

BILLIONTH = Decimal("1e-9")
"""The unit in which dollars are counted."""


class Purse:
    """The money of one arm. A charge that exceeds it is refused before it is written down."""

    def __init__(self, budget_usd: float, ledger: Ledger | None = None) -> None:
        self.budget_usd = float(Decimal(repr(budget_usd)).quantize(BILLIONTH, ROUND_FLOOR))
        self.charges: list[Charge] = []
        self._ledger = ledger

    @property
    def spent_usd(self) -> float:
        return round(math.fsum(c.usd for c in self.charges if c.paid_by == "purse"), 9)

    @property
    def left_usd(self) -> float:
        return round(self.budget_usd - self.spent_usd, 9)

    def fits(self, usd: float) -> bool:
        return round(self.spent_usd + usd, 9) <= self.budget_usd

    def pay(self, charge: Charge) -> None:
        """Write a charge down. Raises OverBudget where the purse would have to pay more than it holds."""
        if charge.paid_by == "purse" and not self.fits(charge.usd):
            raise OverBudget(
                f"{charge.phase.replace('_', ' ')} costs ${charge.usd:.2f}, ${self.left_usd:.2f} of ${self.budget_usd:.2f} are left"
            )
        self.charges.append(charge)
        if self._ledger:
            self._ledger.charge(charge)
