"""Fills page.html with sections, style, scripts and the payload. The page makes no request.

Jinja2 escapes every text that the template does not call safe. The policy in the page forbids every request, and every script and style
except those whose hashes it names. If hostile text escaped its text node, a browser would still not run it.
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
SCRIPTS = ("statistics.js", "pricing.js", "elements.js", "sliders.js", "charts.js", "decision.js", "targets.js", "arms.js", "report.js")
PLACED = ("answer", "certainty", "reading", "suite")
"""Sections that have a place of their own in page.html, by id."""
INTERACTIVE = ("leaderboard", "plots", "decision-map", "targets", "dollars", "arms")
"""Sections that the page draws itself, at the reader's prices."""
EARLY = ("other-prices", "published")
"""Sections that belong to the answer."""
TABLES = ("cost-axes", "serving-cost", "cascade", "measured", "forecast", "facts", "metrics")
CONDITIONS = ("money", "models", "data", "machines")
SECTION_CHARACTERS = 40_000
"""Largest number of characters in a section. A longer one is cut between two lines; report.md has the rest."""
PICTURES_BYTES = 1_000_000
"""Largest size of all pictures together, in bytes. Those that do not fit are not embedded, and lie beside the page."""
CUT = Paragraph(emphasis("Cut here to limit the size of this page; report.md has the rest."))


def page(name: str, question: str, sections: Sequence[Section], payload: str, out: Path) -> str:
    """Return the whole page. `payload` comes from `escape.script_json`. `out` is the folder of the pictures."""
    style, shapes = _file("report.css"), _file("vendor/plot-style.css").removesuffix("\n")
    libraries = "\n".join([f"/*\n{_file('vendor/LICENSE')}*/", *(_file(f"vendor/{name}") for name in LIBRARIES)])
    script = "\n".join(_file(name) for name in SCRIPTS)
    allowed = f"script-src {_hashes(libraries, script)}; style-src {_hashes(style, shapes)}"
    by_id = {section.id: cut(section) for section in sections if section.id not in INTERACTIVE}
    early, tables, conditions = ([by_id[id] for id in ids if id in by_id] for ids in (EARLY, TABLES, CONDITIONS))
    known = (*PLACED, *EARLY, *TABLES, *CONDITIONS)
    return (
        _environment()
        .get_template("page.html")
        .render(
            name=name,
            question=question,
            placed=by_id,
            early=early,
            own=[section for id, section in by_id.items() if id not in known],
            tables=tables,
            conditions=conditions,
            picture=_pictures(by_id.values(), out).get,
            policy=f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'",
            style=style,
            libraries=libraries,
            payload=payload,
            script=script,
        )
    )


@cache
def _environment() -> Environment:
    """Return the environment of the template. It shows every value as visible text; only trusted parts of the page are `Markup`."""
    found = Environment(
        loader=PackageLoader("bench.report.html", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else visible(value),
        trim_blocks=True,
    )
    found.globals.update(runs=runs, kind=lambda block: type(block).__name__)
    return found


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
def _file(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _hashes(*texts: str) -> str:
    """Return the sources of a content security policy that allow these texts."""
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)
