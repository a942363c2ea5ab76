"""Runs the measurements of speed in turn, and writes them to docs/performance.md.

    python -m benchmarks                 all but pool, an hour on one core
    python -m benchmarks training start  only these
    python -m benchmarks --table         writes the tables again from benchmarks/ratios.json

Every measurement is a script of its own that prints a JSON list of rows of one kind. `ratios.json` keeps the last run of each,
with the machine on which it ran.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.system import machine
from bench.system.processes import ONE_THREAD
from benchmarks import curves
from benchmarks.curves import Growth
from benchmarks.pages import between, table
from benchmarks.pairs import Ratio
from benchmarks.quick import Timing

KINDS: dict[str, type[Ratio] | type[Timing] | type[Growth]] = {
    "start": Ratio,
    "training": Ratio,
    "generation": Ratio,
    "quick": Timing,
    "growth": Growth,
    "pool": Ratio,
}
"""Script -> the kind of its rows."""
LONG = ("pool",)
"""Scripts that take hours, and run only where they are named."""
ROOT = Path(__file__).parents[1]
RATIOS, PAGE = Path(__file__).parent / "ratios.json", ROOT / "docs" / "performance.md"


def run(script: str) -> dict[str, Any]:
    """Run one script in a process with one thread, and return its rows, the date and the machine."""
    print(f"{script} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"benchmarks.{script}"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    facts = machine.facts()
    where = {"cpu": facts["cpu"], "torch": facts["packages"]["torch"], "transformers": facts["packages"]["transformers"]}
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", **where, KINDS[script].PLACE: json.loads(done.stdout)}


def lines(script: str, found: dict[str, Any]) -> list[str]:
    """Return the table of a script's last run in Markdown, below its date and machine, and draw its plots."""
    kind = KINDS[script]
    rows = [kind(**row) for row in found[kind.PLACE]]
    head = [f"`python -m benchmarks.{script}`, {found['date']}, {found['cpu']}, torch {found['torch']},"]
    head += [f"transformers {found['transformers']}:", ""]
    plots = curves.draw([row for row in rows if isinstance(row, Growth)], PAGE.parent) if kind is Growth else []
    return [*head, *table(kind.HEAD, [row.cells for row in rows]), "", *plots]


def main() -> None:
    """Run the scripts that are named, or all, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[*KINDS, []], default=[])
    parser.add_argument("--table", action="store_true", help="run nothing")
    asked = parser.parse_args()
    runs = json.loads(RATIOS.read_text(encoding="utf-8")) if RATIOS.exists() else {}
    for script in [] if asked.table else asked.scripts or [name for name in KINDS if name not in LONG]:
        runs[script] = run(script)
        RATIOS.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    by_place: dict[str, list[str]] = {}
    for script, found in runs.items():
        by_place.setdefault(KINDS[script].PLACE, []).extend(lines(script, found))
    for place, shown in by_place.items():
        between(PAGE, place, shown)
        print("\n".join(shown))


if __name__ == "__main__":
    main()
