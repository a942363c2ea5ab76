"""A made-up study with known truths: two strategies, three budgets, scores that grow with the logarithm of what was bought.

annotate   all money but a tenth buys labels at 0.05 USD; 5 points for each doubling of the labels
distill    buys no labels; its compute costs 2 USD whatever the budget; a constant score
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.contracts import Charge
from bench.execution.ledger import LIMITED
from bench.results import table
from bench.results.table import Results
from tests.report.arms import write_arm, write_suite

STRATEGIES, BUDGETS = ("annotate", "distill"), (10.0, 40.0, 160.0)
LABEL_USD, FLOPS_PER_SECOND, DEVICE_HOUR_USD = 0.05, 1e9, 3.6
FLOP_USD = DEVICE_HOUR_USD / 3600 / FLOPS_PER_SECOND
PRICES = {"label_usd": LABEL_USD, "device_hour_usd": DEVICE_HOUR_USD, "meter": "flops", "device_flops_per_second": FLOPS_PER_SECOND}
DISTILLED = 30.0
"""True score of distill."""


def annotated(labels: float) -> float:
    """True score of annotate."""
    return 20 + 5 * math.log2(labels / 100)


def compute(usd: float, phase: str) -> list[Charge]:
    """Dollars of FLOPs, the seconds and kWh they took beside them."""
    flops = usd / FLOP_USD
    return [
        Charge(kind="compute", quantity=flops, unit="FLOP", unit_price_usd=FLOP_USD, paid_by="purse", phase=phase),
        Charge(kind="compute", quantity=flops / 2e9, unit="s", unit_price_usd=DEVICE_HOUR_USD / 3600, paid_by="other meter", phase=phase),
        Charge(kind="compute", quantity=flops / 1e13, unit="kWh", unit_price_usd=0.0, paid_by="other meter", phase=phase),
    ]


def write(root: Path, *, seeds: int = 3, examples: int = 100, noise: float = 8.0, **suite: Any) -> Results:
    """Write the study's arms to `root`, and read them. noise: spread of a single score, in points; means over seeds are the truth."""
    write_suite(root, prices=PRICES, primary_metric="rouge2", **{"label_usd": {"docstrings": LABEL_USD}, **suite})
    generator = np.random.default_rng(0)
    of_example = _centred(generator.normal(0, noise, examples))
    own = {(strategy, budget): _centred(generator.normal(0, noise, (seeds, examples))) for strategy in STRATEGIES for budget in BUDGETS}
    for seed in range(seeds):
        for budget in BUDGETS:
            labels = round(0.9 * budget / LABEL_USD)
            bought = Charge(kind="labels", quantity=labels, unit="label", unit_price_usd=LABEL_USD, paid_by="purse", phase="labels")
            charges = {"annotate": [bought, *compute(0.1 * budget, "student_training")], "distill": compute(2.0, "teacher_tuning")}
            truth = {"annotate": annotated(labels), "distill": DISTILLED}
            facts = {"annotate": {"labels_bought": labels, LIMITED: 1}, "distill": {"labels_bought": 0}}
            for strategy in STRATEGIES:
                scores = truth[strategy] + of_example + own[strategy, budget][seed]
                write_arm(
                    root,
                    f"{strategy}-{budget:g}-{seed}",
                    {"student": {"rouge2": list(scores)}},
                    strategy=strategy,
                    budget_usd=budget,
                    seed=seed,
                    charges=charges[strategy],
                    facts={**facts[strategy], "student_ms": 20.0, "large_ms": 60.0, "student_parameters": 6e7},
                )
    return table.read(root)


def _centred(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = noise - noise.mean()
    return centred
