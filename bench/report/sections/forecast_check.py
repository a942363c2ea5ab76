"""The forecast of `bench plan` for each arm, beside what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.contracts import METERS
from bench.forecast.saved import ArmForecast
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Column, Paragraph, Section, Table, code, sentences
from bench.report.text import dollars, number
from bench.results import arm_columns
from bench.results.arm_files import number_or_nan

PROMISED = 0.25
"""Forecast run time should be within this share of the measured time."""

HEADS = (
    *("s, forecast", "s, measured", "forecast / measured"),
    *("USD, forecast", "USD, spent"),
    *("Wh, forecast", "Wh, measured"),
    *("peak GiB, forecast", "peak GiB, measured"),
)

MEASURED = (
    *(arm_columns.WALL_S, arm_columns.SPENT_USD, arm_columns.ENERGY_KWH),
    *(arm_columns.reading(quantity, "bytes") for quantity in ("peak_rss", "inherited_rss", "gpu_peak_allocated")),
)
"""Columns of `Results.by_arm`: seconds, dollars, kWh, peak memory without and with what a fork shares, and on a GPU."""

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

    None where nothing was forecast, where no such arm is done, and where results are shown at other prices than those of the forecast.
    """
    found, forecast = given.found, given.found.forecasts
    if forecast is None or found.repriced:
        return None
    title = "Forecast and measurement"
    if forecast.problem:
        return Section(id="forecast", title=title, blocks=(Paragraph(f"{forecast.problem[:1].upper()}{forecast.problem[1:]}."),))
    pairs = []
    for arm, cells in found.by_arm[found.by_arm["status"] == "done"].to_dict("index").items():
        if of_arm := forecast.arms.get(str(arm)):
            seconds, usd, kwh, rss, inherited, gpu = (number_or_nan(cells.get(column)) for column in MEASURED)
            whole = rss if math.isnan(inherited) else rss + inherited  # the forecast counts libraries too
            peak = whole if math.isnan(gpu) else gpu
            pairs.append(_Pair(arm=str(arm), forecast=of_arm, seconds=seconds, usd=usd, kwh=kwh, peak_bytes=peak))
    if not pairs:
        return None
    when = ("Forecast by ", code("bench plan"), f" at {forecast.made}, on {forecast.device}.")
    meter = METERS.get(str(found.suite.get("meter")))
    known = bool(meter and meter.known_in_advance)  # with other meters, dollars are the time or energy of the table at its price
    table = Table((Column("arm"), *(Column(head, number=True) for head in HEADS)), tuple(_row(pair, known) for pair in pairs))
    accuracy = sentences([when, *_accuracy(pairs, known)])
    return Section(id="forecast", title=title, blocks=(Paragraph(accuracy), table, Paragraph(COUNTED)))


def _accuracy(pairs: Sequence[_Pair], known: bool) -> Iterator[str]:
    """Yield how near the forecast time is, and the forecast dollars where they are `known` without running."""
    ratios = [pair.ratio for pair in pairs if not math.isnan(pair.ratio)]
    if ratios:
        near = sum(abs(ratio - 1) <= PROMISED for ratio in ratios)
        spread = f"from {min(ratios):.2f} to {max(ratios):.2f}, median {statistics.median(ratios):.2f}"
        within = f"within {PROMISED:.0%} of the measured time in {near} of {len(ratios)} arms"
        yield f"The forecast time is {within} (forecast / measured: {spread})."
    if not known:
        return
    gaps = [(pair.forecast.exact, number_or_nan(pair.forecast.usd) - pair.usd) for pair in pairs]
    exact, over = [gap for is_exact, gap in gaps if is_exact and not math.isnan(gap)], [gap for is_exact, gap in gaps if not is_exact]
    if exact:
        same = sum(abs(gap) < 1e-6 for gap in exact)
        yield f"The forecast dollars are exact to the millionth in {same} of the {len(exact)} arms whose cost depends on no generated text."
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
