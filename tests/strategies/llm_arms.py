"""Arms of `llm_label`, with tiny models, and what they leave behind."""

import json
from pathlib import Path
from typing import Any

from bench.contracts import Example, Outcome, Splits, no_progress
from bench.execution import worker
from bench.execution.job import ArmJob
from bench.execution.ledger import Ledger, rows
from bench.execution.purse import Purse
from bench.execution.record import Ending
from bench.execution.store import Store
from bench.suite import arms
from bench.suite import suite_file as suite
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite
from bench.training.checkpoints import load
from tests.training.fake_endpoint import FakeEndpoint

WORDS = ["red", "blue", "green", "small", "cat", "dog", "bird", "tree", "river", "stone"]
TEXTS = [f"the {a} {b} stood by the {c}" for a in WORDS[:4] for b in WORDS[4:7] for c in WORDS[7:]]
TRAIN = tuple(Example(f"t{i}", text, " ".join(text.split()[1:3])) for i, text in enumerate(TEXTS[:16]))
POOL = tuple(Example(f"p{i}", text) for i, text in enumerate(TEXTS[16:35]))
"""One document fewer than LOOK_EVERY: a random model, which says the same of all of them, labels them to the end."""
SPLITS = Splits(TRAIN, POOL, (), (), "fingerprint")

SUITE = """
suite: tiny
question: Which?
large: {use: random, with: {family: t5_v1_1}}
models:
  llm: {use: random, with: {family: llama}}
  own: {use: folder, with: {path: FOLDER}}
compact: {encoder_layers: 3, decoder_layers: 2}
tasks: {own: {use: files, with: {train: TRAIN, source: a, target: b, max_source_tokens: 32, max_target_tokens: 8}}}
strategies: {llm_label: {use: llm_label, with: WITH}}
start_labels: 8
budgets_usd: [4]
seeds: [1]
prices: {label_usd: 0.1, device_flops_per_second: 5e+6, usd_per_1m_prompt_tokens: PROMPT, usd_per_1m_output_tokens: 400}
profilers: {wall: {use: wall}}
"""


def at(fake: FakeEndpoint, **settings: Any) -> dict[str, Any]:
    return {"endpoint": {"base_url": fake.url, "model": "tiny", "concurrency": 1, "attempts": 1, **settings}}


def suite_file(folder: Path, settings: dict[str, Any], **replaced: str) -> Path:
    given = {"student": {"epochs": 1}, "sampling": {"max_output_tokens": 8}, **settings}
    text = SUITE.replace("WITH", json.dumps(given))
    for name, value in {"PROMPT": "100", "TRAIN": "none.csv", "FOLDER": "none", **replaced}.items():
        text = text.replace(name, value)
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def arm(folder: Path, settings: dict[str, Any], **replaced: str) -> tuple[Suite, Arm]:
    loaded = suite.read(suite_file(folder, settings, **replaced))
    return loaded, arms.arms(loaded)[0]


def run(folder: Path, cache: Path, settings: dict[str, Any], name: str = "arm", splits: Splits = SPLITS, **replaced: str) -> Outcome:
    loaded, planned = arm(folder, settings, **replaced)
    ledger = Ledger(folder / name)
    store = Store(folder / f"store-of-{name}", cache, "cpu", {}, no_progress)
    outcome = planned.cell.strategy.run(ArmJob(loaded, planned, splits, Purse(planned.budget_usd, ledger), store, ledger))
    load(store.artifact(outcome.student))
    return outcome


def charges(folder: Path, name: str = "arm", phase: str = "pseudo_labelling") -> dict[str, dict[str, Any]]:
    """Kind and unit -> what the purse paid, added up."""
    paid: dict[str, dict[str, Any]] = {}
    for row in rows(folder / name):
        if row["row"] == "charge" and row["phase"] == phase and row["paid_by"] == "purse":
            sums = paid.setdefault(row["kind"], {"quantity": 0, "usd": 0.0, "unit": row["unit"]})
            sums["quantity"] += row["quantity"]
            sums["usd"] += row["usd"]
    return paid


def artifacts(folder: Path, file: str, name: str = "arm") -> list[Any]:
    found = sorted((folder / f"store-of-{name}").rglob(file))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


def with_data(folder: Path, settings: dict[str, Any], pool: tuple[Example, ...] = POOL) -> Path:
    """A suite file and its data."""
    data = folder / "data.csv"
    labelled = "".join(f"{text} {i} times,{' '.join(text.split()[1:3])}\n" for text in TEXTS for i in range(4))
    data.write_text("a,b\n" + labelled + "".join(f"{example.source},\n" for example in pool))
    return suite_file(folder, settings, TRAIN=str(data))


def whole(folder: Path, cache: Path, settings: dict[str, Any], pool: tuple[Example, ...] = POOL) -> tuple[Ending, Path]:
    """An arm from its data to its scores: how it ended, and its folder."""
    path = with_data(folder, settings, pool)
    (planned,) = arms.arms(suite.read(path))
    return worker.run(path, planned.id, planned.seed, folder / "results", cache, "cpu"), folder / "results" / planned.id


def predictions(folder: Path) -> list[Any]:
    """What each subject said of each test document."""
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def scores(folder: Path) -> dict[str, dict[str, float]]:
    """Subject -> metric -> score."""
    found: dict[str, dict[str, float]] = {}
    for row in rows(folder):
        if row["row"] == "score":
            found.setdefault(row["subject"], {})[row["name"]] = row["value"]
    return found
