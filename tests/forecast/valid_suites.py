"""Valid suites over models of one layer, with the edges of every setting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from bench import registry
from bench.contracts import Metric
from bench.suite.prices import ItemPrices, PriceBook
from bench.suite.suite_file import SuiteText
from bench.tasks import files as file_tasks
from bench.texts import files as file_texts
from tests.forecast.settings_drawn import CTRANSLATE2, DRAWS, MANY, names_drawn

Tree = dict[str, Any]

ENDPOINT = "http://endpoint/v1"
"""Stands for the address of the fake endpoint, which changes from one process to the next."""
FAMILIES = ("t5", "t5_v1_1", "mt5", "bart", "pegasus", "llama")
TRAINING_ROWS = {"train.csv": 24, "no_pool.csv": 24, "few.csv": 2, "short_pool.csv": 8}
"""File -> labelled rows in it."""


def write_rows(folder: Path) -> None:
    """The files that the suites read."""
    words = ["red", "blue", "green", "small", "cat", "dog", "bird", "tree", "river", "stone"]
    texts = [f"the {a} {b} stood by the {c}" + f". It was {a} there" * (i % 4) for i, (a, b, c) in enumerate(_triples(words))]
    labelled = [f"{text},{' '.join(text.split()[1 : 2 + i % 3])}" for i, text in enumerate(texts)]
    rows = {
        "train.csv": labelled[:24] + [f"{text}," for text in texts[24:30]],
        "no_pool.csv": labelled[:24],
        "few.csv": labelled[:2] + [f"{text}," for text in texts[24:27]],
        "short_pool.csv": [row for row in labelled[:24] if "there" in row][:8] + [f"a {word} cat," for word in words[:6]],
        "dev.csv": labelled[30:31],
        "test.csv": labelled[31:34],
        "extra.csv": [f"{text}. The end.," for text in texts[34:44]],
        "short.csv": ["a cat. A dog.,"],
    }
    for name, lines in rows.items():
        (folder / name).write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")


def _triples(words: Sequence[str]) -> list[tuple[str, str, str]]:
    return [(a, b, c) for a in words[:4] for b in words[4:7] for c in words[7:]] + [(b, a, c) for a in words for b in words for c in words]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A suite, and whether its budget is one of the sums at which a forecast changes."""

    tree: Tree
    sum: int | None
    """Number of the sum that becomes the budget; None: the budget stays."""
    off_usd: float
    """Dollars added to that sum."""

    def with_budget(self, usd: float) -> Draw:
        """The same with one budget, as it stands."""
        return replace(self, tree={**self.tree, "budgets_usd": [usd]}, sum=None)

    def text(self, folder: Path, endpoint: str) -> str:
        """The suite file, with the address of the endpoint and the folder of the rows."""
        return json.dumps(self.tree, indent=1).replace(ENDPOINT, endpoint).replace("ROWS", str(folder))


@st.composite
def suites(draw: st.DrawFn, use: str) -> Draw:
    """A suite with the strategy `use`, often one more arm that shares its work, and rarely more than three arms."""
    several = draw(st.sampled_from(["nothing", "strategies", "grid", "budgets", "seeds", "tasks"]))
    family = draw(st.sampled_from(FAMILIES))
    tree = draw(DRAWS.settings(SuiteText, always=("decoding",)))
    names = [use, draw(st.sampled_from(registry.names("strategies")))][: 2 if several == "strategies" else 1]
    tree["strategies"] = {f"{name}{i}": {"use": name, "with": _settings(draw, name, family)} for i, name in enumerate(names)}
    causal = family == "llama" or any(one["with"].get("teacher") == "llm" for one in tree["strategies"].values())
    if causal and tree.get("engine") == CTRANSLATE2:  # it generates with encoder-decoders alone
        tree.pop("engine")
    if several == "grid":
        tree["strategies"][f"{use}0"]["with"]["label_share"] = [0.0, draw(st.sampled_from([1e-9, 0.5, 1.0]))]
    tree["tasks"] = {name: _task(draw) for name in ("own", "other")[: 2 if several == "tasks" else 1]}
    if several == "budgets":
        tree["budgets_usd"] += [2 * tree["budgets_usd"][0]]
    if several == "seeds":
        tree["seeds"] = [0, 1]
    metrics, rank_by = _metrics(draw)
    at_a_sum = draw(st.booleans())
    if at_a_sum:  # a share of a large budget would buy more labels than there are
        tree["strategies"][f"{use}0"]["with"]["label_share"] = 0.0
    tree |= {
        "suite": "drawn",
        "question": "Which?",
        "large": model(family, 8),
        "models": {"small": model(family, 16), "llm": model("llama", 8)},
        "metrics": metrics,
        "rank_by": rank_by,
        "start_labels": min(draw(st.sampled_from([4, 4, 4, 1, 0, MANY])), *map(_train_rows, tree["tasks"].values())),
        "compact": _compact(tree.get("compact", {}), family),
    }
    if "continue_pretraining" in names:
        tree["texts"] = {name: {"use": "files", "with": _text(draw, name)} for name in ("extra", "short")}
    tree["prices"] = draw(DRAWS.settings(PriceBook, always=("device_hour_usd", "device_flops_per_second")))
    tree["prices"] |= {"usd_per_1k_items": {task: draw(DRAWS.settings(ItemPrices)) for task in tree["tasks"]}}
    tree["profilers"] = _profilers(draw, tree["prices"])
    return Draw(
        tree=tree,
        sum=draw(st.integers(0, 11)) if at_a_sum else None,
        off_usd=draw(st.sampled_from([0.0, -1e-9, 1e-9])) if at_a_sum else 0.0,
    )


