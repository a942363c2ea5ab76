"""Reads suite.json, which says what was asked, and refuses values that no report could show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from bench.errors import BenchError
from bench.suite.prices import MOST_USD
from bench.system.one_line import first_fault
from bench.system.results_folder import SUITE_JSON


class _Facts(BaseModel):
    """Facts of which a file of any version may hold any number."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Prices(_Facts):
    usd_per_1k_items: dict[str, dict[str, float]] = {}
    usd_per_1m_prompt_tokens: float | None = None
    usd_per_1m_output_tokens: float | None = None


class _Source(_Facts):
    value: Any
    source: str


class _Published(_Facts):
    source: str = ""
    told: list[str] = []


class _SuiteJson(_Facts):
    """Types of the entries; `bench.execution.runner` writes them."""

    suite: str = ""
    question: str = ""
    path: str = ""
    arms: list[str] = []
    prices: _Prices = _Prices()
    price_sources: dict[str, _Source] = {}
    label_usd: dict[str, Annotated[float, Field(ge=0, le=MOST_USD)]] = {}
    pays: dict[str, str] = {}
    meter: str = ""
    start_labels: int = 0
    primary_metric: str = ""
    not_means: list[str] = []
    lead: dict[str, str] = {}
    large: str = ""
    compact: dict[str, Any] = {}
    models: dict[str, str] = {}
    texts: dict[str, str] = {}
    layers: list[str] = []
    warnings: list[str] = []
    notes: dict[str, list[str]] = {}
    sunk: str = ""
    published: _Published = _Published()


def read(folder: Path) -> dict[str, Any]:
    """Return the content of suite.json, or {} where there is none. Raises BenchError where it is not as it should be."""
    path = folder / SUITE_JSON
    if not path.exists():
        return {}
    try:
        found = from_json(path.read_bytes())
        _SuiteJson.model_validate(found)
    except ValidationError as error:
        raise BenchError(f"{path}: {first_fault(error)}") from None
    except ValueError as error:
        raise BenchError(f"{path}: not a JSON object ({error})") from None
    return dict(found)
