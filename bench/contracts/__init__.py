"""Everything that the author of a part needs.

A part is a file on a shelf (`tasks/`, `strategies/`, `metrics/`, `profilers/`, `models/`, `texts/`,
`engines/`, `executors/`). The file holds one class, derived from one of the bases below. It is found by its file name;
adding it changes no other file.

A part is a frozen, strict value. Its fields are its settings, documented under the field, with the unit in
the name. Constructing a part touches no file, network or device. Expensive work happens in the one method
that its base names.
"""

from __future__ import annotations

from bench.contracts.bases import (
    AGAIN,
    PARENT_PIPE,
    Checkpoint,
    Executor,
    Instrument,
    Metric,
    Profiler,
    Rule,
    RunningInstrument,
    Task,
    Text,
    TokenMetric,
)
from bench.contracts.engine import Engine, LoadedModel, Output
from bench.contracts.meters import ENERGY, FLOPS, ITEMS, METERS, WALL, Limit, Meter
from bench.contracts.normal_form import Form, is_blank, nfkc_form, normal_form
from bench.contracts.part import POOL, Compact, ContentPath, Decoding, Layers, ModelLabel, Names, Part, Precision, TextLabel, paths_used
from bench.contracts.phases import Payer, Phase, phase_named
from bench.contracts.recipe import BuildContext, R, Recipe, Unmetered, UsageMeter, identify
from bench.contracts.strategy import Job, Outcome, Strategy
from bench.contracts.training_checkpoints import TrainingCheckpoints
from bench.contracts.values import (
    ADDED_UNITS,
    OWN_PRICE,
    RANGES,
    Bill,
    Charge,
    Direction,
    Example,
    Fact,
    PaidBy,
    Progress,
    Reading,
    Score,
    Source,
    Splits,
    content_hash,
    fingerprint,
    no_progress,
    numbers,
)
from bench.contracts.workload import Activity, Batch, Network, OutputLengths

__all__ = [
    "ADDED_UNITS",
    "AGAIN",
    "ENERGY",
    "FLOPS",
    "ITEMS",
    "METERS",
    "OWN_PRICE",
    "PARENT_PIPE",
    "POOL",
    "RANGES",
    "WALL",
    "Activity",
    "Batch",
    "Bill",
    "BuildContext",
    "Charge",
    "Checkpoint",
    "Compact",
    "ContentPath",
    "Decoding",
    "Direction",
    "Engine",
    "Example",
    "Executor",
    "Fact",
    "Form",
    "Instrument",
    "Job",
    "Layers",
    "Limit",
    "LoadedModel",
    "Meter",
    "Metric",
    "ModelLabel",
    "Names",
    "Network",
    "Outcome",
    "Output",
    "OutputLengths",
    "PaidBy",
    "Part",
    "Payer",
    "Phase",
    "Precision",
    "Profiler",
    "Progress",
    "R",
    "Reading",
    "Recipe",
    "Rule",
    "RunningInstrument",
    "Score",
    "Source",
    "Splits",
    "Strategy",
    "Task",
    "Text",
    "TextLabel",
    "TokenMetric",
    "TrainingCheckpoints",
    "Unmetered",
    "UsageMeter",
    "content_hash",
    "fingerprint",
    "identify",
    "is_blank",
    "nfkc_form",
    "no_progress",
    "normal_form",
    "numbers",
    "paths_used",
    "phase_named",
]
