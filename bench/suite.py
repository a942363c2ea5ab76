"""Stage 1: YAML text -> a Suite of real parts, or every fault at once with file, line, path and the nearest right name."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from bench import registry, yaml_lines
from bench.contracts import Checkpoint, Compact, Decoding, Metric, Part, Precision, Profiler, Strategy, Task
from bench.errors import SuiteError
from bench.prices import Pays, PriceBook
from bench.yaml_lines import Where, dotted

M = TypeVar("M", bound=BaseModel)


class Use(Part):
    """A part and its settings: `{use: NAME, with: {...}}`."""

    use: str
    """The part's file name on its shelf."""
    settings: dict[str, Any] = Field(default={}, alias="with")
    """Its settings."""


Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=40)]
Dollars = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [v for i, v in enumerate(values) if v in values[:i]]
    if twice:
        raise ValueError(f"{twice[0]} stands twice")
    return values


class SuiteText(Part):
    """A suite file, field by field."""

    suite: Label
    """Name of the suite; results go to `results/<suite>/`."""
    question: str = Field(min_length=1)
    """What the suite answers, for the reader of the report."""
    large: Use
    """The pretrained large model, from `zoo/`: the teacher, and what the compact model is cut from."""
    compact: Compact
    """The shape of the compact model, the same for every strategy."""
    tasks: dict[Label, Use] = Field(min_length=1)
    """LABEL -> part from `tasks/`."""
    strategies: dict[Label, Use] = Field(min_length=1)
    """LABEL -> part from `strategies/`; a list under `with` is a grid."""
    start_labels: int = Field(ge=0)
    """Labels owned at the start; they cost nothing."""
    budgets_usd: Annotated[tuple[Dollars, ...], AfterValidator(_distinct)] = Field(min_length=1)
    """Dollars added, one arm for each."""
    seeds: Annotated[tuple[Seed, ...], AfterValidator(_distinct)] = Field(min_length=1)
    """Each draws its own labels, batches and dropout; differences are paired by seed."""
    prices: PriceBook
    """What things cost."""
    pays: Pays = Pays()
    """Who pays for what."""
    precision: Precision = "bf16"
    """Arithmetic of training and generation."""
    decoding: Decoding = Decoding()
    """How outputs are generated."""
    metrics: dict[Label, Use] = Field(default={"rouge": Use(use="rouge")}, min_length=1)
    """LABEL -> part from `metrics/`."""
    rank_by: str = "rouge2"
    """The score that the leaderboard is sorted by."""
    profilers: dict[Label, Use] = Field(default={name: Use(use=name) for name in ("wall", "memory", "energy")})
    """LABEL -> part from `profilers/`."""


@dataclass(frozen=True)
class Cell:
    """One setting of a strategy. setting: the grid's fields that tell it from its neighbours, '' where there is no grid."""

    label: str
    setting: str
    strategy: Strategy


@dataclass(frozen=True)
class Suite:
    """A question, ready to be planned: the file's fields, with real parts."""

    text: str
    spec: SuiteText
    large: Checkpoint
    tasks: dict[str, Task]
    cells: tuple[Cell, ...]
    metrics: dict[str, Metric]
    profilers: dict[str, Profiler]


