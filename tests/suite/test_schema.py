"""The JSON Schema of suites, and how it agrees with `bench check`."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import registry
from bench.contracts import Part
from bench.errors import SuiteError
from bench.suite import named_prices, parse_yaml, suite_file
from bench.suite import schema as suite_schema
from bench.suite.build import Builder
from bench.suite.named_prices import KINDS
from tests.forecast.valid_suites import suites

jsonschema = pytest.importorskip("jsonschema")

ROOT = Path(__file__).parents[2]
SCHEMA = suite_schema.schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
EMBEDDED = sorted((ROOT / "suites").rglob("*.yaml"))
WRONG: list[Any] = ["odd", "", -1, 0, 0.5, 7, 10**12, True, None, [], [[]], ["odd"], {}, {"odd": 1}, [0.5, "odd"]]
"""Values that replace one of a suite. No number is 3.0 or 1e30, which JSON Schema takes for an integer."""
JUDGED_LATER = ("value_error", "assertion_error")
"""Faults of validators: what settings mean together. The schema leaves them to `bench check`."""


class Faults(Builder):
    """Counts the faults that the schema has to find."""

    found: int = 0

    def build(self, model: type[Any], value: Any, path: parse_yaml.Where) -> Any:
        try:
            model.model_validate_json(json.dumps(value))
        except ValueError as error:
            Faults.found += sum(one["type"] not in JUDGED_LATER for one in getattr(error, "errors", list)())
        return super().build(model, value, path)

    def fault(self, path: parse_yaml.Where, message: str) -> None:
        Faults.found += path[-1:] == ("use",) or message == "an empty grid"
        super().fault(path, message)


def checked(tree: Any, path: Path) -> tuple[bool, bool]:
    """Whether `bench check` finds a fault, and whether it finds one that the schema has to find."""
    path.write_text(json.dumps(tree), encoding="utf-8")
    Faults.found = 0
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(suite_file, "Builder", Faults)
            suite_file.read(path)
    except SuiteError:
        return True, Faults.found > 0
    return False, False


def places(tree: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of all values in a tree but the whole."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield (*at, key)
        yield from places(value, (*at, key))


def mutated(tree: Any, chance: random.Random) -> Any:
    """The tree with one value replaced, removed, renamed, put into a list or given a new neighbour."""
    tree = copy.deepcopy(tree)
    *above, last = chance.choice([*places(tree)])
    holder = tree
    for key in above:
        holder = holder[key]
    kind = chance.choice(["replace", "replace", "list", "remove", "rename", "neighbour"])
    if kind == "replace":
        holder[last] = chance.choice(WRONG)
    elif kind == "list":
        holder[last] = [holder[last]]
    elif kind == "remove":
        del holder[last]
    elif isinstance(holder, dict):
        holder["od d" if kind == "neighbour" else f"{last}s"] = holder[last] if kind == "neighbour" else holder.pop(last)
    return tree


@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_every_suite_of_the_repository_is_valid(path: Path) -> None:
    tree = parse_yaml.parse(path.read_text(encoding="utf-8")).value
    assert [error.json_path for error in VALIDATOR.iter_errors(tree)] == []


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_the_schema_and_the_check_agree_on_mutations_of_a_suite(path: Path, tmp_path: Path) -> None:
    tree, chance, rejected = parse_yaml.parse(path.read_text(encoding="utf-8")).value, random.Random(path.stem), 0
    for _ in range(30):
        other = mutated(tree, chance)
        faulty, structural = checked(other, tmp_path / "suite.yaml")
        valid = VALIDATOR.is_valid(other)
        assert valid or faulty, (other, [error.message for error in VALIDATOR.iter_errors(other)])
        assert not (valid and structural), other
        rejected += not valid
    assert 0 < rejected < 30


@settings(max_examples=40)
@given(draw=st.sampled_from(registry.names("strategies")).flatmap(suites), number=st.integers(0, 2**32))
def test_the_schema_and_the_check_agree_on_drawn_suites(draw: Any, number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(draw.tree)] == []
    other = mutated(draw.tree, random.Random(number))
    faulty, structural = checked(other, tmp_path_factory.getbasetemp() / "drawn.yaml")
    valid = VALIDATOR.is_valid(other)
    assert valid or faulty, [error.message for error in VALIDATOR.iter_errors(other)]
    assert not (valid and structural), other


@pytest.mark.parametrize(
    ("prices", "valid"),
    [
        ({"label": "kang2023-wlp", "device": "a100-80gb", "llm": "gpt-4o-mini"}, True),
        ({"label_usd": 0.1, "device": "A100-80GB"}, True),
        ({"label_usd": 0.1, "label": None}, True),
        ({"label_usd": 0.1, "device": "a100-80"}, False),
        ({"label_usd": 0.1, "llm": "gpt-4o-min"}, False),
        ({"label": "kang2023-wlb"}, False),
        ({"label": None}, False),
        ({"device": "h200"}, False),
    ],
)
def test_prices_by_name_are_valid_where_the_name_exists(prices: dict[str, Any], valid: bool, tmp_path: Path) -> None:
    tree = {**parse_yaml.parse((ROOT / "suites" / "smoke.yaml").read_text(encoding="utf-8")).value, "prices": prices}
    assert VALIDATOR.is_valid(tree) == valid
    assert checked(tree, tmp_path / "suite.yaml")[0] != valid


def test_the_schema_lists_the_names_of_prices_with_their_sources() -> None:
    for kind in KINDS:
        names, capitals, nothing = SCHEMA["$defs"]["PriceBook"]["properties"][kind]["anyOf"]
        found = named_prices.named_prices(kind)
        assert names == {"enum": [*found], "enumDescriptions": [price.described for price in found.values()]}
        assert (capitals["pattern"], nothing["type"]) == ("[A-Z]", "null")


def test_docstrings_are_descriptions() -> None:
    kind: type[Part] = registry.find("strategies", "distill")
    for name, info in kind.model_fields.items():
        assert SCHEMA["$defs"]["Distill.grid"]["properties"][name]["description"] == info.description
    assert SCHEMA["$defs"]["strategies"]["properties"]["use"]["enum"] == [*registry.names("strategies")]
