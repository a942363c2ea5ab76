"""How many suites are drawn: few in `make test`, always the same; as many as asked for in `make test-long`, from a seed that it prints."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from bench import registry

LONG = os.environ.get("BENCH_DRAWS")
"""Suites to draw instead, from the seed of `--hypothesis-seed`."""


def draws(suites: int) -> settings:
    """Settings of a test that draws so many suites in all, and as many with each strategy.

    There is no deadline, and drawing may be slow: a draw runs whole arms, on a machine that may be busy.
    A failure is drawn again by the same command; it prints the suite, as small as it can be made.
    """
    return settings(
        max_examples=max(1, int(LONG or suites) // len(registry.names("strategies"))),
        derandomize=not LONG,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
