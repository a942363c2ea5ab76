"""Formats an estimate: its mean, its interval, its p-value."""

from __future__ import annotations

from bench.report.analysis.significance import Estimate
from bench.report.text import DASH


def score(estimate: Estimate | None) -> str:
    """Return 'mean [low, high]', or only the mean where there is no interval."""
    if estimate is None:
        return DASH
    interval = f" [{estimate.low:z.2f}, {estimate.high:z.2f}]" if estimate.has_interval else ""
    return f"{estimate.mean:z.2f}{interval}"


def chance(estimate: Estimate) -> str:
    """Return the p-value, such as 'p 0.034'."""
    return "p < 0.001" if estimate.p < 0.001 else f"p {estimate.p:.2g}"
