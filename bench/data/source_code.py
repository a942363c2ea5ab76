"""Documented classes and functions from the source files of installed packages. Nothing is imported."""

from __future__ import annotations

import ast
import gc
import json
import platform
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from bench.contracts import Progress
from bench.system.files import build_once

PACKAGES = (
    *("torch", "transformers", "pandas", "numpy", "datasets", "pyarrow", "sympy", "networkx", "huggingface_hub"),
    *("matplotlib", "nltk", "fontTools", "pydantic", "rich", "pygments", "mpmath", "fsspec", "jinja2", "onnx", "python"),
)
"""The packages to read. 'python' is the standard library."""

EXTRACTOR = 1
"""Version of the extraction. Raise it whenever the same source files give other objects."""

_BODY_CHARACTERS = 2000
_NOT_READ = ("test", "site-packages", "dist-packages")
_GENERATED = "This file was automatically generated from"


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentedObject:
    """A class or function with a docstring."""

    name: str
    parameters: list[str]
    docstring: str
    body: str
    """Its source after the docstring, cut at 2,000 characters."""


def installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Return package -> version for the packages that are installed. Nothing is imported."""
    found = {p: version(p) for p in packages if p != "python" and find_spec(p)}
    return found | ({"python": platform.python_version()} if "python" in packages else {})


def documented_objects(packages: dict[str, str], cache: Path, progress: Progress) -> Iterator[DocumentedObject]:
    """Yield all documented objects of `packages` (name -> version), package by package. They are cached as JSON lines under `cache`."""
    folder = cache / "source_code" / f"extractor-{EXTRACTOR}-python-{platform.python_version()}"
    for done, (package, package_version) in enumerate(packages.items()):
        progress(f"reading the source of {package}", done, len(packages))
        kept = build_once(folder / f"{package}-{package_version}.jsonl", partial(_extract, package))
        with kept.open(encoding="utf-8") as lines:
            for line in lines:
                name, parameters, docstring, body = json.loads(line)
                yield DocumentedObject(name=name, parameters=parameters, docstring=docstring, body=body)
    progress("reading source", len(packages), len(packages))


def _extract(package: str, path: Path) -> None:
    root = Path(sysconfig.get_paths()["stdlib"])
    if package != "python":
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations
        root = Path(spec.submodule_search_locations[0])
    gc.disable()  # Syntax trees hold no cycles. Collecting garbage while they grow takes a quarter of the time.
    try:
        with path.open("w", encoding="utf-8") as lines:
            for file in sorted(root.rglob("*.py")):
                if any(part.startswith(_NOT_READ) for part in file.relative_to(root).parts):
                    continue
                for found in _objects_in(file):
                    lines.write(json.dumps([found.name, found.parameters, found.docstring, found.body]) + "\n")
    finally:
        gc.enable()


def _objects_in(file: Path) -> Iterator[DocumentedObject]:
    """Yield the objects of a file. Skip files that are generated, not UTF-8, or not valid in this version of Python."""
    try:
        text = file.read_text(encoding="utf-8")
        if ('"""' not in text and "'''" not in text) or _GENERATED in text[:500]:
            return
        with warnings.catch_warnings(action="ignore"):  # Other authors' invalid escapes.
            tree = ast.parse(text)
    except (SyntaxError, UnicodeDecodeError):
        return
    lines = text.split("\n")
    for node in _statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (docstring := ast.get_docstring(node)):
            body = "\n".join(lines[node.body[0].end_lineno : node.end_lineno])
            given = [] if isinstance(node, ast.ClassDef) else [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            parameters = [a.arg for a in given if a.arg not in ("self", "cls")]
            yield DocumentedObject(name=node.name, parameters=parameters, docstring=docstring, body=body[:_BODY_CHARACTERS])


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements under a node. `ast.walk` also visits every expression, and takes twice as long as parsing."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)
