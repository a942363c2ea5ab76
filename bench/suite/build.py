"""Builds real parts from the plain values of a suite file, and collects every fault with its place."""

from __future__ import annotations

import functools
import itertools
import json
import math
import operator
from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from bench import registry
from bench.contracts import Part
from bench.suite import parse_yaml
from bench.suite.parse_yaml import Where, dotted
from bench.system.names import nearest

M = TypeVar("M", bound=BaseModel)

CELLS_AT_MOST = 10_000
"""Largest number of settings in the grid of one strategy."""


@dataclass
class Builder:
    """Builds the parts of one file, and collects the faults in them."""

    text: parse_yaml.Text

    def fault(self, path: Where, message: str) -> None:
        """Record a fault at `path`."""
        self.text.faults.append((self.text.line(path), f"{dotted(path)}: {message}"))

    def unknown(self, path: Where, what: str, name: str, known: tuple[str, ...]) -> None:
        """Record a name that does not exist. The message suggests the nearest known name, or lists all."""
        near = nearest(name, known)
        self.fault(path, f"{what}; did you mean '{near}'?" if near else f"{what}; there are: {', '.join(known) or 'none'}")

    def build(self, model: type[M], value: Any, path: Where) -> M | None:
        """Build a strict model from plain values. Its faults are collected."""
        try:
            return model.model_validate_json(json.dumps(value))
        except ValidationError as error:
            for fault in error.errors():
                where = (*path, *(part for part in fault["loc"] if part != "[key]"))
                if fault["type"] == "extra_forbidden":
                    self.unknown(where, "no such setting", str(where[-1]), tuple(sorted(_settings(model, fault["loc"][:-1]))))
                elif fault["type"] == "missing":
                    self.fault(where, "missing")
                else:
                    message = fault["msg"].removeprefix("Value error, ").replace("String should", "should")
                    message = message.replace("Input should be", "expected")
                    self.fault(where, f"{message}, got {json.dumps(fault['input'], default=str)[:60]}")
            return None

    def part(self, shelf: str, use: Any, path: Where) -> Part | None:
        """Build a part from `{use, with}`. A malformed entry gives None; it was reported with the file's fields."""
        kind = self._class(shelf, use, path)
        return self.build(kind, use.get("with") or {}, (*path, "with")) if kind else None

    def _class(self, shelf: str, use: Any, path: Where) -> type[Part] | None:
        if not isinstance(use, dict) or not isinstance(use.get("use"), str) or not isinstance(use.get("with") or {}, dict):
            return None
        try:
            return registry.find(shelf, use["use"])
        except registry.UnknownPart as error:
            self.fault((*path, "use"), str(error))
            return None

    def shelf(self, shelf: str, entries: Any, key: str) -> dict[str, Any]:
        """Return LABEL -> part for the entries that could be built."""
        built = {label: self.part(shelf, use, (key, label)) for label, use in (entries if isinstance(entries, dict) else {}).items()}
        return {label: part for label, part in built.items() if part}

    def grid(self, shelf: str, use: Any, path: Where) -> Iterator[tuple[str, Part]]:
        """Yield (varied settings, part) for every combination of the lists under `with`, nested ones included."""
        kind, inside = self._class(shelf, use, path), (*path, "with")
        if kind is None:
            return
        values, lines = json.loads(json.dumps(use.get("with") or {})), self.text.lines
        axes = list(_lists(values, ()))
        for at, choices in axes:
            if not choices:
                self.fault((*inside, *at), "an empty grid")
        if (count := math.prod(len(choices) for _, choices in axes)) > CELLS_AT_MOST:
            self.fault(inside, f"a grid of {count:,} settings, expected at most {CELLS_AT_MOST:,}")
            return
        for at, _ in axes:
            _put(values, at, None)
        seen = set[str]()
        for picks in itertools.product(*(range(len(choices)) for _, choices in axes)):
            cell, moved, varied = json.loads(json.dumps(values)), {}, list[str]()
            for (at, choices), pick in zip(axes, picks, strict=True):
                _put(cell, at, choices[pick])
                moved[(*inside, *at)] = self.text.line((*inside, *at, pick))
                varied += [f"{dotted(at)}={choices[pick]}"] if len(choices) > 1 else []
            self.text.lines = ChainMap(moved, lines)  # a fault of this cell is on the line of the chosen value
            part = self.build(kind, cell, inside)
            self.text.lines = lines
            setting = ", ".join(varied)
            if (shown := repr(part)) in seen:
                self.fault(inside, f"the grid holds the same settings twice: {setting}")
            elif part:
                seen.add(shown)
                yield setting, part


def _put(values: dict[str, Any], at: tuple[str, ...], value: Any) -> None:
    """Set a value inside nested mappings."""
    functools.reduce(operator.getitem, at[:-1], values)[at[-1]] = value


def _lists(values: dict[str, Any], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for key, value in values.items():
        if isinstance(value, list):
            yield (*at, key), value
        elif isinstance(value, dict):
            yield from _lists(value, (*at, key))


def _settings(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """Return the field names, as written in YAML, of the model at `loc` inside `model`."""
    for step in loc:
        info = model.model_fields.get(str(step))
        inner = _models(info.annotation) if info else []
        if inner:
            model = inner[0]
    return [info.alias or name for name, info in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models named in a type such as `Tuning | None` or `dict[str, Use]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
