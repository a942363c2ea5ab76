"""The commands, behind the command line: each reads a suite or a results folder, has the work done, and shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report as reporting
from bench.cli import console as screen
from bench.cli.price_options import label_prices, notes
from bench.contracts import Progress
from bench.errors import BenchError, SuiteError
from bench.execution import prepare, runner
from bench.execution.prepare import PreparedSuite
from bench.execution.record import Record
from bench.execution.store import DryStore
from bench.executors.local import Local
from bench.init import session
from bench.report.analysis import compare as comparing
from bench.report.analysis import merge
from bench.report.analysis.serving_cost import Use
from bench.report.render import tables
from bench.report.sections import comparison, merged
from bench.report.sections import recommendation as recommending
from bench.results import archive, folders, published, repricing, table
from bench.results.table import Results
from bench.suite import arms as planning
from bench.suite import suite_file as reading
from bench.system import processes
from bench.system.files import write_text

if TYPE_CHECKING:
    from bench.forecast.device import Device


def run(
    path: Path, folder: Path, cache: Path, only: str | None, retry: bool, workers: int | None, device: str, max_usd: float | None = None
) -> bool:
    """Run a suite's arms, with the leaderboard on the screen, and report; whether any of them failed.

    Raises BenchError where those that have to run may spend more than max_usd.
    """
    console, layers = screen.console(), None
    with screen.preparing(console) as progress:
        prepared = prepare.load(path, results=folder, cache=cache, device=device, only=only, progress=progress)
        kept = runner.kept(prepared, retry)
        if None in kept.values():
            layers = prepare.fetch(prepared, progress)
            if max_usd is not None:
                _refuse_above(max_usd, prepared, kept, progress)
    for line in (*(layers or ()), *(() if layers is None else prepare.warnings(prepared))):
        console.print(line)
    executor = Local(workers=workers or processes.concurrency(prepared.device))
    with screen.RunScreen(console) as shown:
        records = runner.run(prepared, executor, shown, retry=retry, layers=layers)
    written = reporting.write(prepared.results)
    console.print(screen.leaderboard(prepared.results, console))
    screen.summary(records, written, console)
    return any(record.status == "failed" for record in records)


def plan(path: Path, cache: Path, only: str | None, folder: Path, on: Mapping[str, Any], max_usd: float | None) -> None:
    """Print what each arm will buy and cost, and take; what it takes here is kept for the report.

    on: device, workers, again, rehearse; card, cards, training and generating, the shares of its speed that are assumed to be used.
    """
    from bench.forecast import gpus, saved, terminal
    from bench.forecast import suite as looking
    from bench.forecast.calibration_cache import Finder

    console = screen.console()
    card = gpus.find(on["card"], gpus.cards(on["cards"])) if on["card"] else None
    with screen.preparing(console) as progress:
        prepared = prepare.load(path, results=folder, cache=cache, device=on["device"], only=only, progress=progress)
        workers = on["workers"] or processes.concurrency(prepared.device)
        layers = prepare.fetch(prepared, progress)
        store = DryStore(cache, progress)
        kept = {} if card else runner.kept(prepared, retry=False)  # nothing here was made on a card of the table
        planned = looking.forecasts(prepared, store, progress, reuse=not card)
        finder = Finder(cache, prepared.device, workers, prepared.suite.profilers, prepared.data_fingerprint, on["again"])
        device: Device | None = None
        if card:
            device = looking.on_card(card, on["training"], on["generating"], finder, planned, store, progress)
        elif on["rehearse"]:
            device = looking.here(finder, planned, store, progress)
    ahead = looking.look(prepared.suite, planned, device, 1 if card else workers, kept)
    spec = prepared.suite.spec
    console.print(f"{spec.suite}: {len(prepared.arms)} arms, {spec.start_labels} labels owned, compute paid by {spec.prices.meter}")
    for block in (*layers, *([] if card else prepare.warnings(prepared)), *terminal.blocks(ahead)):
        console.print(block)
    if device and not card:
        saved.write(prepared.results, ahead.written)
    looking.refuse_above(ahead, max_usd)


def check(paths: tuple[Path, ...]) -> dict[Path, int]:
    """Arms of each suite. Raises SuiteError with the faults of all of them."""
    arms: dict[Path, int] = {}
    faults: list[str] = []
    for path in paths:
        try:
            arms[path] = len(planning.arms(reading.read(path)))
        except SuiteError as error:
            faults += error.faults
    if faults:
        raise SuiteError(faults)
    return arms


def parts(name: str | None) -> None:
    """Print every part, or the settings of one."""
    console = screen.console()
    if name is None:
        screen.every_part(console)
    else:
        screen.one_part(name, console)


def report(folder: Path, folder_of_results: Path) -> None:
    """Write a report again; `folder` may be the suite file that the results came from."""
    console = screen.console()
    folder = _results(folder, folder_of_results)
    with screen.preparing(console) as progress:
        progress("reading results", 0, 2)
        found = _reportable(folder)
        progress("reporting", 1, 2)
        written = reporting.write(folder, read=found)
    console.print(reporting.terminal(found, console.width))
    console.print(f"report: {written}")


def clean(folder: Path, folder_of_results: Path) -> None:
    """Remove what no arm's compact model needs any more."""
    freed = runner.clean(_results(folder, folder_of_results))
    screen.console().print(f"{freed / 1e9:.1f} GB are free again; compact models, ledgers and reports are kept")


