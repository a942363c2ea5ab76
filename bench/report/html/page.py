"""Fills page.html with sections, style, scripts and the payload. The page makes no request.

Jinja2 escapes every text that the template does not call safe. The policy in the page forbids every request, and every
script and style except those whose hashes it names. If hostile text escaped its text node, a browser would still not
run it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from importlib import resources
from itertools import accumulate, takewhile
from operator import sub
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bench.report.blocks import Block, Code, Paragraph, Picture, Points, Section, Table, emphasis, runs
from bench.report.html.escape import visible

LIBRARIES = ("d3.min.js", "plot.umd.min.js")
SCRIPTS = ("statistics.js", "pricing.js", "elements.js", "sliders.js", "charts.js", "decision.js", "arms.js", "report.js")

PLACED = ("answer", "certainty", "reading", "suite")
"""Sections that have a place of their own in page.html, by id."""

INTERACTIVE = ("leaderboard", "plots", "decision-map", "dollars", "arms")
"""Sections that the page draws itself, at the reader's prices."""

EARLY = ("other-prices", "published")
"""Sections that belong to the answer."""

TABLES = ("cost-axes", "serving-cost", "measured", "forecast", "facts", "metrics")
CONDITIONS = ("money", "models", "data", "machines")

SECTION_CHARACTERS = 40_000
"""Largest number of characters in a section. A longer one is cut between two lines; report.md has the rest."""

PICTURES_BYTES = 1_000_000
"""Largest size of all pictures together, in bytes. Those that do not fit are not embedded, and lie beside the page."""

CUT = Paragraph(emphasis("Cut here to limit the size of this page; report.md has the rest."))


def page(name: str, question: str, sections: Sequence[Section], payload: str, out: Path) -> str:
    """Return the whole page.

    `payload` comes from `escape.script_json`. `out` is the folder of the pictures.
    """
    style = _file("report.css")
    scripts = [_libraries(), "\n".join(_file(name) for name in SCRIPTS)]
    by_id = {section.id: cut(section) for section in sections if section.id not in INTERACTIVE}
    known = (*PLACED, *EARLY, *TABLES, *CONDITIONS)
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=name,
            question=question,
            placed=by_id,
            early=_some(by_id, EARLY),
            own=[section for id, section in by_id.items() if id not in known],
            tables=_some(by_id, TABLES),
            conditions=_some(by_id, CONDITIONS),
            picture=_pictures(by_id.values(), out).get,
            policy=_policy(scripts, [style, _file("vendor/plot-style.css").removesuffix("\n")]),
            style=style,
            libraries=scripts[0],
            payload=payload,
            script=scripts[1],
        )
    )


def _some(by_id: dict[str, Section], ids: Sequence[str]) -> list[Section]:
    return [by_id[id] for id in ids if id in by_id]


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("bench.report.html", ""), autoescape=True, undefined=StrictUndefined, finalize=_visible, trim_blocks=True
    )
    found.globals.update(runs=runs, kind=lambda block: type(block).__name__)
    return found


def _visible(value: Any) -> Any:
    """Return what an expression of the template shows. Only trusted parts of the page are `Markup`."""
    return value if isinstance(value, Markup) else visible(value)


def cut(section: Section) -> Section:
    """Return the section with at most about SECTION_CHARACTERS characters, and a remark where it was longer."""
    room, blocks = SECTION_CHARACTERS, []
    for block in section.blocks:
        parts, whole = _parts(block)
        left = [*takewhile(lambda left: left >= 0, accumulate((len(str(part)) for part in parts), sub, initial=room))][1:]
        blocks += [whole(parts[: len(left)])] if left else []
        if len(left) < len(parts):
            return Section(id=section.id, title=section.title, blocks=(*blocks, CUT))
        room = left[-1] if left else room
    return section


def _parts(block: Block) -> tuple[Sequence[Any], Callable[[Any], Block]]:
    """Return the parts between which a block may be cut, and the function that makes a block of some of them."""
    match block:
        case Table(columns, rows):
            return rows, partial(Table, columns)
        case Points(items):
            return items, Points
        case Code(text, language):
            return text.splitlines(), lambda lines: Code("\n".join(lines), language)
        case _:
            return (block,), lambda _: block


def _pictures(sections: Iterable[Section], folder: Path) -> dict[str, str]:
    """Return file name -> the picture as a data URL, for the pictures that fit."""
    found, room = {}, PICTURES_BYTES
    for file in dict.fromkeys(block.file for section in sections for block in section.blocks if isinstance(block, Picture)):
        path = folder / Path(file).name
        room -= path.stat().st_size if path.exists() else 0
        if path.exists() and room >= 0:
            found[file] = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    return found


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
