"""Reads a suite file: YAML text -> a Suite of real parts, or every fault at once with file, line, path and nearest name."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from bench import registry
from bench.contracts import (
    ITEMS,
    METERS,
    POOL,
    Checkpoint,
    Compact,
    Decoding,
    Engine,
    Executor,
    Metric,
    Part,
    Precision,
    Profiler,
    Strategy,
    Task,
    Text,
)
from bench.contracts.part import names_used
from bench.errors import SuiteError
from bench.suite import parse_yaml
from bench.suite.build import Builder
from bench.suite.parse_yaml import BYTES_AT_MOST, Where
from bench.suite.prices import Pays, PriceBook

ARMS_AT_MOST = 100_000
"""Largest number of arms of a suite."""


class Use(Part):
    """A part and its settings: `{use: NAME, with: {...}}`."""

    use: str
    """File name of the part on its shelf, without '.py'."""
    settings: dict[str, Any] = Field(default={}, alias="with")
    """Settings of the part."""


Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=40)]
Dollars = Annotated[float, Field(gt=0, le=1e12)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [v for i, v in enumerate(values) if v in values[:i]]
    if twice:
        raise ValueError(f"{twice[0]} stands twice")
    return values


class SuiteText(Part):
    """A suite file, field by field."""

    suite: Label
    """Name of the suite. Results go to `results/<suite>/`."""
    question: str = Field(min_length=1)
    """The question that the suite answers, for readers of the report."""
    large: Use
    """The pretrained large model, from `models/`. It is the teacher, and the compact model is cut from it."""
    compact: Compact = Compact()
    """The compact model, for every strategy that does not name its own."""
    models: dict[Label, Use] = Field(default={})
    """LABEL -> part from `models/`: further pretrained models, which a strategy or `compact` may name."""
    texts: dict[Label, Use] = Field(default={})
    """LABEL -> part from `texts/`: text for continued pretraining, or with an LLM's labels. The label `pool` always means the task's
    unlabelled pool."""
    tasks: dict[Label, Use] = Field(min_length=1)
    """LABEL -> part from `tasks/`."""
    strategies: dict[Label, Use] = Field(min_length=1)
    """LABEL -> part from `strategies/`. A list under `with` is a grid: one arm for each of its values."""
    start_labels: int = Field(ge=0)
    """Number of labels owned at the start. They cost nothing."""
    budgets_usd: Annotated[tuple[Dollars, ...], AfterValidator(_distinct)] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    """Dollars added to the start labels. Each budget makes an arm of its own."""
    seeds: Annotated[tuple[Seed, ...], AfterValidator(_distinct)] = Field(min_length=1, json_schema_extra={"uniqueItems": True})
    """Random seeds. Each draws its own labels, batches and dropout. Differences between strategies are paired by seed."""
    prices: PriceBook
    """Prices of labels, compute and tokens."""
    pays: Pays = Pays()
    """Who pays for each kind of work: the purse or nobody."""
    precision: Precision = "fp32"
    """Numeric precision of training and generation. 'fp32' is fast on every machine. 'bf16' is faster on GPUs
    and CPUs with bf16 hardware, and many times slower on other CPUs; a run then warns before it begins."""
    decoding: Decoding = Decoding()
    """Settings of generation."""
    engine: Use = Use(use="torch")
    """Part from `engines/`, with which all models of the suite generate text."""
    metrics: dict[Label, Use] = Field(default={"rouge": Use(use="rouge")}, min_length=1)
    """LABEL -> part from `metrics/`."""
    rank_by: str = "rouge2"
    """The score by which the leaderboard is sorted."""
    profilers: dict[Label, Use] = Field(default={name: Use(use=name) for name in ("wall", "memory", "energy")})
    """LABEL -> part from `profilers/`."""
    executor: Use = Use(use="local")
    """Part from `executors/`: where the processes of the arms run. It changes no result."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting of a strategy."""

    label: str
    setting: str
    """The varied settings of the grid, such as 'label_share=0.5'; '' without a grid."""
    strategy: Strategy


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite that is ready to be planned: the file's fields, and real parts."""

    path: Path
    """The file, as the user named it."""
    text: str
    spec: SuiteText
    large: Checkpoint
    tasks: dict[str, Task]
    cells: tuple[Cell, ...]
    metrics: dict[str, Metric]
    profilers: dict[str, Profiler]
    models: dict[str, Checkpoint]
    texts: dict[str, Text]
    engine: Engine
    executor: Executor