def read(path: Path) -> Suite:
    """Read and check a suite file. Raises SuiteError with every fault found."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "cannot be read").lower()
        raise SuiteError([f"{path}: {reason}"]) from None
    parsed = yaml_lines.parse(text)
    if parsed.value is None:
        raise SuiteError([f"{path}:{line}: {fault}" for line, fault in parsed.faults or [(1, "holds nothing")]])
    return _Reader(str(path), parsed).suite(text)


@dataclass
class _Reader:
    """Collects faults while it builds one file's parts."""

    file: str
    text: yaml_lines.Text

    def suite(self, text: str) -> Suite:
        tree = self.text.value
        spec = self._build(SuiteText, tree, ())
        raw = tree if isinstance(tree, dict) else {}
        large = self._part("zoo", raw.get("large"), ("large",))
        tasks = self._shelf("tasks", raw, "tasks")
        metrics, profilers = (self._shelf(s, raw, s) if s in raw or not spec else self._defaults(s, spec) for s in ("metrics", "profilers"))
        cells = tuple(self._cells(raw.get("strategies")))
        if spec:
            self._cross_check(spec, metrics)
        if self.text.faults or spec is None or not isinstance(large, Checkpoint):
            ordered = sorted(dict.fromkeys(self.text.faults))
            raise SuiteError([f"{self.file}:{line}: {fault}" for line, fault in ordered])
        return Suite(text, spec, large, tasks, cells, metrics, profilers)

    def _fault(self, path: Where, message: str) -> None:
        self.text.faults.append((self.text.line(path), f"{dotted(path)}: {message}"))

    def _build(self, model: type[M], value: Any, path: Where) -> M | None:
        """A strict model from plain values; its faults are collected."""
        try:
            return model.model_validate_json(json.dumps(value))
        except ValidationError as error:
            for fault in error.errors():
                self._explain(model, fault, path)
            return None

    def _explain(self, model: type[BaseModel], fault: Any, path: Where) -> None:
        where = (*path, *(part for part in fault["loc"] if part != "[key]"))
        if fault["type"] == "extra_forbidden":
            known = sorted(_settings(model, fault["loc"][:-1]))
            near = registry.nearest(str(where[-1]), tuple(known))
            self._fault(where, f"no such setting; did you mean '{near}'?" if near else f"no such setting; there are: {', '.join(known)}")
        elif fault["type"] == "missing":
            self._fault(where, "missing")
        else:
            expected = fault["msg"].removeprefix("Value error, ").replace("Input should be", "expected").replace("String should", "should")
            self._fault(where, f"{expected}, got {json.dumps(fault['input'], default=str)[:60]}")

    def _part(self, shelf: str, use: Any, path: Where) -> Part | None:
        """A part from `{use, with}`; malformed entries were reported with the file's fields."""
        kind = self._class(shelf, use, path)
        return self._build(kind, use.get("with") or {}, (*path, "with")) if kind else None

    def _class(self, shelf: str, use: Any, path: Where) -> type[Part] | None:
        if not isinstance(use, dict) or not isinstance(use.get("use"), str) or not isinstance(use.get("with") or {}, dict):
            return None
        try:
            return registry.find(shelf, use["use"])
        except registry.UnknownPart as error:
            self._fault((*path, "use"), str(error))
            return None

    def _shelf(self, shelf: str, raw: dict[str, Any], key: str) -> dict[str, Any]:
        entries = raw.get(key)
        built = {label: self._part(shelf, use, (key, label)) for label, use in (entries if isinstance(entries, dict) else {}).items()}
        return {label: part for label, part in built.items() if part}

    def _defaults(self, shelf: str, spec: SuiteText) -> dict[str, Any]:
        return {label: registry.find(shelf, use.use)(**use.settings) for label, use in getattr(spec, shelf).items()}

    def _cells(self, entries: Any) -> Iterator[Cell]:
        for label, use in (entries if isinstance(entries, dict) else {}).items():
            path = ("strategies", label, "with")
            kind = self._class("strategies", use, path[:2])
            if kind is None:
                continue
            seen: list[Part] = []
            for setting, values, moved in _grid(use.get("with") or {}, self, path):
                with _Moved(self.text.lines, moved):
                    strategy = self._build(kind, values, path)
                if strategy in seen:
                    self._fault(path, f"the grid holds the same settings twice: {setting}")
                elif isinstance(strategy, Strategy):
                    seen.append(strategy)
                    yield Cell(label, setting, strategy)

    def _cross_check(self, spec: SuiteText, metrics: dict[str, Metric]) -> None:
        if spec.prices.meter == "energy":
            if "energy" not in {use.use for use in spec.profilers.values()}:
                self._fault(("prices", "meter"), "paying by energy needs the profiler 'energy' under profilers")
            if not spec.prices.kwh_usd:
                self._fault(("prices", "kwh_usd"), "paying by energy needs a price of a kWh above 0")
        givers: dict[str, str] = {}
        for label, metric in metrics.items():
            for name in metric.score_names:
                if givers.setdefault(name, label) != label:
                    self._fault(("metrics", label), f"gives '{name}', as '{givers[name]}' does already")
        if metrics and spec.rank_by not in givers:
            near = registry.nearest(spec.rank_by, tuple(givers))
            hint = f"did you mean '{near}'?" if near else f"there are: {', '.join(givers)}"
            self._fault(("rank_by",), f"no metric gives '{spec.rank_by}'; {hint}")


@dataclass
class _Moved:
    """While a grid's cell is built, its paths point at the lines of the values chosen."""

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


def _grid(values: dict[str, Any], reader: _Reader, path: Where) -> Iterator[tuple[str, dict[str, Any], dict[Where, int]]]:
    """(what tells it apart, settings, lines) for every combination of the lists in `values`, also of nested ones."""
    axes = list(_lists(values, ()))
    for at, choices in axes:
        if not choices:
            reader._fault((*path, *at), "an empty grid")
    for picks in itertools.product(*(range(len(choices)) for _, choices in axes)):
        cell = json.loads(json.dumps(values))
        moved = {}
        for (at, choices), pick in zip(axes, picks, strict=True):
            _put(cell, at, choices[pick])
            moved[(*path, *at)] = reader.text.line((*path, *at, pick))
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
    """Field names, as written in YAML, of the model that stands at `loc` inside `model`."""
    for step in loc:
        info = model.model_fields.get(str(step))
        inner = _models(info.annotation) if info else []
        if inner:
            model = inner[0]
    return [info.alias or name for name, info in model.model_fields.items()]


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Models named in a type such as `Tuning | None` or `dict[str, Use]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
