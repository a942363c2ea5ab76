"""Texts that the models generated: of each arm the worst, median and best test examples, with source and reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.execution.record import Record
from bench.report.analysis.leaderboard import Board, label
from bench.report.analysis.metric import Metric
from bench.report.analysis.significance import Floats
from bench.report.html.escape import script_json, shortened
from bench.results.examples import Examples
from bench.results.table import Results
from bench.system.results_folder import PREDICTIONS

MOST_ARMS, FEW_ARMS, OF_EACH = 600, 120, 3
"""Limits of the predictions: arms in all, arms that may each show several examples, and these examples. Up to FEW_ARMS arms show OF_EACH of
the worst, of the median and of the best examples each. With more arms each shows one of each kind."""
SOURCE_CHARACTERS, TEXT_CHARACTERS = 700, 500


def predictions(folder: Path, found: Results, boards: Sequence[Board], room: int) -> dict[str, Any]:
    """Return the predictions that fit into `room` bytes of JSON, those of the best settings first.

    Each document is held once, however many arms show it. Raises nothing: `left_out` states what is not shown, and why.
    """
    metrics = {board.task: board.primary for board in boards}
    places = {(b.task, b.budget_usd, line.name): place for b in boards for place, line in enumerate(b.settings)}
    ranked = []
    for arm, record in found.records.items():
        place = places.get((record.task, record.budget_usd, label(record.strategy, record.setting)))
        scores = found.examples[arm].scores if arm in found.examples else ()
        if record.status == "done" and place is not None and ("student", metrics[record.task].name) in scores:
            ranked.append((place, -record.budget_usd, arm))
    shown: list[dict[str, Any]] = []
    documents: dict[tuple[str, ...], int] = {}
    unreadable = 0
    for _, _, arm in sorted(ranked)[:MOST_ARMS]:
        each = OF_EACH if len(ranked) <= FEW_ARMS else 1
        try:
            one = _arm(folder / arm, found.records[arm], found.examples[arm], metrics[found.records[arm].task], each)
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            unreadable += 1
            continue
        room -= len(script_json(one).encode())
        if room < 0:
            break
        for card in one["cards"]:
            card["document"] = documents.setdefault(tuple(card["document"].values()), len(documents))
        shown.append(one)
    done = sum(record.status == "done" for record in found.records.values())
    left_out = [f"Predictions of {len(shown):,} of {done:,} arms that are done."] if len(shown) < done else []
    left_out += [f"{done - len(ranked):,} have no file of predictions that could be read with their scores."] if len(ranked) < done else []
    left_out += [f"Those of {unreadable:,} could not be read."] if unreadable else []
    if len(shown) + unreadable < len(ranked):
        left_out.append("The page has no room for the others: see predictions.jsonl in their folders.")
    by_place = [dict(zip(("id", "source", "reference"), document, strict=True)) for document in documents]
    return {"documents": by_place, "arms": shown, "left_out": " ".join(left_out)}


def _picked(scores: Floats, sign: int, each: int) -> list[tuple[int, str]]:
    """Return (position of an example, 'worst', 'median' or 'best'), in this order. An example without a score is never taken. With equal
    scores the first in the file is taken, so that arms tend to show the same examples."""
    there = np.flatnonzero(~np.isnan(scores))
    order, best = ([int(place) for place in there[np.argsort(way * scores[there], kind="stable")]] for way in (sign, -sign))
    middle = max(0, (len(order) - each) // 2)
    wanted = {"worst": order[:each], "median": order[middle : middle + each], "best": best[:each]}
    picked = {place: which for which, places in reversed(wanted.items()) for place in places}
    return sorted(picked.items(), key=lambda item: (list(wanted).index(item[1]), item[0]))


def _arm(folder: Path, record: Record, examples: Examples, metric: Metric, each: int) -> dict[str, Any]:
    """Return the predictions of one arm, in cards: one example with its predictions and scores. Raises OSError, KeyError, TypeError,
    ValueError or AttributeError where its file is not as expected, or has changed since it was read."""
    picked = _picked(examples.scores["student", metric.name], -1 if metric.direction == "lower" else 1, each)
    lines = [line for line in (folder / PREDICTIONS).read_text(encoding="utf-8").split("\n") if line]
    cards = []
    for place, which in picked:
        line = json.loads(lines[place])
        if str(line["id"]) != examples.ids[place]:
            raise ValueError("predictions.jsonl has changed")
        source, reference = shortened(line["source"], SOURCE_CHARACTERS), shortened(line["reference"], TEXT_CHARACTERS)
        cards.append(
            {
                "which": which,
                "document": {"id": str(line["id"]), "source": source, "reference": reference},
                "says": {who: shortened(text, TEXT_CHARACTERS) for who, text in line["predictions"].items()},
                "scores": {who: found.get(metric.name) for who, found in line["scores"].items()},
            }
        )
    name = label(record.strategy, record.setting)
    return {"arm": folder.name, "task": record.task, "name": name, "budget": record.budget_usd, "seed": record.seed, "cards": cards}
