"""The price book: what a label, a FLOP, a device-second and a kWh cost; and who pays for which work.

Dollars for compute come from one of three meters, chosen in the suite. FLOPs are priced at a stated device speed, so a suite
that pays by FLOPs costs the same on every machine.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.contracts import Bill, Charge, Meter, PaidBy, Part, Phase

FORESEEN: tuple[Meter, ...] = ("flops", "items")
"""Meters whose amount is known before the work; the others stop it when it has taken what there was."""

UNITS: dict[Meter, str] = {"flops": "FLOP", "wall": "s", "energy": "kWh", "items": "item"}


class ItemPrices(Part):
    """What compute costs by the item, where somebody published that instead of what their machine did. Pretraining has no items."""

    teacher_set_up: float = Field(default=0.0, ge=0)
    """Dollars for a teacher, whatever number of labels it is tuned on."""
    teacher_tuning: float = Field(default=0.0, ge=0)
    """Dollars to tune the teacher on 1,000 labels, on top of that."""
    pseudo_labelling: float = Field(default=0.0, ge=0)
    """Dollars to have it label 1,000 documents; where the student's training was published with it, both."""
    student_training: float = Field(default=0.0, ge=0)
    """Dollars to train the student on 1,000 examples."""


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
    usd_per_1k_items: dict[str, ItemPrices] = Field(default={})
    """Task -> dollars for 1,000 items of each phase; counts only where the meter is `items`."""
    usd_per_1m_prompt_tokens: float = Field(default=0.0, ge=0)
    """One million tokens sent to an endpoint."""
    usd_per_1m_output_tokens: float = Field(default=0.0, ge=0)
    """One million tokens that an endpoint wrote."""

    def unit_price_usd(self, meter: Meter, task: str, phase: str) -> float:
        """Dollars for one FLOP, one second, one kWh, or one item of this task and phase."""
        second = self.device_hour_usd / 3600
        item = getattr(self.usd_per_1k_items.get(task), phase, 0.0) / 1000
        return {"flops": second / self.device_flops_per_second, "wall": second, "energy": self.kwh_usd, "items": item}[meter]

    def set_up_usd(self, task: str, phase: str) -> float:
        """Dollars for work of a phase, whatever its amount."""
        prices = self.usd_per_1k_items.get(task) if self.meter == "items" and phase == "teacher_tuning" else None
        return prices.teacher_set_up if prices else 0.0

    def compute_charges(self, bill: Bill, task: str, phase: str, paid_by: PaidBy) -> list[Charge]:
        """One charge for each meter that counted something; only the suite's meter is paid."""
        set_up = self.set_up_usd(task, phase)
        return [Charge(kind="set-up", quantity=1, unit="teacher", unit_price_usd=set_up, paid_by=paid_by, phase=phase)] * (set_up > 0) + [
            Charge(
                kind="compute",
                quantity=quantity,
                unit=unit,
                unit_price_usd=self.unit_price_usd(m, task, phase),
                paid_by=paid_by if m == self.meter else "other meter",
                phase=phase,
            )
            for m, unit in UNITS.items()
            if (quantity := bill.quantity(m))
        ]

    def token_charges(self, prompt_tokens: int, output_tokens: int, phase: str, paid_by: PaidBy) -> list[Charge]:
        """What an endpoint's tokens cost, whichever meter compute is paid by."""
        sold = {
            "prompt tokens": (prompt_tokens, self.usd_per_1m_prompt_tokens),
            "output tokens": (output_tokens, self.usd_per_1m_output_tokens),
        }
        return [
            Charge(kind=kind, quantity=count, unit="token", unit_price_usd=price / 1e6, paid_by=paid_by, phase=phase)
            for kind, (count, price) in sold.items()
            if count
        ]


Payer = Literal["purse", "free"]


class Pays(Part):
    """Who pays, fixed before anything runs. Labels are always paid from the purse; the making of checkpoints is sunk cost."""

    continued_pretraining: Payer = "purse"
    """Going on with a checkpoint's pretraining."""
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
