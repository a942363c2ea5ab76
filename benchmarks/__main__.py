"""Runs the comparisons of speed in turn, and writes their ratios to docs/performance.md.

    python -m benchmarks                 all of them, an hour on one core
    python -m benchmarks training start  only these
    python -m benchmarks --table         writes the table again from benchmarks/ratios.json

Every comparison is a script of its own that prints a JSON list of `pairs.Ratio`. `ratios.json` keeps the last run of each, with
the machine on which it ran.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.system import machine
from bench.system.processes import ONE_THREAD
from benchmarks.pages import between, table
from benchmarks.pairs import Ratio

SCRIPTS = ("start", "training", "generation", "pool")
ROOT = Path(__file__).parents[1]
RATIOS, PAGE = Path(__file__).parent / "ratios.json", ROOT / "docs" / "performance.md"


def run(script: str) -> dict[str, Any]:
    """Run one comparison in a process with one thread, and return its ratios, the date and the machine."""
    print(f"{script} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", f"benchmarks.{script}"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    facts = machine.facts()
    where = {"cpu": facts["cpu"], "torch": facts["packages"]["torch"], "transformers": facts["packages"]["transformers"]}
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", **where, "ratios": json.loads(done.stdout)}


def rows(found: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each ratio of a comparison."""
    for ratio in (Ratio(**one) for one in found["ratios"]):
        mark = "" if ratio.mark is None else f"{ratio.mark:.2f} ({'reached' if ratio.reached else 'missed'})"
        spread = f"{ratio.lowest:.2f} to {ratio.highest:.2f}"
        yield ratio.work, ratio.side, ratio.against, f"{ratio.ratio:.2f}", spread, mark, ratio.same


def main() -> None:
    """Run the comparisons that are named, or all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="*", choices=[*SCRIPTS, []], default=[])
    parser.add_argument("--table", action="store_true", help="run nothing")
    asked = parser.parse_args()
    runs = json.loads(RATIOS.read_text(encoding="utf-8")) if RATIOS.exists() else {}
    for script in [] if asked.table else asked.scripts or SCRIPTS:
        runs[script] = run(script)
        RATIOS.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")
    lines: list[str] = []
    for script, found in runs.items():
        lines += [f"`python -m benchmarks.{script}`, {found['date']}, {found['cpu']}, torch {found['torch']},"]
        lines += [f"transformers {found['transformers']}:", ""]
        lines += [*table(("work", "way", "against", "ratio", "spread", "mark", "outputs"), rows(found)), ""]
    between(PAGE, "ratios", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
