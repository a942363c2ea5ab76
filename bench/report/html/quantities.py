"""What the purse of each line paid for, by purpose: dollars are these amounts times prices, which is what the sliders move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.report.analysis.leaderboard import label
from bench.results import repricing
from bench.results.table import Results

Key = tuple[str, float, str]
"""task, budget, name of the setting."""

Amounts = Mapping[Key, Mapping[str, Mapping[str, float]]]
"""Key -> purpose (labels, or the phase that compute was for) -> what is sold -> how much of it; nothing that is 0."""


def by_line(found: Results) -> Amounts:
    """Means over the arms that are done, or over all of a line where none is, as `Line.facts` are.

    Raises BenchError where the results do not say at which prices they were run.
    """
    records = found.table[(found.table["row"] == "record") & found.table["task"].ne("")].set_index("arm")
    names = [label(s, t) for s, t in zip(records["strategy"], records["setting"], strict=True)]
    keys = [records["task"], records["budget_usd"], pd.Series(names, index=records.index, name="name")]
    done = records["status"] == "done"
    counted = records.index[done | ~done.groupby(keys).transform("any")]
    lines: dict[Key, dict[str, dict[str, float]]] = {}
    for purpose, amounts in _by_purpose(found).items():
        means = amounts.reindex(counted).fillna(0.0).groupby([key.reindex(counted) for key in keys]).mean()
        rows: dict[Any, Any] = {**means.to_dict("index")}
        for key, sold in rows.items():
            if bought := {what: amount for what, amount in sold.items() if amount}:
                lines.setdefault(key, {})[purpose] = bought
    return lines


def _by_purpose(found: Results) -> dict[str, pd.DataFrame]:
    """Of the arms that paid for it."""
    paid = found.table[(found.table["row"] == "charge") & (found.table["paid_by"] == "purse")]
    purpose = paid["phase"].where(paid["quantity"] != "labels", "labels")
    return {str(name): repricing.quantities(replace(found, table=of_purpose)) for name, of_purpose in paid.groupby(purpose)}


def prices(found: Results, amounts: Amounts) -> dict[str, Any]:
    """The prices asked, and which of them any line's dollars depend on."""
    quotes = repricing.asked(found)
    others = [sold for sold in repricing.PRICES if sold != "label"]
    return {
        "label": dict(quotes.label_usd),
        **{sold: quotes.price(sold, "") for sold in others},
        "meter": quotes.book.meter,
        "device_flops_per_second": quotes.book.device_flops_per_second,
        "moves": [sold for sold in repricing.PRICES if sold in set(_sold(amounts))],
    }


def _sold(amounts: Amounts) -> Iterable[str]:
    return (sold for of_line in amounts.values() for bought in of_line.values() for sold in bought)
