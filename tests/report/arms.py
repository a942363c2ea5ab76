"""Synthetic arms, written through the ledger as a run writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import Charge, Fact, Reading, Score
from bench.execution.ledger import Ledger
from bench.execution.purse import Purse
from bench.execution.record import write_record
from bench.metrics._means import mean
from bench.report.plots import style
from bench.results.columns import old_fact_unit
from tests.records import record

FLOP_USD = 1.875 / 3600 / 1e14


def leave_plots_empty(patch: pytest.MonkeyPatch) -> None:
    """Have reports make their plots, and write empty files for them. To render one takes a third of a second."""
    patch.setattr(style, "save", lambda figure, path: path.write_bytes(b""))


Scores = Mapping[str, Mapping[str, Sequence[float | None]]]
"""subject -> metric -> one value for each example; None where it has none."""

NO_TOKEN = "some references hold no token"
"""The reason for a value of None."""


def write_arm(
    root: Path,
    name: str,
    scores: Scores | None = None,
    *,
    strategy: str = "annotate",
    setting: str = "",
    label_share: float = 0.5,
    budget_usd: float = 10.0,
    seed: int = 0,
    task: str = "docstrings",
    status: str = "done",
    reason: str = "",
    charges: Sequence[Charge] = (),
    readings: Sequence[Reading] = (),
    facts: Mapping[str, float] | None = None,
    machine: Mapping[str, Any] | None = None,
    missing: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    on_dev: Mapping[str, float] | None = None,
    log_probs: Mapping[str, Sequence[float]] | None = None,
) -> Path:
    """missing: metric -> why no subject has a score in it. settings: of the strategy, beside its label share. on_dev: ROUGE-2 of baselines
    on dev. log_probs: subject -> log-probability of its output for each example; None: the file is older than these."""
    folder = root / name
    ledger = Ledger(folder)
    purse = Purse(budget_usd, ledger)
    for charge in charges:
        purse.pay(charge)
    for reading in readings:
        ledger.reading("student_training", reading)
    for subject, found in (scores or {}).items():
        for metric, values in found.items():
            ledger.score(subject, mean(metric, values, NO_TOKEN))
        for metric, why in (missing or {}).items():
            ledger.score(subject, Score(metric, None, "points", "higher", reason=why))
    for baseline, value in (on_dev or {}).items():
        ledger.score(f"baseline on dev: {baseline}", Score("rouge2", value, "points", "higher"))
    for fact, value in (facts or {}).items():
        ledger.fact(Fact(name=fact, value=value, unit=old_fact_unit(fact)))
    if scores:
        write_predictions(folder, scores, log_probs)
    where = dict(
        machine if machine is not None else {"cpu": "a 2-core box", "packages": {"torch": "2.13.0"}, "gpus": [], "no_gpu": "no driver"}
    )
    write_record(
        folder,
        record(
            arm=name,
            suite="example",
            task=task,
            strategy=strategy,
            use=strategy,
            setting=setting,
            settings={"label_share": label_share, **(settings or {})},
            budget_usd=budget_usd,
            seed=seed,
            status=status,
            reason=reason,
            spent_usd=purse.spent_usd,
            facts=dict(facts or {}),
            data_fingerprint="f00",
            machine=where,
            started="2026-01-01T00:00:00+00:00",
            ended="2026-01-01T00:01:00+00:00",
        ),
    )
    return folder


def write_predictions(folder: Path, scores: Scores, log_probs: Mapping[str, Sequence[float]] | None = None) -> None:
    count = len(next(iter(next(iter(scores.values())).values())))
    with (folder / "predictions.jsonl").open("w", encoding="utf-8") as lines:
        for i in range(count):
            each = {subject: {metric: values[i] for metric, values in found.items()} for subject, found in scores.items()}
            texts = dict.fromkeys(scores, "Return it.")
            line = {"id": f"e{i}", "source": "def f(): ...", "reference": "x", "predictions": texts, "scores": each}
            if log_probs is not None:
                line["log_probs"] = {subject: values[i] for subject, values in log_probs.items()}
            lines.write(json.dumps(line) + "\n")


def write_suite(root: Path, **changes: Any) -> None:
    about = {
        "suite": "example",
        "question": "Labels or a teacher?",
        "primary_metric": "rouge2",
        "start_labels": 100,
        "meter": "flops",
        "pays": {"teacher_tuning": "purse", "evaluation": "free"},
        "prices": {"label_usd": 0.05, "device_hour_usd": 1.875, "meter": "flops"},
        "large": "flan-t5-small",
        "compact": {"encoder_layers": 8, "decoder_layers": 4},
        "sunk": "The making of flan-t5-small is sunk cost, charged to nobody.",
        "notes": {"docstrings": ["412 near-duplicates were left out."]},
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "suite.json").write_text(json.dumps({**about, **changes}), encoding="utf-8")
    (root / "suite.yaml").write_text("suite: example\nquestion: Labels or a teacher?\n", encoding="utf-8")
