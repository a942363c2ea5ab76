"""The parts on the shelves and their settings, as values and as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from bench import registry
from bench.contracts import Part
from bench.errors import BenchError
from bench.system.names import nearest

Found = Sequence[dict[str, Any]]
"""Parts: shelf, name and description; of one name also its settings."""


def every() -> Found:
    """Return all parts, shelf by shelf."""
    return [_part(shelf, name) for shelf in registry.SHELVES for name in registry.names(shelf)]


def named(name: str) -> Found:
    """Return the part of every shelf that has one of this name, with its settings. Raises BenchError where no shelf has one."""
    shelves = [shelf for shelf in registry.SHELVES if name in registry.names(shelf)]
    if not shelves:
        near = nearest(name, tuple(n for shelf in registry.SHELVES for n in registry.names(shelf)))
        raise BenchError(f"no part '{name}'; " + (f"did you mean '{near}'?" if near else "`bench list` shows all parts"))
    return [{**_part(shelf, name), "settings": [*_settings(registry.find(shelf, name), "")]} for shelf in shelves]


def blocks(found: Found) -> Iterator[RenderableType]:
    """Yield a table for each shelf, or for the settings of each part."""
    for shelf in dict.fromkeys(part["shelf"] for part in found):
        of_shelf = [part for part in found if part["shelf"] == shelf]
        if "settings" in of_shelf[0]:
            yield from _one(of_shelf[0])
            continue
        yield Text(f"\n{shelf}/", style="bold")
        table = Table(box=None, show_header=False, padding=(0, 1))
        for part in of_shelf:
            table.add_row(f"  {part['name']}", part["description"])
        yield table


def _one(part: dict[str, Any]) -> Iterator[RenderableType]:
    yield f"{part['shelf']}/{part['name']}: {part['description']}\n"
    table = Table("setting", "default", "meaning", box=None, padding=(0, 1))
    for setting in part["settings"]:
        table.add_row(setting["name"], "required" if setting["required"] else json.dumps(setting["default"]), setting["description"])
    yield table


def _part(shelf: str, name: str) -> dict[str, Any]:
    return {"shelf": shelf, "name": name, "description": (registry.find(shelf, name).__doc__ or "").strip().partition("\n")[0]}


def _settings(kind: type[Part], prefix: str) -> Iterator[dict[str, Any]]:
    for field_name, info in kind.model_fields.items():
        required = info.is_required()
        default = None if required else info.get_default(call_default_factory=True)
        if isinstance(default, Part):
            yield from _settings(type(default), f"{prefix}{field_name}.")
        else:
            about = " ".join((info.description or "").split())
            yield {"name": f"{prefix}{field_name}", "required": required, "default": default, "description": about}