def model(family: str, width: int) -> Tree:
    """A random model of one layer."""
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    return {"use": "random", "with": {"family": family, "width": width, "feed_forward": 8, "heads": 1, "vocabulary": 400, **layers}}


def _text(draw: st.DrawFn, name: str) -> Tree:
    return {**draw(DRAWS.settings(file_texts.Files)), "path": f"ROWS/{name}.csv"}


def _task(draw: st.DrawFn) -> Tree:
    train = draw(st.sampled_from(["train.csv", "train.csv", "train.csv", "short_pool.csv", *TRAINING_ROWS]))
    given = draw(DRAWS.settings(file_tasks.Files, always=("max_source_tokens", "max_target_tokens")))
    if TRAINING_ROWS[train] < 10:
        given.pop("pool_fraction", None)  # nothing might be left to train on
    return {"use": "files", "with": {**given, **rows_of(train)}}


def rows_of(train: str) -> Tree:
    """Settings of a task that say where its rows are."""
    return {"train": f"ROWS/{train}", "dev": "ROWS/dev.csv", "test": "ROWS/test.csv", "source": "text", "target": "label"}


def _train_rows(task: Tree) -> int:
    """Labels to train on; fewer than there are where some are hidden, since the hash of a row says which."""
    given = task["with"]
    rows = TRAINING_ROWS[given["train"].removeprefix("ROWS/")] // (2 if given.get("pool_fraction") else 1)
    return min(rows, given.get("train_examples") or rows)


def _settings(draw: st.DrawFn, name: str, family: str) -> Tree:
    """Settings of a strategy that go together; a list among them is no grid."""
    given = draw(DRAWS.settings(registry.find("strategies", name)))
    if given.get("compact"):
        given["compact"] = _compact(given["compact"], family)
    for tuning in (given.get("teacher"), given.get("student"), given.get("pretraining")):
        if isinstance(tuning, dict) and tuning.get("lora") and tuning.get("freeze") == "none":
            tuning.pop("freeze")
    together = {"distill": _distill, "llm_label": _llm_label, "continue_pretraining": _continue_pretraining}
    _no_grids(together.get(name, lambda given: given)(given))
    return given


def _no_grids(given: Tree) -> None:
    for name, value in given.items():
        if isinstance(value, dict):
            _no_grids(value)
        elif isinstance(value, list):
            given[name] = [value]


def _compact(given: Mapping[str, Any], family: str) -> Tree:
    """Without an encoder where there is none, and with T5's first layer, which holds its positions, once."""
    once = {name: 1 if isinstance(value, list) and family in ("t5", "t5_v1_1", "mt5") else value for name, value in given.items()}
    return {name: value for name, value in once.items() if not (name == "encoder_layers" and family == "llama")}


def _distill(given: Tree) -> Tree:
    kd = given.get("kd", {})
    if given.get("method", "pl") == "pl":
        given.pop("kd", None)
    if given.get("method") == "kd":
        given.pop("gold", None)
    if kd.get("logit_weight") == 0 and not kd.get("hidden_weight"):
        kd.pop("logit_weight")
    if kd.get("hidden_weight"):
        kd["teacher_outputs"] = "every_step"
    return given


def _llm_label(given: Tree) -> Tree:
    if given.get("teacher"):
        given.pop("endpoint", None)
        given.get("sampling", {}).pop("temperature", None)
    else:
        given["endpoint"] = {"model": "words", **(given.get("endpoint") or {}), "base_url": ENDPOINT}
    return given


def _continue_pretraining(given: Tree) -> Tree:
    for name in ("general", "task_like"):
        if name in given and not sum(given[name].values()) > 0:
            given.pop(name)
    if given.get("pretraining", {}).get("schedule") == "constant" and given.get("switch_at") is None:
        given["switch_at"] = 0.5
    return given


def _metrics(draw: st.DrawFn) -> tuple[dict[str, Tree], str]:
    names = draw(st.sets(st.sampled_from(names_drawn("metrics")), min_size=1, max_size=2))
    parts: dict[str, Tree] = {}
    scores: list[str] = []
    for name in sorted(names):
        kind = registry.find("metrics", name)
        given = draw(DRAWS.settings(kind))
        metric = kind.model_validate_json(json.dumps(given))
        assert isinstance(metric, Metric)
        if not set(metric.score_names) & set(scores):
            parts[name] = {"use": name, "with": given}
            scores += metric.score_names
    return parts, scores[0]


def _profilers(draw: st.DrawFn, prices: Tree) -> dict[str, Tree]:
    """Few of them: the readings of one take time, and no dollars."""
    names = draw(st.sets(st.sampled_from(names_drawn("profilers")), max_size=1))
    if prices.get("meter") == "energy":
        prices.setdefault("kwh_usd", 0.1)
        names.add("energy")
    return {name: {"use": name} for name in sorted(names)}
