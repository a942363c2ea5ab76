"""The conditions of the results: how money is counted, models and texts, data, machines, the suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bench.contracts import Phase
from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Code, Paragraph, Points, Section, Text, code, strong
from bench.report.sections import published
from bench.report.text import DASH, count, number

TOKENS = {"usd_per_1m_prompt_tokens": "1 million prompt tokens", "usd_per_1m_output_tokens": "1 million output tokens"}
ITEMS = {phase.value: phase.priced for phase in Phase if phase.priced}
SHARED = "Work that several arms need is done once. Each of these arms pays the full price of that work."
PAYERS = {"purse": "paid from the purse", "free": "not charged"}


def money(given: ReportInput) -> Section | None:
    """Return what is paid, by whom, and at which price."""
    suite = given.found.suite
    if not suite:
        return None
    if not suite.get("prices") and suite.get("published"):
        return Section(id="money", title="How money is counted", blocks=(Paragraph(published.NO_DOLLARS),))
    prices = suite.get("prices", {})
    by_item = suite.get("meter") == "items"
    others = "The table also holds what other meters measured."
    lines: list[Text] = (
        [f"Compute is paid by the item, at published prices, whatever this machine took. {others}"]
        if by_item
        else [("Compute is paid by the meter ", code(str(suite.get("meter", DASH))), f". {others}")]
    )
    for task, of_task in prices.get("usd_per_1k_items", {}).items() if by_item else ():
        lines.append(f"Price, {task}: " + ", ".join(f"{_price(usd)} {ITEMS.get(phase, phase)}" for phase, usd in of_task.items()))
    owned = f"{suite['start_labels']} labels" if "start_labels" in suite else "labels"
    lines.append(f"The starting {owned} are free. A budget is what is added.")
    labels = {task: _source(suite, "label_usd", usd) for task, usd in suite.get("label_usd", {}).items()}
    lines += [f"Price, label of {line} USD{labels[line.rpartition(': ')[0]]}" for line in _flat(suite.get("label_usd", {}))]
    other = {name: price for name, price in prices.items() if name not in ("meter", "label_usd", "usd_per_1k_items", *TOKENS)}
    lines += [f"Price, {line}{_source(suite, name, price)}" for name, price in other.items() for line in _flat({name: price})]
    lines += [
        f"Price, {what}: {_price(prices[name])}{_source(suite, name, prices[name])}" for name, what in TOKENS.items() if prices.get(name)
    ]
    lines += [f"Price, label of an LLM, {strategy}: {_price(usd)}" for strategy, usd in _written_labels(given)]
    lines += [f"{str(phase).replace('_', ' ')}: {PAYERS.get(str(payer), payer)}" for phase, payer in suite.get("pays", {}).items()]
    lines += [] if suite.get("published") else [SHARED]
    lines += [str(suite["sunk"])] if suite.get("sunk") else []
    return Section(id="money", title="How money is counted", blocks=(Points(tuple(lines)),))


def _written_labels(given: ReportInput) -> list[tuple[str, float]]:
    """Return (strategy, dollars) for each price of a label that an LLM wrote elsewhere."""
    settings = ((record.strategy, record.settings.get("written")) for record in given.found.records.values())
    prices = ((strategy, written.get("usd_per_label")) for strategy, written in settings if isinstance(written, dict))
    return sorted({(strategy, float(usd)) for strategy, usd in prices if usd is not None})


def _source(suite: Mapping[str, Any], field: str, value: object) -> str:
    """Return name, source and date of a price that the suite names, in brackets; '' where it is given as a number, or has changed since."""
    named = suite.get("price_sources", {}).get(field)
    return f" ({named['source']})" if named and named["value"] == value else ""


def _price(usd: float) -> str:
    return f"{usd:.12g} USD"


def models(given: ReportInput) -> Section | None:
    """Return the models and texts that were used, and the layers that were kept."""
    suite = given.found.suite
    shape = {name: kept for name, kept in suite.get("compact", {}).items() if name != "model" or kept is not None}
    compact = _flat({name: "all" if kept is None else kept for name, kept in shape.items()})
    lines = [f"Large model: {suite['large']}"] if suite.get("large") else []
    lines += [f"Compact model: {', '.join(compact)}"] if shape else []
    lines += [f"Layers kept, {sentence}" for sentence in suite.get("layers", [])]
    lines += [f"Model {line}" for line in _flat(suite.get("models", {}))]
    lines += [f"Text {line}" for line in _flat(suite.get("texts", {}))]
    return Section(id="models", title="Models and texts", blocks=(Points(tuple(lines)),)) if lines else None


def data(given: ReportInput) -> Section | None:
    """Return what was known of the data and the models before the run, and which data the arms saw."""
    suite = given.found.suite
    notes: list[Text] = [*map(str, suite.get("warnings", []))]
    notes += [f"{task}: {note}" for task, of_task in suite.get("notes", {}).items() for note in of_task]
    prints = sorted({(r.task, r.data_fingerprint) for r in given.found.records.values() if r.data_fingerprint})
    notes += [f"{task}: fingerprint {fingerprint}" for task, fingerprint in prints]
    changed = sorted(task for task, count in Counter(task for task, _ in prints).items() if count > 1)
    notes += [strong(f"{task}: these arms saw different data; do not compare them.") for task in changed]
    return Section(id="data", title="Data", blocks=(Points(tuple(notes)),)) if notes else None


def machines(given: ReportInput) -> Section | None:
    """Return every machine once, with the number of arms that ran on it."""
    seen = Counter(tuple(_machine(record.machine)) for record in given.found.records.values() if record.machine)
    blocks: list[Block] = []
    for facts, arms in seen.most_common():
        blocks += [Paragraph(f"{count(arms, 'arm')} ran on:"), Points(facts)]
    if not blocks and published.is_published(given.found):
        blocks.append(Paragraph(published.NOT_RUN))
    return Section(id="machines", title="Machine and versions", blocks=tuple(blocks)) if blocks else None


def suite(given: ReportInput) -> Section | None:
    """Return the text of the suite as it was run."""
    text = given.found.suite_text
    return Section(id="suite", title="The suite", blocks=(Code(text, "yaml"),)) if text else None


def _machine(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fact that is known."""
    gpus, packages = facts.get("gpus"), facts.get("packages")
    yield from _flat({name: value for name, value in facts.items() if name not in ("gpus", "no_gpu", "packages") and value is not None})
    if gpus is not None:
        memory = [f", {number(gpu['memory_bytes'] / 2**30, 1)} GiB" if gpu.get("memory_bytes") else "" for gpu in gpus]
        named = [f"GPU: {gpu.get('name', 'unnamed')}{size}" for gpu, size in zip(gpus, memory, strict=True)]
        yield ", ".join(named) or "no GPU" + (f" ({facts['no_gpu']})" if facts.get("no_gpu") else "")
    if packages:
        yield "packages: " + ", ".join(f"{name} {version or 'missing'}" for name, version in packages.items())


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield 'name: value' for each leaf, with nested names joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            shown = f"{value:.12g}" if isinstance(value, float) else DASH if value is None else value
            yield f"{before}{name}: {shown}"
