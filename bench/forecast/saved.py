"""forecast.json: what `bench plan` foresaw of each arm on this device, kept beside the results for the report to hold against them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.system.files import write_json

SCHEMA = 1
FILE = "forecast.json"


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """Of one arm, all of its work counted as if no other had done any. None: not foreseen.

    usd: dollars from the purse; exact: whether nothing that is paid depends on what a model will say, else they are a ceiling.
    """

    usd: float | None
    exact: bool
    steps: int
    seconds: float | None
    kwh: float | None
    peak_bytes: float | None


@dataclass(frozen=True, kw_only=True)
class Written:
    """device: where, and what was assumed. made: when, UTC. arms: by id; of a suite that has changed, those of before as well.

    problem: why the file could not be read; empty where it could.
    """

    device: str
    made: str
    arms: Mapping[str, Foreseen]
    problem: str = ""


def write(results: Path, foreseen: Written) -> None:
    """Keep it beside the results; arms foreseen before and not now stay as they were. Of no arm nothing is written."""
    if not foreseen.arms:
        return
    results.mkdir(parents=True, exist_ok=True)
    before = read(results)
    arms = {**(before.arms if before else {}), **foreseen.arms}
    kept: dict[str, Any] = {"schema": SCHEMA, "device": foreseen.device, "made": foreseen.made}
    write_json(results / FILE, {**kept, "arms": {arm: asdict(one) for arm, one in arms.items()}})


def read(results: Path) -> Written | None:
    """None where nothing was foreseen."""
    path = results / FILE
    if not path.exists():
        return None
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["schema"] != SCHEMA:
            raise ValueError(f"schema {kept['schema']}, this version reads {SCHEMA}")
        return Written(device=str(kept["device"]), made=str(kept["made"]), arms={arm: Foreseen(**one) for arm, one in kept["arms"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return Written(device="", made="", arms={}, problem=f"{path.name} cannot be read ({error}); `bench plan` writes it anew")
