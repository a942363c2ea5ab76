"""Finds what differs between two results folders beside the scores, and its effect on a comparison.

A missing key equals None, 0 or an empty list on the other side, because older versions wrote fewer keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from bench.contracts import METERS
from bench.execution.record import Record
from bench.report.analysis import leaderboard
from bench.report.text import DASH, NAMED
from bench.results.table import Results
from bench.suite import parse_yaml

EFFECTS = {
    "data": "other examples: differences are not paired, and may be those of the data",
    "inputs": "other checkpoints or texts",
    "money": "the same dollars buy something else",
    "question": "not the same thing was run",
    "scoring": "scores may be counted otherwise",
    "machine": "times, memory and energy are those of other machines",
    "paying machine": "times, memory and energy are those of other machines, and so is what the same dollars buy",
    "version": "may explain a change; fair where versions are what is compared",
}
"""Kind of difference -> its effect on a comparison. The gravest is first."""

IN_SUITE = {
    **dict.fromkeys(("start_labels", "meter", "label_usd", "prices", "pays"), "money"),
    **dict.fromkeys(("large", "models", "texts"), "inputs"),
    **dict.fromkeys(("compact", "layers"), "question"),
}
"""Key of suite.json -> kind."""

LABELLED = frozenset({"label_usd", "models", "texts", "tasks", "metrics"})
"""Keys that hold LABEL -> value. A label on one side alone is not a difference between the things that both have."""
IN_TEXT = {"tasks": "question", "precision": "question", "decoding": "question", "metrics": "scoring"}
"""Key of suite.yaml that suite.json does not hold -> kind."""
NOTHING = frozenset({DASH, "", "0", "False"})
"""Values, as text, that mean the same as an absent value."""
SHOWN_ELSEWHERE = frozenset({"prices.meter", "prices.label_usd"})
OF_A_VERSION = ("os", "python", "packages", "driver")
OF_A_MACHINE = ("cpu", "cores", "logical_cores", "threads", "gpus")
FINGERPRINT_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Unlike:
    """One thing that differs."""

    kind: str
    """Key of EFFECTS."""
    what: str
    """Name of the thing."""
    before: str
    """Its value as text, or a dash where there is none; likewise `after`."""
    after: str


def unlike(before: Results, after: Results) -> list[Unlike]:
    """Return all differences, the gravest first."""
    first, second = data(before), data(after)
    prints = [
        Unlike(kind="data", what=f"data of {task}", before=_short(first[task]), after=_short(second[task]))
        for task in first.keys() & second.keys()
        if first[task] and second[task] and first[task] != second[task]
    ]
    return sorted([*prints, *_suites(before, after), *_strategies(before, after), *_machines(before, after)], key=gravest_first)


def gravest_first(one: Unlike) -> tuple[int, str]:
    """Return the sort key of a difference."""
    return list(EFFECTS).index(one.kind), one.what


def data(found: Results) -> dict[str, frozenset[str]]:
    """Return task -> fingerprints of the data of its arms."""
    prints: dict[str, set[str]] = {}
    for record in found.records.values():
        prints.setdefault(record.task, set()).update({record.data_fingerprint} - {""})
    return {task: frozenset(known) for task, known in prints.items()}


def _short(prints: Iterable[str]) -> str:
    return joined(one[:FINGERPRINT_DIGITS] for one in sorted(prints))


def _suites(before: Results, after: Results) -> Iterator[Unlike]:
    texts = _parsed(before.suite_text), _parsed(after.suite_text)
    for kinds, first, second in ((IN_SUITE, before.suite, after.suite), (IN_TEXT, *texts)):
        for key, kind in kinds.items():
            one, other = first.get(key), second.get(key)
            if key in LABELLED and isinstance(one, Mapping) and isinstance(other, Mapping):
                shared = one.keys() & other.keys()
                one, other = ({label: side[label] for label in side if label in shared} for side in (one, other))
            for differing in _changed(kind, flat(one, key), flat(other, key)):
                if differing.what not in SHOWN_ELSEWHERE:
                    yield differing


def _parsed(text: str) -> Mapping[str, Any]:
    """Return the content of a suite's text, or nothing where it cannot be parsed."""
    found = parse_yaml.parse(text).value if len(text) <= parse_yaml.BYTES_AT_MOST else None
    return found if isinstance(found, Mapping) else {}


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path, leaf) of nested mappings. Names in a path are joined by dots."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from flat(one, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _changed(kind: str, before: Iterable[tuple[str, Any]], after: Iterable[tuple[str, Any]]) -> Iterator[Unlike]:
    """Yield the paths whose values differ. Both sides are (path, leaf), and a path may have several leaves."""
    values: dict[str, tuple[set[str], set[str]]] = {}
    for side, leaves in enumerate((before, after)):
        for path, leaf in leaves:
            values.setdefault(path, (set(), set()))[side].add(_read(leaf))
    for path, (one, other) in values.items():
        if one != other and ((one and other) or not one | other <= NOTHING):
            yield Unlike(kind=kind, what=path, before=joined(sorted(one)), after=joined(sorted(other)))


