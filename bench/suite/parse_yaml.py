"""Reads YAML text as plain values, with the line of each value and the faults of the text itself.

It follows the YAML 1.2 core schema: `5e-4` is a number, `no` and `2024-01-01` are text. Only null, booleans,
numbers, text, lists and mappings are allowed. A duplicate key is a fault.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from bench.system.one_line import shown

Where = tuple[str | int, ...]
"""Keys and positions from the root to a value."""

BYTES_AT_MOST = 1_000_000
"""Largest size of a suite file. To parse one of 8 MB takes minutes and a gigabyte of memory."""

VALUES_AT_MOST = 100_000
"""Largest number of values in a file. Aliases repeat text, so a few lines of them could expand to billions of values."""


DEPTH_AT_MOST = 50
"""Largest number of mappings and lists around a value. Aliases could nest values deeper than any reader of them can follow."""

CORE_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}


class _CoreLoader(yaml.SafeLoader):
    """A loader that knows null, true/false, int and float, and reads everything else as text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name and type


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|nan)$", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))  # 010 is ten; in YAML 1.1 it would be octal


@dataclass(kw_only=True)
class Text:
    """The content of a YAML text."""

    value: Any = None
    """Plain values. None where the text is not YAML."""
    lines: MutableMapping[Where, int] = field(default_factory=dict)
    """Path -> line on which the value is written."""
    faults: list[tuple[int, str]] = field(default_factory=list)
    """(line, what is wrong)."""
    _count: int = 0

    def line(self, where: Where) -> int:
        """Return the line of a value, or of the innermost value around it that was written."""
        written = (where[:n] for n in range(len(where), -1, -1) if where[:n] in self.lines)
        return self.lines.get(next(written, ()), 1)


class _TooMuch(Exception): ...


class _TooDeep(Exception): ...


def parse(text: str) -> Text:
    """Read a text. Everything that is wrong with it is in `faults`."""
    found = Text()
    try:
        loader = _CoreLoader(text)
        node = loader.get_single_node()
        found.value = _value(loader, node, (), found) if node else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found.faults.append((mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        found.faults.append((1, f"not YAML: {' '.join(str(error).split())}"))
    except (RecursionError, _TooDeep):
        found.faults.append((1, "nested too deeply, or an alias holds itself"))
    except _TooMuch:
        found.faults.append((1, f"more than {VALUES_AT_MOST:,} values"))
    return found


def dotted(where: Where) -> str:
    """Return a path as people write it: `strategies.annotate.with.label_share[1]`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".") or "suite"


def _value(loader: _CoreLoader, node: yaml.Node, where: Where, found: Text) -> Any:
    found._count += 1
    if found._count > VALUES_AT_MOST:
        raise _TooMuch
    if len(where) > DEPTH_AT_MOST:
        raise _TooDeep
    found.lines.setdefault(where, node.start_mark.line + 1)
    if node.tag not in CORE_TAGS:
        raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} is not allowed", problem_mark=node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*where, i), found) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            here, line = (*where, key), key_node.start_mark.line + 1
            if key in mapping:
                found.faults.append((line, f"{dotted(here)}: written twice, first on line {found.lines[here]}"))
                continue
            found.lines[here] = line
            mapping[key] = _value(loader, value_node, here, found)
        return mapping
    try:
        return loader.construct_object(node)
    except (ValueError, KeyError, IndexError):  # the last two where a tag is written out: `!!bool maybe`, `!!float ''`
        problem = f"not a {node.tag.rpartition(':')[2]}: {shown(str(node.value))}"
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None
