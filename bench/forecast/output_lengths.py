"""Estimates how much less work takes because outputs are shorter than allowed.

Outputs of a model that was trained on labels are expected to be about as long as the labels at hand. Peak
memory and upper bounds of dollars are forecast from the longest allowed outputs instead.
"""

from __future__ import annotations

from collections.abc import Iterable

from bench.contracts import BuildContext, OutputLengths
from bench.execution.job import Work
from bench.forecast.arm import Forecast
from bench.suite.prices import Pays

LABELS = 1000
"""Most labels whose lengths are measured."""


def expected_length_ratios(planned: Iterable[Forecast], pays: Pays, context: BuildContext) -> dict[str, float]:
    """Return recipe key -> ratio of its FLOPs at the expected output length to those at the maximum output length. Ratios of 1 are left
    out. Arms whose budget ends their writing are left out too: they write more where outputs are shorter.

    pays: who pays for each kind of work in the suite.
    """
    found: dict[str, float] = {}
    for forecast in planned:
        works = [] if forecast.writes_more else [work for work in forecast.works if not work.shared]
        lengths = OutputLengths(
            labels=forecast.labels[:LABELS],
            generated_ids=frozenset(example.id for work in works for example in work.recipe.documents_labelled),
        )
        saved = 0.0
        for work in works:
            if work.recipe.key not in found:
                found[work.recipe.key] = _ratio(work, lengths, context, saved)
            saved += (1 - found[work.recipe.key]) * work.bill.flops if pays.who(work.phase) == "purse" else 0.0
    return {key: ratio for key, ratio in found.items() if ratio != 1}


def _ratio(work: Work, lengths: OutputLengths, context: BuildContext, saved: float) -> float:
    """Return the ratio of one piece of work. Where the budget limits it, it may use the FLOPs that earlier work saved the purse."""
    expected = work.recipe.expected_flops(lengths, context)
    most = work.bill.flops + (saved if work.recipe.limit else 0.0)
    return 1.0 if expected is None else min(expected, most) / work.bill.flops
