"""The columns of the table: types and meanings."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One column of the table."""

    dtype: str
    """A pandas dtype. A missing number is NaN (float64) or NA (Int64, boolean). A missing text is ''."""
    meaning: str


COLUMNS: dict[str, Column] = {
    "suite": Column("str", "name of the suite"),
    "task": Column("str", "label of the task; '' where the record cannot be read"),
    "strategy": Column("str", "label of the strategy"),
    "use": Column("str", "the part behind that label"),
    "setting": Column("str", "what tells this arm from others of its strategy"),
    "settings": Column("str", "all settings of the strategy, JSON"),
    "label_share": Column("float64", "part of the budget meant for labels, 0 to 1"),
    "budget_usd": Column("float64", "dollars added"),
    "seed": Column("Int64", "seed of the arm"),
    "arm": Column("str", "id of the arm: the name of its folder"),
    "status": Column("str", "done, infeasible, skipped, failed, or unfinished (no record)"),
    "row": Column("str", "record (value: dollars spent), charge, score, reading or fact"),
    "phase": Column("str", "charge, reading: the work it belongs to"),
    "subject": Column("str", "score: student, teacher, 'floor: NAME', or 'baseline on dev: NAME'"),
    "quantity": Column("str", "what was counted or measured: the charge's kind, the score's, reading's or fact's name"),
    "value": Column("float64", "the number, in `unit`; missing where nothing was measured"),
    "unit": Column("str", "unit of `value`"),
    "direction": Column("str", "which way is better: higher, lower or none"),
    "source": Column("str", "reading: counter, polled, modelled, assumed or computed"),
    "shared": Column("boolean", "reading: whether another arm had done the work before"),
    "reason": Column(
        "str", "record: why there is no score; reading: why there is no value; score: why it, or that of some examples, is missing"
    ),
    "unit_price_usd": Column("float64", "charge: dollars for one unit"),
    "usd": Column("float64", "charge: dollars, exactly as in the ledger; missing on all other rows"),
    "paid_by": Column("str", "charge: purse, free or other meter"),
}
"""The table in long form: one row for each number. Every arm has at least its `record` row."""

_OLD_FACT_UNITS = {"_ms": "ms", "_flops": "FLOP", "_parameters": "parameters", "_steps": "steps", "_usd": "USD", "labels": "labels"}
"""End of a fact's name -> its unit."""


def old_fact_unit(name: str) -> str:
    """Return the unit of a fact in a ledger that was written before 2026-12, when facts had no unit."""
    return next((unit for end, unit in _OLD_FACT_UNITS.items() if name.endswith(end)), "1")
