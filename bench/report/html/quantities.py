"""What the purse of each setting paid for, by purpose. Sliders multiply these amounts by prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from bench.report.analysis.leaderboard import label
from bench.results import arm_columns, repricing
from bench.results.table import Results, rows

Key = tuple[str, float, str]
"""(task, budget, name of the setting)."""
Amounts = Mapping[Key, Mapping[str, Mapping[str, float]]]
"""Key -> purpose -> what is sold -> amount. A purpose is labels, or a phase of compute. Amounts of 0 are left out."""


def by_line(found: Results) -> Amounts:
    """Return means over the arms that are done, or over all arms of a line where none is. `Line.facts` are means of the same. Arms whose
    dollars are unknown do not count.

    Raises BenchError where the results do not hold the prices at which they were run.
    """
    records = rows(found.table, "record", "arm", "task", "strategy", "setting", "budget_usd", "status").set_index("arm")
    records = records[records["task"].ne("")]
    names = [label(s, t) for s, t in zip(records["strategy"], records["setting"], strict=True)]
    keys = [records["task"], records["budget_usd"], pd.Series(names, index=records.index, name="name")]
    done = records["status"].eq("done") & found.by_arm[arm_columns.SPENT_USD].reindex(records.index).notna()
    counted = records.index[done | ~done.groupby(keys).transform("any")]
    lines: dict[Key, dict[str, dict[str, float]]] = {}
    paid = rows(found.table, "charge", "row", "task", "paid_by", "arm", "phase", "quantity", "unit", "value", "usd")
    paid = paid[paid["paid_by"] == "purse"]
    for purpose, of_purpose in paid.groupby(paid["phase"].where(paid["quantity"] != "labels", "labels")):
        amounts = repricing.quantities(replace(found, table=of_purpose))
        means = amounts.reindex(counted).fillna(0.0).groupby([key.reindex(counted) for key in keys]).mean()
        by_key: dict[Any, Any] = {**means.to_dict("index")}
        for key, sold in by_key.items():
            if bought := {what: amount for what, amount in sold.items() if amount}:
                lines.setdefault(key, {})[str(purpose)] = bought
    return lines


def prices(found: Results, amounts: Amounts) -> dict[str, Any]:
    """Return the prices of the results, and which of them change the dollars of any line."""
    quotes = repricing.asked(found)
    others = [sold for sold in repricing.goods() if sold != "label"]
    bought = {sold for of_line in amounts.values() for of_purpose in of_line.values() for sold in of_purpose}
    return {
        "label": dict(quotes.label_usd),
        **{sold: quotes.price(sold, "") for sold in others},
        "meter": quotes.book.meter,
        "device_flops_per_second": quotes.book.device_flops_per_second,
        "moves": [sold for sold in repricing.goods() if sold in bought],
    }
