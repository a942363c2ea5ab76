"""Builds real parts from the plain values of a suite file, and collects every fault with its place."""

from __future__ import annotations

import itertools
import json
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
                self._explain(model, fault, path)
            return None

    def _explain(self, model: type[BaseModel], fault: Any, path: Where) -> None:
        where = (*path, *(part for part in fault["loc"] if part != "[key]"))
        if fault["type"] == "extra_forbidden":
            self.unknown(where, "no such setting", str(where[-1]), tuple(sorted(_settings(model, fault["loc"][:-1]))))
        elif fault["type"] == "missing":
            self.fault(where, "missing")
        else:
            expected = fault["msg"].removeprefix("Value error, ").replace("Input should be", "expected").replace("String should", "should")
            self.fault(where, f"{expected}, got {json.dumps(fault['input'], default=str)[:60]}")

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
        """Yield (varied settings, part) for every combination of the lists under `with`."""
        kind, inside = self._class(shelf, use, path), (*path, "with")
        seen: list[Part] = []
        for setting, values, moved in _grid(use.get("with") or {}, self, inside) if kind else ():
            with _Moved(self.text.lines, moved):
                part = self.build(kind, values, inside) if kind else None
            if part in seen:
                self.fault(inside, f"the grid holds the same settings twice: {setting}")
            elif part:
                seen.append(part)
                yield setting, part


@dataclass
class _Moved:
    """Maps paths to the lines of the chosen values while one cell of a grid is built."""

    lines: dict[Where, int]
    moved: dict[Where, int]

    def __enter__(self) -> None:
        self.before = {path: self.lines.get(path) for path in self.moved}
        self.lines.update(self.moved)

    def __exit__(self, *_: object) -> None:
        for path, line in self.before.items():
            if line is None:
                del self.lines[path]
            else:
                self.lines[path] = line


def _grid(values: dict[str, Any], builder: Builder, path: Where) -> Iterator[tuple[str, dict[str, Any], dict[Where, int]]]:
    """Yield (varied settings, all settings, lines) for every combination of the lists in `values`, nested ones included."""
    axes = list(_lists(values, ()))
    for at, choices in axes:
        if not choices:
            builder.fault((*path, *at), "an empty grid")
    for picks in itertools.product(*(range(len(choices)) for _, choices in axes)):
        cell = json.loads(json.dumps(values))
        moved = {}
        for (at, choices), pick in zip(axes, picks, strict=True):
            _put(cell, at, choices[pick])
            moved[(*path, *at)] = builder.text.line((*path, *at, pick))
        setting = ", ".join(f"{dotted(at)}={choices[pick]}" for (at, choices), pick in zip(axes, picks, strict=True) if len(choices) > 1)
        yield setting, cell, moved


def _lists(values: dict[str, Any], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    for key, value in values.items():
        if isinstance(value, list):
            yield (*at, key), value
        elif isinstance(value, dict):
            yield from _lists(value, (*at, key))


def _put(values: dict[str, Any], at: tuple[str, ...], value: Any) -> None:
    for key in at[:-1]:
        values = values[key]
    values[at[-1]] = value


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
