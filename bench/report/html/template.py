"""Assembles template, style, scripts and payload to one page that makes no request.

The policy in the page forbids every request. It also forbids every script and style except those whose hashes
it names. If hostile text escaped its text node, a browser would still not run it.
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
    """Return the whole page.

    `texts` maps a placeholder in page.html to HTML that is safe. `payload` comes from `escape.script_json`.
    """
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
    # One pass: what is inserted is not searched again, so no text can name a placeholder.
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