def _strategies(before: Results, after: Results) -> Iterator[Unlike]:
    """Yield settings of the same name that differ, and their checkpoints and texts. Equal differences are grouped."""
    sides: list[dict[str, list[Record]]] = [{}, {}]
    for found, side in zip((before, after), sides, strict=True):
        for record in found.records.values():
            side.setdefault(leaderboard.label(record.strategy, record.setting), []).append(record)
    both = sorted(sides[0].keys() & sides[1].keys())
    for kind in ("question", "inputs"):
        names: dict[Unlike, list[str]] = {}
        for name in both:
            for differing in _changed(kind, *(chain.from_iterable(_leaves(record, kind) for record in side[name]) for side in sides)):
                names.setdefault(differing, []).append(name)
        for differing, of in names.items():
            yield replace(differing, what=f"{differing.what} of {f'all {len(both)} settings' if len(of) == len(both) > 1 else joined(of)}")


def _leaves(record: Record, kind: str) -> Iterator[tuple[str, Any]]:
    """Yield the settings of an arm, or for the kind 'inputs' the fingerprint of its checkpoints and texts."""
    if kind == "question":
        yield from flat(record.settings)
    elif record.inputs_fingerprint:
        yield "checkpoints and texts", record.inputs_fingerprint[:FINGERPRINT_DIGITS]


def _machines(before: Results, after: Results) -> Iterator[Unlike]:
    paying = {METERS.get(str(found.suite.get("meter"))) for found in (before, after)}
    metered = any(meter and not meter.known_in_advance for meter in paying)
    for kind, names in (("version", OF_A_VERSION), ("paying machine" if metered else "machine", OF_A_MACHINE)):
        yield from _changed(kind, _facts(before, names), _facts(after, names))


def _facts(found: Results, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for record in found.records.values():
        for name in names:
            value = record.machine.get(name)
            yield from flat([gpu.get("name", "unnamed") for gpu in value or ()] if name == "gpus" else value, name)


def machine(record: Record) -> str:
    """Return the GPUs of an arm's machine, or else its processor; '' where neither is known."""
    facts = record.machine
    if facts.get("gpus"):
        return ", ".join(str(gpu.get("name", "unnamed")) for gpu in facts["gpus"])
    cores = facts.get("cores")
    return f"{facts['cpu']}" + (f", {cores} cores" if cores else "") if facts.get("cpu") else ""


def _read(value: Any) -> str:
    """Return a value as text for a reader."""
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_read, value)) or DASH
    return DASH if value is None else str(value)


def joined(texts: Iterable[str]) -> str:
    """Return texts such as 'a, b and 7 more', or a dash for none."""
    found = list(texts)
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return (", ".join(found[:NAMED]) or DASH) + more