def price(
    folder: Path,
    folder_of_results: Path,
    labels: Sequence[str],
    prices: Mapping[str, float | str | None],
    requests: float | None,
    months: float,
    out: Path | None,
) -> None:
    """Print results at other prices, and write their report."""
    console, folder = screen.console(), _results(folder, folder_of_results)
    found = folders.read(folder)
    quotes = repricing.asked(found).changed(label_prices(labels), **prices)
    out = out or folder / "priced"
    use = Use(requests, months) if requests else None
    with screen.preparing(console) as progress:
        progress("counting again", 0, 0)
        written = reporting.write(folder, quotes, use, out, found)
    console.print(reporting.terminal(repricing.reprice(found, quotes), console.width))
    for note in notes(found, quotes, prices):
        console.print(note)
    console.print(f"report: {written}")


def recommend(
    folder: Path, folder_of_results: Path, budget: float, task: str | None, labels: Sequence[str], prices: Mapping[str, float | str | None]
) -> None:
    """Print what to do, for each task."""
    console, folder = screen.console(), _results(folder, folder_of_results)
    found = folders.read(folder)
    quotes = repricing.asked(found).changed(label_prices(labels), **prices)
    with screen.preparing(console) as progress:
        progress("weighing", 0, 0)
        fields = reporting.fields(found, task, quotes)
        paragraphs = [recommending.paragraph(field, budget, quotes) for field in fields]
    for paragraph in paragraphs:
        console.print(screen.markdown(paragraph))
    for note in notes(found, quotes, prices):
        console.print(note)


def _reportable(folder: Path) -> Results:
    """Raises BenchError where a report would say nothing, or less than the one that is there."""
    found = table.read(folder)
    statuses = set(found.table.loc[found.table["row"] == "record", "status"])
    if not found.records and "unfinished" not in statuses:
        raise BenchError(folders.why_empty(folder, found))
    if found.kept and not found.examples:
        raise BenchError(f"{folder}: its arms and {archive.FILE} are gone, a new report would know less than report.md; see `bench price`")
    return found


def import_published(name: str | None, folder_of_results: Path) -> None:
    """Write published figures as a results folder with its report; without a name, print which there are."""
    console = screen.console()
    if name is None:
        for known in published.names():
            console.print(f"{known}: {published.find(known).source}")
        return
    folder = published.published(name, folder_of_results)
    written = reporting.write(folder)
    screen.summary([*table.read(folder).records.values()], written, console)


def compare(paths: tuple[Path, Path], folder_of_results: Path, metrics: tuple[str, ...], out: Path | None) -> bool:
    """Print two results folders side by side; whether anything got worse."""
    console = screen.console()
    with screen.preparing(console) as progress:
        progress("reading results", 0, 2)
        before = folders.read(_results(paths[0], folder_of_results))
        progress("reading results", 1, 2)
        found = comparing.compare(before, folders.read(_results(paths[1], folder_of_results)), metrics, progress)
    shown = comparison.blocks(found, *map(str, paths))
    console.print(tables.terminal(shown, console.width))
    if out:
        write_text(out, tables.markdown("Two results compared", shown))
    return found.got_worse


def leaderboard(paths: Sequence[Path], folder_of_results: Path, rank_by: str, best: bool, csv: Path | None, markdown: Path | None) -> None:
    """Print several results folders in one leaderboard."""
    console = screen.console()
    with screen.preparing(console) as progress:
        sides, left_out = folders.read_all([_results(path, folder_of_results) for path in paths], progress)
        found = merge.together(sides, rank_by, best, progress)
    shown = [*merged.blocks(found), *(f"Left out: {why}." for why in left_out)]
    console.print(tables.terminal(shown, console.width))
    if csv:
        write_text(csv, merged.frame(found).to_csv(index=False))
    if markdown:
        write_text(markdown, tables.markdown("Leaderboard", shown))


def init(data: Path, cache: Path, **said: Any) -> None:
    """Look at a file, and write a suite over it. said: the fields of `session.Wanted`."""
    console = screen.console()
    session.write(data, session.Wanted(**said), cache, lambda line: console.print(line, soft_wrap=True))


def _results(folder: Path, folder_of_results: Path) -> Path:
    """The results folder that a suite file writes to, or the folder itself."""
    return folder_of_results / reading.read(folder).spec.suite if folder.is_file() else folder


def _refuse_above(max_usd: float, prepared: PreparedSuite, kept: Mapping[str, Record | None], progress: Progress) -> None:
    from bench.forecast import suite as looking

    planned = looking.forecasts(prepared, DryStore(prepared.cache, progress), progress, reuse=True)
    looking.refuse_above(looking.look(prepared.suite, planned, None, 1, kept), max_usd)
