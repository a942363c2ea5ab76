"""Texts that the models generated: of each arm the worst, median and best test examples, with source and
reference."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.execution.record import Record
from bench.report.analysis.leaderboard import Board, Metric, label
from bench.report.analysis.significance import Floats
from bench.report.html.escape import script_json, shortened
from bench.results.examples import Examples
from bench.results.table import Results

MOST_ARMS, FEW_ARMS, OF_EACH = 600, 120, 3
"""Limits of the predictions: arms in all, arms that may each show several examples, and these examples.

Up to FEW_ARMS arms show OF_EACH of the worst, of the median and of the best examples each. With more arms
each shows one of each kind.
"""

SOURCE_CHARACTERS, TEXT_CHARACTERS = 700, 500


def predictions(folder: Path, found: Results, boards: Sequence[Board], room: int) -> dict[str, Any]:
    """Return the predictions that fit into `room` bytes of JSON, those of the best settings first.

    Each document is held once, however many arms show it. Raises nothing: `left_out` states what is not
    shown, and why.
    """
    metrics = {board.task: board.primary for board in boards}
    arms = [
        a
        for a in _arms(found, boards)
        if a in found.examples and ("student", metrics[found.records[a].task].name) in found.examples[a].scores
    ]
    each = OF_EACH if len(arms) <= FEW_ARMS else 1
    shown: list[dict[str, Any]] = []
    unreadable = 0
    for arm in arms[:MOST_ARMS]:
        try:
            one = _arm(folder / arm, found.records[arm], found.examples[arm], metrics[found.records[arm].task], each)
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            unreadable += 1
            continue
        room -= len(script_json(one).encode())
        if room < 0:
            break
        shown.append(one)
    return {"documents": _shared_documents(shown), "arms": shown, "left_out": _left_out(found, len(arms), len(shown), unreadable)}


def _shared_documents(arms: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Return every document once, and replace documents by their numbers in `arms`, in place.

    The documents of an arm are in its cards. A card is one example with its predictions and scores.
    """
    places: dict[tuple[str, ...], int] = {}
    for one in arms:
        for card in one["cards"]:
            card["document"] = places.setdefault(tuple(card["document"].values()), len(places))
    return [dict(zip(("id", "source", "reference"), found, strict=True)) for found in places]


def _arms(found: Results, boards: Sequence[Board]) -> Iterator[str]:
    """Yield the arms that are done, by the rank of their setting, greatest budgets first."""
    places = {(b.task, b.budget_usd, line.name): place for b in boards for place, line in enumerate(b.settings)}
    known = [(arm, record) for arm, record in found.records.items() if record.status == "done"]
    keys = {arm: places.get((r.task, r.budget_usd, label(r.strategy, r.setting))) for arm, r in known}
    yield from (
        arm for arm, r in sorted(known, key=lambda pair: (keys[pair[0]] or 0, -pair[1].budget_usd, pair[0])) if keys[arm] is not None
    )


def _picked(scores: Floats, sign: int, each: int) -> dict[int, str]:
    """Return position of an example -> 'worst', 'median' or 'best'. An example without a score is never taken.

    With equal scores the first in the file is taken, so that arms tend to show the same examples.
    """
    there = np.flatnonzero(~np.isnan(scores))
    order = [int(place) for place in there[np.argsort(sign * scores[there], kind="stable")]]
    best = [int(place) for place in there[np.argsort(-sign * scores[there], kind="stable")]][:each]
    middle = max(0, (len(order) - each) // 2)
    wanted = {"worst": order[:each], "median": order[middle : middle + each], "best": best}
    return {place: which for which, places in reversed(wanted.items()) for place in places}


def _lines(folder: Path, examples: Examples, picked: Mapping[int, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (which, line of the file) for the picked examples. Raises ValueError where the file has changed
    since it was read."""
    lines = [line for line in (folder / "predictions.jsonl").read_text(encoding="utf-8").split("\n") if line]
    order = {"worst": 0, "median": 1, "best": 2}
    for place, which in sorted(picked.items(), key=lambda item: (order[item[1]], item[0])):
        line = json.loads(lines[place])
        if str(line["id"]) != examples.ids[place]:
            raise ValueError("predictions.jsonl has changed")
        yield which, line


def _arm(folder: Path, record: Record, examples: Examples, metric: Metric, each: int) -> dict[str, Any]:
    """Return the predictions of one arm.

    Raises OSError, KeyError, TypeError, ValueError or AttributeError where its file is not as expected.
    """
    picked = _picked(examples.scores["student", metric.name], -1 if metric.direction == "lower" else 1, each)
    return {
        "arm": folder.name,
        "task": record.task,
        "name": label(record.strategy, record.setting),
        "budget": record.budget_usd,
        "seed": record.seed,
        "cards": [_card(line, which, metric.name) for which, line in _lines(folder, examples, picked)],
    }


def _card(line: Mapping[str, Any], which: str, metric: str) -> dict[str, Any]:
    source, reference = shortened(line["source"], SOURCE_CHARACTERS), shortened(line["reference"], TEXT_CHARACTERS)
    return {
        "which": which,
        "document": {"id": str(line["id"]), "source": source, "reference": reference},
        "says": {who: shortened(text, TEXT_CHARACTERS) for who, text in line["predictions"].items()},
        "scores": {who: found.get(metric) for who, found in line["scores"].items()},
    }


def _left_out(found: Results, arms: int, shown: int, unreadable: int) -> str:
    done = sum(record.status == "done" for record in found.records.values())
    sentences = [f"Predictions of {shown:,} of {done:,} arms that are done."] if shown < done else []
    sentences += [f"{done - arms:,} have no file of predictions that could be read with their scores."] if arms < done else []
    sentences += [f"Those of {unreadable:,} could not be read."] if unreadable else []
    sentences += ["The page has no room for the others: see predictions.jsonl in their folders."] if shown + unreadable < arms else []
    return " ".join(sentences)
