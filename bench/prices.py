"""The price book: what a label, a FLOP, a device-second and a kWh cost; and who pays for which work.

Dollars for compute come from one of three meters, chosen in the suite. FLOPs are priced at a stated device speed, so a suite
that pays by FLOPs costs the same on every machine.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.contracts import Bill, Charge, Meter, PaidBy, Part, Phase

UNITS: dict[Meter, str] = {"flops": "FLOP", "wall": "s", "energy": "kWh"}


class PriceBook(Part):
    """Prices in dollars. Source of the default device price: Kang, Xu, Ritter 2023 (an A100 hour on a public cloud)."""

    label_usd: float = Field(ge=0)
    """One label. A task may state its own."""
    device_hour_usd: float = Field(default=1.875, ge=0)
    """One hour of the device that trains."""
    kwh_usd: float = Field(default=0.0, ge=0)
    """One kWh; counts only where the meter is `energy`."""
    meter: Meter = "flops"
    """What compute is paid by."""
    device_flops_per_second: float = Field(default=1.0e14, gt=0)
    """Speed at which the `flops` meter turns FLOPs into device time. The default is about a third of an A100's bf16 peak."""

    def unit_price_usd(self, meter: Meter) -> float:
        """Dollars for one FLOP, one second, or one kWh."""
        second = self.device_hour_usd / 3600
        return {"flops": second / self.device_flops_per_second, "wall": second, "energy": self.kwh_usd}[meter]

    def compute_charges(self, bill: Bill, phase: str, paid_by: PaidBy) -> list[Charge]:
        """One charge for each meter that counted something; only the suite's meter is paid."""
        return [
            Charge("compute", quantity, unit, self.unit_price_usd(m), paid_by if m == self.meter else "other meter", phase)
            for m, unit in UNITS.items()
            if (quantity := bill.quantity(m))
        ]


Payer = Literal["purse", "free"]


class Pays(Part):
    """Who pays, fixed before anything runs. Labels are always paid from the purse; pretraining is sunk cost."""

    teacher_tuning: Payer = "purse"
    """Fine-tuning the large model."""
    pseudo_labelling: Payer = "purse"
    """Generating labels with it."""
    student_training: Payer = "purse"
    """Training the compact model."""
    evaluation: Literal["free"] = "free"
    """Scoring on the test split. Not part of making a model, so never charged."""
    hyperparameter_search: Literal["free"] = "free"
    """The settings in the suite were found beforehand; what finding them cost is charged to nobody."""

    def who(self, phase: Phase) -> Payer:
        """The payer of a phase."""
        payer: Payer = getattr(self, phase)
        return payer
