"""A tiny suite, and what a forecast of it gives."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.contracts import Example, Splits, no_progress
from bench.execution.record import Record
from bench.execution.store import DryStore
from bench.forecast.calibrate import Throughput
from bench.forecast.device import ThisMachine
from bench.forecast.suite import forecasts
from bench.forecast.totals import Planned
from bench.suite import arms as plan
from bench.suite import suite_file
from bench.suite.suite_file import Suite
from tests.prepared import prepared
from tests.records import record

START_S = 0.5
"""Seconds in which the process of an arm starts."""

PACE = Throughput(around_s=1.0, seconds_per_flop=1e-9, steps=3, watts=36.0, resident_bytes=1000)

WORDS = ["red", "blue", "green", "small", "large", "round", "square", "cat", "dog", "bird", "house", "tree", "river", "stone", "cloud"]
DOCUMENTS = [f"the {a} {b} stood by the {c}" for a in WORDS[:7] for b in WORDS[7:10] for c in WORDS[10:]]
EXAMPLES = tuple(Example(str(i), text, " ".join(text.split()[1:3])) for i, text in enumerate(DOCUMENTS))
SPLITS = Splits(EXAMPLES[:60], tuple(Example(e.id, e.source) for e in EXAMPLES[60:90]), (), EXAMPLES[90:], "fingerprint")

SUITE = """
suite: tiny
question: Which?
large: {use: random, with: {family: t5_v1_1}}
compact: {decoder_layers: 2}
tasks: {own: {use: files, with: {train: none.csv, source: a, target: b, max_source_tokens: 32, max_target_tokens: 8}}}
strategies:
  annotate: {use: annotate, with: {label_share: 0.5, student: {epochs: 1}}}
  sft: {use: sft, with: {label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}}}
  distill: {use: distill, with: {method: kd+pl, label_share: 0.5, teacher: {epochs: 1}, student: {epochs: 1}}}
  every_step: {use: distill, with: {method: kd, kd: {teacher_outputs: every_step}, teacher: {epochs: 1}, student: {epochs: 1}}}
  pretrain: {use: continue_pretraining, with: {label_share: 0.5, tokens: 32, student: {epochs: 1}}}
start_labels: 16
budgets_usd: [2, 4]
seeds: [1, 2]
prices: {label_usd: 0.1, device_flops_per_second: 5e+6}
"""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suites")


@pytest.fixture(scope="session")
def tiny(folder: Path) -> Suite:
    return read(folder)


def read(folder: Path, text: str = SUITE) -> Suite:
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return suite_file.read(path)


def planned(loaded: Suite, cache: Path, only: str = "*") -> Planned:
    """Forecasts of the arms whose id matches."""
    arms = plan.only(plan.arms(loaded), only)
    ready = prepared(loaded, dict.fromkeys(loaded.tasks, SPLITS), cache=cache, arms=arms)
    return forecasts(ready, DryStore(cache, no_progress), no_progress, reuse=False)


def here(arms: Planned, room: float = math.inf) -> ThisMachine:
    keys = [work.recipe.key for forecast in arms.values() for work in forecast.works if work.bill.flops]
    return ThisMachine(
        title="a machine",
        room_bytes=room,
        throughputs=dict.fromkeys(keys, PACE),
        peaks=dict.fromkeys(keys, 5000),
        process_counts=True,
        starts={"own": START_S},
    )


def ended(arm: plan.Arm) -> Record:
    return record(arm=arm.id, budget_usd=arm.budget_usd, seed=arm.seed)
