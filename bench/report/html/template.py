"""Template, style, scripts and payload -> one page that asks for nothing.

The policy in the page forbids every request, and every script and style but those whose hashes it names: should hostile text get out
of its text node after all, a browser still runs none of it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = ("statistics.js", "pricing.js", "elements.js", "sliders.js", "charts.js", "decision.js", "arms.js", "report.js")


def page(texts: Mapping[str, str], payload: str) -> str:
    """The whole page. texts: name of a place in page.html -> HTML that is safe; payload: of `text.script_json`."""
    style = _file("report.css")
    scripts = [_libraries(), "\n".join(_file(name) for name in SCRIPTS)]
    found = {
        **texts,
        "policy": _policy(scripts, [style, _file("vendor/plot-style.css").removesuffix("\n")]),
        "style": style,
        "libraries": scripts[0],
        "payload": payload,
        "script": scripts[1],
    }
    # One pass: what is put in is not looked at again, so that no text can name a place.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: found[place[1]], _file("page.html"))


@cache
def _libraries() -> str:
    licences = _file("vendor/LICENSE")
    return "\n".join([f"/*\n{licences}*/", *(_file(f"vendor/{name}") for name in LIBRARIES)])


@cache
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _policy(scripts: list[str], styles: list[str]) -> str:
    allowed = {"script-src": scripts, "style-src": styles}
    named = "; ".join(f"{what} {' '.join(map(_hash, texts))}" for what, texts in allowed.items())
    return f"default-src 'none'; {named}; img-src data:; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
