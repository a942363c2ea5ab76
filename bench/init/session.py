"""Runs all steps from a file to a suite: read, choose columns, profile, ask, choose settings, write."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data.tables.columns import parts
from bench.errors import BenchError
from bench.init import choose, columns, prompts, read_file, write_suite, yaml_text
from bench.init.choose import DataSplit, Settings
from bench.init.large_model import Large, large
from bench.init.profile import DatasetProfile, profile_dataset
from bench.init.profile_text import figures
from bench.init.read_file import Chosen, ColumnChoice, Table
from bench.suite import arms as plan
from bench.suite import schema
from bench.suite import suite_file as suites
from bench.system.files import atomic_write
from bench.system.one_line import shown

LABEL_USD = 0.10
"""Price of a label in dollars, where the user gives none. Kang, Xu, Ritter 2023 paid 0.13 to 0.37 (suites/papers/)."""


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """The options of the command line. None or empty means that an option is not given."""

    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    field: str | None = None
    """Path of the rows in a JSON value."""
    label_usd: float | None = None
    budgets: tuple[float, ...] = ()
    model: str = "flan_t5_small"
    out: Path | None = None
    """Path of the suite to write."""
    force: bool = False
    """Overwrite an existing suite."""
    ask: bool = False
    """Whether a user can answer questions about missing options."""


def write(data: Path, wanted: InitOptions, cache: Path, show: Callable[[str], None]) -> tuple[Path, int]:
    """Look at a file, write a suite for it that runs, and return the suite's path and the number of its arms.

    `show` receives what was found, what is assumed, and the next step, a line at a time. Raises BenchError, one line, where no suite can
    be written.
    """
    name = yaml_text.label(Path(data.name.removesuffix(".gz")).stem)
    out = wanted.out or Path(f"{name}.yaml")
    if out.resolve() == data.resolve():
        raise BenchError(f"{out}: this is the data file; choose another name for the suite with --out")
    if out.exists() and not wanted.force:
        raise BenchError(f"{out}: exists already; use --force to overwrite it, or choose another name with --out")
    prompts.dollars(wanted.budgets, "--budget-usd")
    prompts.dollars([wanted.label_usd or 0.0], "--label-usd", at_least=0)
    table = read_file.read(data, (*wanted.source, *wanted.target), wanted.field, prompts.is_header if wanted.ask else None)
    show(f"{shown(table.file.name)}: {table.kind}, {table.rows:,} rows")
    for column in columns.columns(table).values():
        words = f", half of them {column.words:g} words or fewer" if column.filled else ""
        show(f"  {shown(column.name)}: {column.filled:,} filled, {column.empty:,} empty, {column.distinct:,} different{words}")
    for left_out, why in table.not_text.items():
        show(f"  {shown(left_out)}: left out, because it {why}")
    for trouble in table.troubles:
        show(trouble)
    choice = _choice(table, wanted, show)
    model = large(wanted.model, cache)
    seen = profile_dataset(table, choice, model)
    rows = choose.divided(table, choice, seen, cache)
    notes = (*table.remarks(choice.target.name), *rows.notes)
    for line in (*notes, *figures(seen, model)):
        show(line)
    found = _settings(choice, seen, model, rows, wanted, show)
    with atomic_write(out) as part:
        part.write_text(write_suite.suite(name, table, notes, found), encoding="utf-8")
        arms = len(plan.arms(suites.read(part)))  # what cannot be read back does not replace a suite
    schema.write(out.parent)
    for short in found.spending.short():
        show(f"The budget is small: {short}.")
    show(f"wrote {out}: {arms} arms. Next: bench plan {shlex.quote(str(out))}, then bench run {shlex.quote(str(out))}")
    return out, arms


def _choice(table: Table, wanted: InitOptions, show: Callable[[str], None]) -> ColumnChoice:
    source, target = ((names if len(names) > 1 else names[0]) if names else None for names in (wanted.source, wanted.target))
    choice = columns.choose(table, source, target)
    if wanted.ask and choice.source.unclear:
        choice = columns.choose(table, prompts.column("documents", [*table.cells], str(choice.source.name)), target)
    if wanted.ask and choice.target.unclear:
        others = [name for name in table.cells if name not in parts(choice.source.name)]
        choice = ColumnChoice(choice.source, Chosen(prompts.column("labels", others, str(choice.target.name))))
    for what, one, option in (("documents", choice.source, "--source-column"), ("labels", choice.target, "--target-column")):
        show(f"{what}: {columns.named(one.name)}, {one.why}" + (f" (other columns are possible: {option})" if one.unclear else ""))
    return choice


def _settings(
    choice: ColumnChoice, seen: DatasetProfile, model: Large, rows: DataSplit, wanted: InitOptions, show: Callable[[str], None]
) -> Settings:
    on, usd, budgets = choose.device(model), wanted.label_usd, wanted.budgets
    if usd is None:
        usd = prompts.label_usd(LABEL_USD) if wanted.ask else LABEL_USD
        show(f"a label costs {write_suite.usd(usd)} USD" + ("" if wanted.ask else ", assumed; --label-usd sets it"))
    found = choose.choose_settings(choice, seen, model, rows, on, usd, budgets)
    if not budgets and wanted.ask:
        budgets = prompts.budgets(found.spending.budgets)
        if budgets != found.spending.budgets:
            found = choose.choose_settings(choice, seen, model, rows, on, usd, budgets)
    amounts = " and ".join(write_suite.usd(budget) for budget in found.spending.budgets)
    show(f"budgets: {amounts} USD" + ("" if budgets else ", assumed; --budget-usd sets them"))
    return found
