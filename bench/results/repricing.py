"""Computes the cost of finished work at other prices, without running it again.

A ledger keeps quantities, each with a price. What an arm did can therefore be priced exactly at any prices. What it would have done at
other prices is a different question: money decided how many labels it bought, and perhaps how long it trained. `set_by_money` finds those
arms. `bench.report.analysis.budget_curves` estimates what lies between the budgets that were run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from pydantic import ValidationError

from bench.contracts import METERS, OWN_PRICE, WALL
from bench.errors import BenchError
from bench.execution.ledger import LIMITED
from bench.results import arm_columns
from bench.results.table import Results, rows
from bench.suite.prices import MOST_USD, Pays, PriceBook
from bench.system.one_line import first_fault
from bench.system.results_folder import SUITE_JSON

PRICES: dict[str, str] = {
    "label": "label_usd",
    "device_hour": "device_hour_usd",
    "kwh": "kwh_usd",
    "prompt_tokens": "usd_per_1m_prompt_tokens",
    "output_tokens": "usd_per_1m_output_tokens",
}
"""What is bought -> its price in the price book. Tokens are bought by the million."""

FIXED = "fixed_usd"
"""Column of `quantities`: dollars that no price here changes, such as those published per item."""


def goods() -> tuple[str, ...]:
    """Return everything that is bought at a price of its own: PRICES, and the units of meters that `usd_per_unit` prices."""
    return tuple(dict.fromkeys([*PRICES, *(meter.bought for meter in METERS.values() if meter.bought)]))


@dataclass(frozen=True, kw_only=True)
class Quotes:
    """Prices at which arms are evaluated."""

    book: PriceBook
    """All prices except those of labels, and the meter by which compute is paid."""
    label_usd: Mapping[str, float]
    """Task -> dollars for one label."""

    def price(self, good: str, task: str) -> float:
        """Return the dollars for one label, hour, kWh, million tokens, or unit of a meter."""
        if good == "label":
            return self.label_usd.get(task, self.book.label_usd)
        return float(getattr(self.book, PRICES[good]) if good in PRICES else (self.book.usd_per_unit or {}).get(good, 0.0))

    def rates(self, task: str) -> dict[str, float]:
        """Return every price for one task."""
        return {good: self.price(good, task) for good in goods()}

    def at(self, good: str, usd: float) -> Quotes:
        """Return these quotes with one price changed. The price of a label changes for every task."""
        changed = {PRICES[good]: usd} if good in PRICES else {"usd_per_unit": {**(self.book.usd_per_unit or {}), good: usd}}
        book = self.book.model_copy(update=changed)
        return Quotes(book=book, label_usd=dict.fromkeys(self.label_usd, usd) if good == "label" else self.label_usd)

    def changed(
        self,
        label_usd: Mapping[str, float],
        usd_per_unit: Mapping[str, float] | None = None,
        **others: float | str | None,
    ) -> Quotes:
        """Return these quotes with other prices. `label_usd` maps a task to a price; '' means all tasks. `others` are fields of PriceBook;
        None keeps one. Raises BenchError where a price is below 0, or where a task is not in the results."""
        unknown = sorted(set(label_usd) - {"", *self.label_usd})
        if unknown:
            raise BenchError(f"no task '{unknown[0]}' in these results; they hold: {', '.join(sorted(self.label_usd))}")
        given: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
        if usd_per_unit:
            given["usd_per_unit"] = {**(self.book.usd_per_unit or {}), **usd_per_unit}
        found = self.at("label", label_usd[""]) if "" in label_usd else self
        by_task = {**found.label_usd, **{task: usd for task, usd in label_usd.items() if task}}
        for usd in by_task.values():
            if not 0 <= usd <= MOST_USD:
                raise BenchError(f"a label cannot cost {usd:g} USD, only 0 to {MOST_USD:g}")
        return Quotes(book=_book({**found.book.model_dump(), **given}, "these prices"), label_usd=by_task)


def asked(found: Results) -> Quotes:
    """Return the prices at which the arms were run. Raises BenchError where the results do not hold them."""
    if not isinstance(found.suite.get("prices"), Mapping):
        raise BenchError("these results do not say at which prices they were run (suite.json); run the suite once more with this version")
    book = _book({**found.suite["prices"]}, SUITE_JSON)
    tasks = sorted({*found.table.loc[found.table["row"] == "record", "task"].unique()} - {""})
    label_usd = {task: float(found.suite.get("label_usd", {}).get(task, book.label_usd)) for task in tasks}
    return Quotes(book=book, label_usd=label_usd)


def _book(prices: Mapping[str, Any], where: str) -> PriceBook:
    try:
        return PriceBook.model_validate(prices)
    except ValidationError as error:
        raise BenchError(f"{where}: {first_fault(error)}") from None


def reprice(found: Results, quotes: Quotes) -> Results:
    """Return the same results at `quotes`.

    Unit prices, dollars, payers and the dollars spent change. Scores, readings and budgets stay. Where an arm's ledger lacks the quantity
    that the meter of `quotes` counts, its dollars spent are unknown: missing. suite['prices'] and suite['label_usd'] become those of
    `quotes`. suite['asked'] holds those at which the arms were run.

    Raises BenchError where no arm's ledger counts what that meter counts.
    """
    before = asked(found)
    table = found.table.copy()
    charges = table["row"] == "charge"
    try:
        pays = Pays.model_validate(dict(found.suite.get("pays", {})))
    except ValidationError as error:
        raise BenchError(f"suite.json: pays.{first_fault(error)}") from None
    keys = table.loc[charges, ["task", "phase", "quantity", "unit", "unit_price_usd", "paid_by"]]
    each = {key: _price_and_payer(quotes, pays, *key) for key in keys.drop_duplicates().itertuples(index=False, name=None)}
    found_prices = [each[key] for key in keys.itertuples(index=False, name=None)]
    priced = pd.DataFrame(found_prices, index=keys.index, columns=["unit_price_usd", "paid_by"])
    table.loc[charges, ["unit_price_usd", "paid_by"]] = priced.astype({"unit_price_usd": "float64", "paid_by": "str"})
    table.loc[charges, "usd"] = (table.loc[charges, "value"] * table.loc[charges, "unit_price_usd"]).round(9)
    purse = table[charges & (table["paid_by"] == "purse")]
    spent = purse.groupby("arm")["usd"].agg(math.fsum).round(9)
    unknown = set() if quotes.book.meter == before.book.meter else _unknown(table[charges], quotes)
    records = table["row"] == "record"
    now = table.loc[records, "arm"].map(spent).fillna(0.0).where(~table.loc[records, "arm"].isin(unknown))
    table.loc[records, "value"] = now.where(table.loc[records, "value"].notna())
    prices, old = (
        {"prices": q.book.model_dump(mode="json", exclude_none=True), "label_usd": dict(q.label_usd), "meter": q.book.meter}
        for q in (quotes, before)
    )
    return replace(found, table=table, suite={**found.suite, **prices, "asked": found.suite.get("asked", old)})


def _price_and_payer(quotes: Quotes, pays: Pays, task: str, phase: str, kind: str, unit: str, usd: float, payer: str) -> tuple[float, str]:
    book = quotes.book
    if unit == "label":
        return quotes.price("label", task), payer
    if unit == "token":
        return quotes.price("prompt_tokens" if kind.startswith("prompt") else "output_tokens", task) / 1e6, payer
    if unit == OWN_PRICE:
        return usd, payer
    of_phase: str = getattr(pays, phase)
    if meter := next((meter for meter in METERS.values() if meter.unit == unit), None):
        return meter.unit_price_usd(book, task, phase), of_phase if meter is book.paying else "other meter"
    return usd, of_phase if unit == book.paying.fixed_unit else "other meter"


def _unknown(charges: pd.DataFrame, quotes: Quotes) -> set[str]:
    """Return the arms whose work was not wholly counted by the meter of `quotes`."""
    meter = quotes.book.paying
    names = {one.unit: one.name for one in METERS.values()}
    work = charges[charges["unit"].isin(names)]
    counted = work[work["unit"] == meter.unit]
    if len(work) and counted.empty:
        others = " or ".join(sorted({names[unit] for unit in work["unit"]}))
        raise BenchError(f"meter {meter.name}: no arm's ledger counts its unit, {meter.unit}; take {others}")
    unknown = set(work.loc[work["quantity"].str.endswith("cut off") & (work["unit"] != meter.unit), "arm"])
    if meter.profiler:  # seconds are known for every piece of work, kWh only where there was an instrument
        pieces = work[work["unit"] == WALL.unit].groupby(["arm", "phase"]).size()
        measured = counted.groupby(["arm", "phase"]).size().reindex(pieces.index, fill_value=0)
        unknown |= {str(arm) for arm, _ in pieces.index[pieces > measured]}
    return unknown


def quantities(found: Results) -> pd.DataFrame:
    """Return a table: arm x the quantities that its purse pays for at the prices of `found`.

    The quantities are those of `goods`, such as labels and device hours, and FIXED dollars. Times the prices (`Quotes.price`) they give
    what the arm spends, except for rounding. Dollars are therefore linear in every price.
    """
    quotes, table = asked(found), found.table
    paid = rows(table, "charge", "arm", "unit", "value", "quantity", "usd", "paid_by")
    paid = paid[paid["paid_by"] == "purse"]
    bought = {"label": "label", **{meter.unit: meter.bought for meter in METERS.values() if meter.bought}}
    per_unit = {"label": 1.0, **{meter.unit: meter.goods_per_unit(quotes.book) for meter in METERS.values()}}
    names = paid["unit"].map(bought).astype("str").where(paid["unit"].isin(bought), FIXED)
    amounts = paid["value"] * paid["unit"].map(per_unit).astype("float64")
    tokens = paid["unit"] == "token"
    names = names.mask(tokens, paid["quantity"].str.split(" ").str[0] + "_tokens")
    amounts = amounts.mask(tokens, paid["value"] / 1e6).mask(names == FIXED, paid["usd"])
    wide = amounts.groupby([paid["arm"], names]).sum().unstack()
    return wide.reindex(index=table["arm"].unique(), columns=[*goods(), FIXED]).fillna(0.0)


def set_by_money(found: Results) -> dict[str, str]:
    """Return arm -> how money limited its work, for the arms whose work it limited.

    At other prices such an arm would have done more or less. It bought labels for a share of its budget, or its training, labelling or
    distillation was cut short. The second is known from the fact LIMITED, which arms have since 2026-11. For older arms it is unknown.
    Until 2026-12 arms that pay by seconds or kWh had it wherever work might have been cut short.
    """
    facts = rows(found.table, "fact", "arm", "quantity", "value")
    facts = facts[facts["value"] > 0]
    bought = facts.loc[facts["quantity"] == arm_columns.LABELS_BOUGHT].groupby("arm")["value"].max()
    limited = set(facts.loc[facts["quantity"] == LIMITED, "arm"])
    reasons = {arm: [f"bought {count:,.0f} labels"] for arm, count in bought.items()}
    for arm in sorted(limited):
        reasons.setdefault(arm, []).append("its training, labelling or distillation was cut to what money was left")
    return {str(arm): " and ".join(why) for arm, why in reasons.items()}