def read(path: Path) -> Suite:
    """Read and check a suite file. Raises SuiteError with every fault found."""
    text = _text(path)
    parsed = parse_yaml.parse(text)
    if parsed.value is None:
        raise SuiteError([f"{path}:{line}: {fault}" for line, fault in parsed.faults or [(1, "holds nothing")]])
    builder, raw = Builder(parsed), parsed.value if isinstance(parsed.value, dict) else {}
    spec = builder.build(SuiteText, parsed.value, ())
    large = builder.part("models", raw.get("large"), ("large",))
    engine = builder.part("engines", raw.get("engine", {"use": "torch"}), ("engine",))
    executor = builder.part("executors", raw.get("executor", {"use": "local"}), ("executor",))
    shelves = {shelf: builder.shelf(shelf, raw.get(shelf), shelf) for shelf in ("tasks", "models", "texts", "metrics", "profilers")}
    strategies = raw.get("strategies")
    cells = tuple(
        Cell(label=label, setting=setting, strategy=part)
        for label, use in (strategies if isinstance(strategies, dict) else {}).items()
        for setting, part in builder.grid("strategies", use, ("strategies", label))
        if isinstance(part, Strategy)
    )
    if spec:
        for shelf in {"metrics", "profilers"} - raw.keys():
            shelves[shelf] = {label: registry.find(shelf, use.use)(**use.settings) for label, use in getattr(spec, shelf).items()}
        _check_prices(builder, spec, cells)
        _check_metrics(builder, spec, shelves["metrics"])
        _check_names(builder, spec, cells)
        _check_arms(builder, spec, cells)
    if (
        builder.text.faults
        or spec is None
        or not isinstance(large, Checkpoint)
        or not isinstance(engine, Engine)
        or not isinstance(executor, Executor)
    ):
        raise SuiteError([f"{path}:{line}: {fault}" for line, fault in sorted(dict.fromkeys(builder.text.faults))])
    return Suite(path=path, text=text, spec=spec, large=large, cells=cells, engine=engine, executor=executor, **shelves)


def _text(path: Path) -> str:
    """Return the text of a suite file, with `\\n` at the end of each line. Raises SuiteError."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_AT_MOST + 1)
        if len(content) > BYTES_AT_MOST:
            raise SuiteError([f"{path}: larger than {BYTES_AT_MOST / 1e6:g} MB; keep data in files, and name these in the suite"])
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "cannot be read").lower()
        raise SuiteError([f"{path}: {reason}"]) from None


def _check_arms(builder: Builder, spec: SuiteText, cells: tuple[Cell, ...]) -> None:
    count = len(cells) * len(spec.tasks) * len(spec.budgets_usd) * len(spec.seeds)
    if count > ARMS_AT_MOST:
        builder.fault((), f"{count:,} arms, expected at most {ARMS_AT_MOST:,}; shorten the lists of budgets, seeds or settings")


def _check_prices(builder: Builder, spec: SuiteText, cells: tuple[Cell, ...]) -> None:
    fault, prices = builder.fault, spec.prices
    meter = prices.paying
    if meter.profiler:
        if meter.profiler not in {use.use for use in spec.profilers.values()}:
            fault(("prices", "meter"), f"paying by {meter.name} needs the profiler '{meter.profiler}' under profilers")
        if not meter.unit_price_usd(prices, "", ""):
            fault(("prices", meter.price_fields[0]), f"paying by {meter.name} needs a price of a {meter.unit} above 0")
    for name in prices.usd_per_unit or {}:
        if METERS[name].unit_usd is not None:
            fault(("prices", "usd_per_unit", name), f"its price is set by {' and '.join(METERS[name].price_fields)}")
    if meter is ITEMS and (unpriced := sorted(spec.tasks.keys() - prices.usd_per_1k_items)):
        fault(("prices", "usd_per_1k_items"), f"paying by items needs a price for each task; missing: {', '.join(unpriced)}")
    for label in prices.usd_per_1k_items.keys() - spec.tasks:
        builder.unknown(("prices", "usd_per_1k_items", label), f"no such task '{label}'", label, tuple(spec.tasks))
    for cell in cells:
        for field, setting in cell.strategy.needed_prices().items():
            if field not in prices.model_fields_set:
                fault(("prices", field), f"is missing, and strategies.{cell.label} pays {setting} by it; 0 means that it is free")


def _check_metrics(builder: Builder, spec: SuiteText, metrics: dict[str, Metric]) -> None:
    givers: dict[str, str] = {}
    for label, metric in metrics.items():
        for name in metric.score_names:
            if givers.setdefault(name, label) != label:
                builder.fault(("metrics", label), f"gives '{name}', as '{givers[name]}' does already")
    unranked = {name for metric in metrics.values() for name in metric.unranked}
    if spec.rank_by in unranked:
        others = ", ".join(name for name in givers if name not in unranked)
        hint = f"name one of: {others}" if others else "add another metric"
        builder.fault(("rank_by",), f"neither a higher nor a lower '{spec.rank_by}' is better; {hint}")
    elif metrics and spec.rank_by not in givers:
        builder.unknown(("rank_by",), f"no metric gives '{spec.rank_by}'", spec.rank_by, tuple(givers))


def _check_names(builder: Builder, spec: SuiteText, cells: tuple[Cell, ...]) -> None:
    """Check that every label that a part names exists. 'pool' is the unlabelled pool."""
    if POOL in spec.texts:
        builder.fault(("texts", POOL), "this name is the task's unlabelled pool; choose another")
    users: list[tuple[Where, Part]] = [(("compact",), spec.compact)]
    users += [(("strategies", cell.label, "with"), cell.strategy) for cell in cells]
    for at, part in users:
        for where, names, label in names_used(part):
            known = (*getattr(spec, names.under), *((POOL,) if names.under == "texts" else ()))
            if label not in known:
                builder.unknown((*at, *where), f"nothing under {names.under} is called '{label}'", label, known)
