"""Chooses the executor of a run: that of the suite, unless the user names another one or other settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench import registry
from bench.contracts import Executor
from bench.errors import BenchError
from bench.suite import parse_yaml
from bench.suite.build import Builder
from bench.suite.suite_file import Suite


def chosen(suite: Suite, use: str | None, settings: Mapping[str, Any]) -> Executor:
    """Return the executor `use`, or that of the suite. `settings` replace those that the suite gives to the same executor.

    Raises BenchError where there is no such executor, and with a line for each setting that is wrong.
    """
    own = suite.spec.executor
    name = use or own.use
    builder = Builder(parse_yaml.Text())
    given = {**(own.settings if name == own.use else {}), **settings}
    found = builder.build(registry.find(Executor.shelf, name), given, ())
    if not isinstance(found, Executor):
        raise BenchError("\n".join(f"executor {name}: {fault}" for _, fault in builder.text.faults))
    return found


def plain(text: str) -> Any:
    """Return the value of a setting as a suite would read it: '4' is a number, and '[a, b]' a list."""
    parsed = parse_yaml.parse(text)
    return text if parsed.faults or not text.strip() else parsed.value
