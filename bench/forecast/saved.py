"""Reads and writes forecast.json: what `bench plan` forecast for each arm on this device.

It stands beside the results, and the report compares it with the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from bench.execution.record import Number
from bench.system.files import write_json
from bench.system.one_line import first_fault

SCHEMA = 1
FILE = "forecast.json"


@dataclass(frozen=True, kw_only=True)
class ArmForecast:
    """The forecast of one arm, with all of its work, even where other arms share it. None: not forecast."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    usd: Number | None
    """Dollars from the purse; an upper bound unless `exact`."""
    exact: bool
    """Whether no cost depends on text that a model has yet to generate."""
    steps: int
    """Training steps, over all models."""
    seconds: Number | None
    """Seconds of its work, without the start of its process."""
    kwh: Number | None
    peak_bytes: Number | None
    expected_usd: Number | None = None
    """Dollars if generated texts are as long as the labels at hand. Files of earlier versions lack it."""
    start_s: Number | None = None
    """Seconds in which its process starts. Files of earlier versions lack it."""


@dataclass(frozen=True, kw_only=True)
class SavedForecast:
    """The forecast of a suite."""

    device: str
    """The device, and the assumptions about it."""
    made: str
    """Time of the forecast, in UTC."""
    arms: Mapping[str, ArmForecast]
    """Arm id -> its forecast. Arms of an earlier version of the suite are included."""
    problem: str = ""
    """Why the file could not be read; empty where it could."""


_ARMS = TypeAdapter(dict[str, ArmForecast])


def write(results: Path, forecast: SavedForecast) -> None:
    """Write the forecast beside the results. Earlier forecasts of other arms are kept. Without arms nothing is written."""
    if not forecast.arms:
        return
    results.mkdir(parents=True, exist_ok=True)
    before = read(results)
    arms = {**(before.arms if before else {}), **forecast.arms}
    written = {arm: asdict(one) for arm, one in arms.items()}
    write_json(results / FILE, {"schema": SCHEMA, "device": forecast.device, "made": forecast.made, "arms": written})


def read(results: Path) -> SavedForecast | None:
    """Return the saved forecast, or None where there is none."""
    path = results / FILE
    if not path.exists():
        return None
    try:
        kept = from_json(path.read_bytes())
        if kept["schema"] != SCHEMA:
            raise ValueError(f"schema {kept['schema']}, this version reads {SCHEMA}")
        return SavedForecast(device=str(kept["device"]), made=str(kept["made"]), arms=_ARMS.validate_python(kept["arms"]))
    except (KeyError, TypeError, ValueError) as error:
        why = first_fault(error) if isinstance(error, ValidationError) else error
        return SavedForecast(device="", made="", arms={}, problem=f"{path.name} cannot be read ({why}); `bench plan` writes it anew")
