"""The forecast of `bench plan` for each arm, beside what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.contracts import METERS
from bench.forecast.saved import ArmForecast
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Column, Paragraph, Section, Table, code, sentences
from bench.report.text import dollars, number
from bench.results import arm_columns
from bench.results.table import Results, number_or_nan

PROMISED = 0.25
"""Forecast run time should be within this share of the measured time."""

HEADS = (
    *("s, forecast", "s, measured", "forecast / measured"),
    *("USD, forecast", "USD, spent"),
    *("Wh, forecast", "Wh, measured"),
    *("peak GiB, forecast", "peak GiB, measured"),
)

COUNTED = "Each arm counts as if it had done all of its work itself, evaluation included."


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """Forecast and measurement of one arm that is done. Missing numbers are NaN."""

    arm: str
    forecast: ArmForecast
    seconds: float
    usd: float
    kwh: float
    peak_bytes: float

    @property
    def ratio(self) -> float:
        """Forecast time divided by measured time."""
        return number_or_nan(self.forecast.seconds) / self.seconds if self.seconds else math.nan


def section(given: ReportInput) -> Section | None:
    """Return the comparison of forecast and measurement.

    None where nothing was forecast, where no such arm is done, and where results are shown at other prices than
    those of the forecast.
    """
    found, forecast = given.found, given.found.forecasts
    if forecast is None or found.repriced:
        return None
    title = "Forecast and measurement"
    if forecast.problem:
        return Section(id="forecast", title=title, blocks=(Paragraph(f"{forecast.problem[:1].upper()}{forecast.problem[1:]}."),))
    pairs = list(_pairs(found))
    if not pairs:
        return None
    when = ("Forecast by ", code("bench plan"), f" at {forecast.made}, on {forecast.device}.")
    meter = METERS.get(str(found.suite.get("meter")))
    known = bool(meter and meter.known_in_advance)  # with other meters, dollars are the time or energy of the table at its price
    table = Table((Column("arm"), *(Column(head, number=True) for head in HEADS)), tuple(_row(pair, known) for pair in pairs))
    accuracy = sentences([when, *_time(pairs), *(_dollars(pairs) if known else [])])
    return Section(id="forecast", title=title, blocks=(Paragraph(accuracy), table, Paragraph(COUNTED)))


def _pairs(found: Results) -> Iterator[_Pair]:
    view = found.by_arm
    assert found.forecasts is not None
    for arm, cells in view[view["status"] == "done"].to_dict("index").items():
        if forecast := found.forecasts.arms.get(str(arm)):
            peak = _cell(cells, "gpu_peak_allocated (bytes)")
            yield _Pair(
                arm=str(arm),
                forecast=forecast,
                seconds=_cell(cells, arm_columns.WALL_S),
                usd=_cell(cells, arm_columns.SPENT_USD),
                kwh=_cell(cells, arm_columns.ENERGY_KWH),
                peak_bytes=_cell(cells, "peak_rss (bytes)") if math.isnan(peak) else peak,
            )


def _cell(cells: dict[Any, Any], name: str) -> float:
    return number_or_nan(cells.get(name))


def _time(pairs: Sequence[_Pair]) -> Iterator[str]:
    ratios = [pair.ratio for pair in pairs if not math.isnan(pair.ratio)]
    if ratios:
        near = sum(abs(ratio - 1) <= PROMISED for ratio in ratios)
        spread = f"from {min(ratios):.2f} to {max(ratios):.2f}, median {statistics.median(ratios):.2f}"
        within = f"within {PROMISED:.0%} of the measured time in {near} of {len(ratios)} arms"
        yield f"The forecast time is {within} (forecast / measured: {spread})."


def _dollars(pairs: Sequence[_Pair]) -> Iterator[str]:
    exact = [pair for pair in pairs if pair.forecast.exact and not math.isnan(number_or_nan(pair.forecast.usd) - pair.usd)]
    if exact:
        same = sum(abs(number_or_nan(pair.forecast.usd) - pair.usd) < 1e-6 for pair in exact)
        yield f"The forecast dollars are exact to the millionth in {same} of the {len(exact)} arms whose cost depends on no generated text."
    over = [number_or_nan(pair.forecast.usd) - pair.usd for pair in pairs if not pair.forecast.exact]
    if over and not any(map(math.isnan, over)):
        above = f"{dollars(min(over))} to {dollars(max(over))} USD above what was spent"
        yield f"In the other {len(over)} the forecast is an upper bound, {above}."


def _row(pair: _Pair, known: bool) -> tuple[str, ...]:
    forecast = pair.forecast
    at_most = "" if forecast.exact or forecast.usd is None or not known else "at most "
    return (
        pair.arm,
        number(forecast.seconds, 1),
        number(pair.seconds, 1),
        number(pair.ratio),
        at_most + dollars(forecast.usd),
        dollars(pair.usd),
        number(number_or_nan(forecast.kwh) * 1000),
        number(pair.kwh * 1000),
        number(number_or_nan(forecast.peak_bytes) / 2**30),
        number(pair.peak_bytes / 2**30),
    )
