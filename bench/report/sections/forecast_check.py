"""The forecast of `bench plan` for each arm, beside what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.contracts import METERS
from bench.forecast.saved import ArmForecast
from bench.report.markdown import escape, number, table
from bench.results.table import Results, number_or_nan

PROMISED = 0.25
"""Forecast run time should be within this share of the measured time."""

HEADS = (
    "arm",
    *("s, predicted", "s, measured", "predicted / measured"),
    *("USD, predicted", "USD, spent"),
    *("Wh, predicted", "Wh, measured"),
    *("peak GiB, predicted", "peak GiB, measured"),
)

COUNTED = "Each arm as if it had done all of its work itself, evaluation included: work that another arm had done before counts here again."


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Forecast and measurement of one arm that is done. Missing numbers are NaN."""

    arm: str
    said: ArmForecast
    seconds: float
    usd: float
    kwh: float
    peak_bytes: float

    @property
    def ratio(self) -> float:
        """Forecast time divided by measured time."""
        return number_or_nan(self.said.seconds) / self.seconds if self.seconds else math.nan


def section(found: Results) -> list[str]:
    """Return paragraphs that compare forecast and measurement.

    There are none where nothing was forecast, where no such arm is done, and where results are shown at other
    prices than those of the forecast.
    """
    if found.forecasts is None or "asked" in found.suite:
        return []
    if found.forecasts.problem:
        return [f"{escape(found.forecasts.problem[:1].upper() + found.forecasts.problem[1:])}."]
    pairs = list(_pairs(found))
    if not pairs:
        return []
    when = f"Forecast by `bench plan` at {escape(found.forecasts.made)}, on {escape(found.forecasts.device)}."
    known = found.suite.get("meter", "") in {
        meter.name for meter in METERS.values() if meter.known_in_advance
    }  # with other meters, dollars are the time or energy of the table at its price
    return [
        " ".join([when, *_time(pairs), *(_dollars(pairs) if known else [])]),
        table(HEADS, [_row(pair, known) for pair in pairs]),
        COUNTED,
    ]


def _pairs(found: Results) -> Iterator[_Pair]:
    view = found.by_arm
    assert found.forecasts is not None
    for arm, cells in view[view["status"] == "done"].to_dict("index").items():
        if said := found.forecasts.arms.get(str(arm)):
            peak = _cell(cells, "gpu_peak_allocated (bytes)")
            peak = _cell(cells, "peak_rss (bytes)") if math.isnan(peak) else peak
            yield _Pair(
                arm=str(arm),
                said=said,
                seconds=_cell(cells, "wall (s)"),
                usd=_cell(cells, "usd spent"),
                kwh=_cell(cells, "energy (kWh)"),
                peak_bytes=peak,
            )


def _cell(cells: dict[Any, Any], name: str) -> float:
    return number_or_nan(cells.get(name))


def _time(pairs: Sequence[_Pair]) -> Iterator[str]:
    ratios = [pair.ratio for pair in pairs if not math.isnan(pair.ratio)]
    if ratios:
        near = sum(abs(ratio - 1) <= PROMISED for ratio in ratios)
        spread = f"from {min(ratios):.2f} to {max(ratios):.2f}, in the middle {statistics.median(ratios):.2f}"
        within = f"within {PROMISED:.0%} of what was measured in {near} of {len(ratios)} arms"
        yield f"Time was predicted {within} (predicted / measured: {spread})."


def _dollars(pairs: Sequence[_Pair]) -> Iterator[str]:
    sure = [pair for pair in pairs if pair.said.exact and not math.isnan(number_or_nan(pair.said.usd) - pair.usd)]
    if sure:
        same = sum(abs(number_or_nan(pair.said.usd) - pair.usd) < 1e-6 for pair in sure)
        yield f"Dollars were predicted to the millionth in {same} of the {len(sure)} arms in which nothing depends on what a model says."
    over = [number_or_nan(pair.said.usd) - pair.usd for pair in pairs if not pair.said.exact]
    if over and not any(map(math.isnan, over)):
        yield f"In the other {len(over)} what was predicted is a ceiling, USD {min(over):.2f} to {max(over):.2f} above what was spent."


def _row(pair: _Pair, known: bool) -> list[str]:
    said = pair.said
    ceiling = "" if said.exact or said.usd is None or not known else "at most "
    return [
        escape(pair.arm),
        number(said.seconds, 1),
        number(pair.seconds, 1),
        number(pair.ratio),
        ceiling + number(said.usd),
        number(pair.usd),
        number(number_or_nan(said.kwh) * 1000),
        number(pair.kwh * 1000),
        number(number_or_nan(said.peak_bytes) / 2**30),
        number(pair.peak_bytes / 2**30),
    ]
