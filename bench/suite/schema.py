"""JSON Schema of suite files, made from the parts on the shelves. Editors complete and check a suite by it.

It finds unknown keys, wrong types, values out of range and unknown parts, as `bench check` does. Labels that do not exist, settings that
exclude each other, files and duplicate keys are left to `bench check`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from bench import registry
from bench.contracts import Part
from bench.suite.suite_file import SuiteText, Use
from bench.system.files import write_json

Schema = dict[str, Any]

FILE = "suite.schema.json"
"""Name of the file beside a suite."""
COMMENT = f"# yaml-language-server: $schema={FILE}"
"""First line of a suite whose schema lies beside it."""
SINGLE = {"large": "models", "engine": "engines", "executor": "executors"}
"""Key of a suite with one part -> its shelf."""
LABELLED = ("tasks", "strategies", "metrics", "profilers", "models", "texts")
"""Keys of a suite with parts by label. Each is named like its shelf."""
_REFERENCE = "#/$defs/"


def write(folder: Path) -> None:
    """Write the schema to a folder, beside a suite."""
    write_json(folder / FILE, schema())


def schema() -> Schema:
    """Return the schema of suite files (draft 7)."""
    shelves = (*LABELLED, "engines", "executors")
    kinds = {(shelf, name): registry.find(shelf, name) for shelf in shelves for name in registry.names(shelf)}
    models: list[type[Part]] = [SuiteText, *kinds.values()]
    references, found = models_json_schema([(model, "validation") for model in models], by_alias=True)
    known: Schema = found["$defs"]
    names = {part: references[kind, "validation"]["$ref"].removeprefix(_REFERENCE) for part, kind in kinds.items()}
    suite = known.pop(references[SuiteText, "validation"]["$ref"].removeprefix(_REFERENCE))
    known.pop(Use.__name__)
    for shelf in shelves:
        parts = {name: names[shelf, name] for name in registry.names(shelf)}
        if shelf == "strategies":
            parts = {name: _with_grids(definition, known) for name, definition in parts.items()}
        known[shelf] = _use(shelf, parts, known)
    for key, shelf in SINGLE.items():
        suite["properties"][key] |= {"$ref": f"{_REFERENCE}{shelf}"}
    for key in LABELLED:
        ((label, _),) = suite["properties"][key]["patternProperties"].items()
        suite["properties"][key] |= {"patternProperties": {label: {"$ref": f"{_REFERENCE}{key}"}}, "additionalProperties": False}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **suite, "title": "A suite of bench", "$defs": known}


def _use(shelf: str, parts: dict[str, str], known: Schema) -> Schema:
    """Return the schema of `{use: NAME, with: {...}}`. `parts` maps a name to the definition of its settings."""
    about = {name: _first_line(registry.find(shelf, name)) for name in parts}
    cases = []
    for name, definition in parts.items():
        then: Schema = {"properties": {"with": {"$ref": f"{_REFERENCE}{definition}"}}}
        if known[definition].get("required"):
            then["required"] = ["with"]
        cases.append({"if": {"properties": {"use": {"const": name}}, "required": ["use"]}, "then": then})
    use = {"enum": [*parts], "enumDescriptions": [*about.values()], "description": f"A part of {shelf}/."}
    return {
        "type": "object",
        "properties": {"use": use, "with": {"type": "object", "description": "Settings of the part."}},
        "required": ["use"],
        "additionalProperties": False,
        "allOf": cases,
    }


def _with_grids(definition: str, known: Schema) -> str:
    """Add a definition in which every setting may also be a list of its values, and return its name."""
    name = f"{definition}.grid"
    if name not in known:
        known[name] = {}  # for a definition that refers to itself
        known[name] = _gridded(copy.deepcopy(known[definition]), known)
    return name


def _gridded(found: Schema, known: Schema) -> Schema:
    """Return the schema of settings or of one value, in which a list is a grid wherever it stands."""
    if "$ref" in found:
        return {**found, "$ref": f"{_REFERENCE}{_with_grids(found['$ref'].removeprefix(_REFERENCE), known)}"}
    if "anyOf" in found:
        return {**found, "anyOf": [_gridded(one, known) for one in found["anyOf"]]}
    inner = {name: _or_list(one, known) for name, one in found.get("properties", {}).items()}
    more = found.get("additionalProperties")
    return {
        **found,
        **({"properties": inner} if inner else {}),
        **({"additionalProperties": _or_list(more, known)} if isinstance(more, dict) else {}),
    }


def _or_list(value: Schema, known: Schema) -> Schema:
    """Return the schema of a setting of a strategy: one value, or a list of values, each of which makes a setting of its own."""
    choices = [one for one in value.get("anyOf", [value]) if one.get("type") != "array"]
    about: Schema = {key: value[key] for key in ("description", "title", "default") if key in value}
    grid = {"type": "array", "minItems": 1, "items": {key: one for key, one in value.items() if key not in about}}
    return {**about, "anyOf": [*(_gridded({key: part for key, part in one.items() if key not in about}, known) for one in choices), grid]}


def _first_line(kind: type[Part]) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]
