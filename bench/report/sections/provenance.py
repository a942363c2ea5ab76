"""The conditions of the results: how money is counted, models and texts, data, machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bench.contracts import Phase
from bench.report.markdown import DASH, escape, number
from bench.report.sections import published
from bench.results.table import Results

TOKENS = {"usd_per_1m_prompt_tokens": "1 million prompt tokens", "usd_per_1m_output_tokens": "1 million output tokens"}
ITEMS = {phase.value: phase.priced for phase in Phase if phase.priced}
SHARED = "Work that several arms need is done once and paid by each of them, as if it had been alone."


def money(suite: Mapping[str, Any]) -> list[str]:
    if not suite:
        return []
    if not suite.get("prices") and suite.get("published"):
        return [published.NO_DOLLARS]
    prices = suite.get("prices", {})
    lines = [*_compute(suite), *_item_prices(suite)]
    owned = f"{escape(suite.get('start_labels', DASH))} labels are owned" if "start_labels" in suite else "The labels that are owned are so"
    lines.append(f"{owned} at the start and cost nothing; a budget is what is added.")
    lines += [f"Price, label of {line} USD" for line in _flat(suite.get("label_usd", {}))]
    other = {name: price for name, price in prices.items() if name not in ("meter", "label_usd", "usd_per_1k_items", *TOKENS)}
    lines += [f"Price, {line}" for line in _flat(other)]
    lines += [f"Price, {what}: {_dollars(prices[name])}" for name, what in TOKENS.items() if prices.get(name)]
    lines += [f"{escape(str(phase).replace('_', ' '))}: {_payer(payer)}" for phase, payer in suite.get("pays", {}).items()]
    lines += [] if suite.get("published") else [SHARED]
    lines += [escape(suite["sunk"])] if suite.get("sunk") else []
    return ["\n".join(f"- {line}" for line in lines)]


def _compute(suite: Mapping[str, Any]) -> Iterator[str]:
    if suite.get("meter") == "items":
        yield "Compute is paid by the item, at published prices, whatever this machine took; what other meters saw is in the table as well."
    else:
        yield f"Compute is paid by the meter `{escape(suite.get('meter', DASH))}`; what other meters saw is in the table as well."


def _item_prices(suite: Mapping[str, Any]) -> Iterator[str]:
    """Yield the prices per item. They matter only where compute is paid by the item."""
    by_task = suite.get("prices", {}).get("usd_per_1k_items", {}) if suite.get("meter") == "items" else {}
    for task, prices in by_task.items():
        yield f"Price, {escape(task)}: " + ", ".join(f"{_dollars(usd)} {ITEMS.get(phase, escape(phase))}" for phase, usd in prices.items())


def _dollars(usd: float) -> str:
    return f"{escape(format(usd, '.12g'))} USD"


def _payer(payer: object) -> str:
    return {"purse": "paid from the purse", "free": "not charged"}.get(str(payer), escape(payer))


def models(suite: Mapping[str, Any]) -> list[str]:
    """Return the models and texts that were used, and the layers that were kept."""
    shape = {name: kept for name, kept in suite.get("compact", {}).items() if name != "model" or kept is not None}
    lines = [f"Large model: {escape(suite['large'])}"] if suite.get("large") else []
    lines += (
        [f"Compact model: {', '.join(_flat({name: 'all' if kept is None else kept for name, kept in shape.items()}))}"] if shape else []
    )
    lines += [f"Layers kept, {escape(sentence)}" for sentence in suite.get("layers", [])]
    lines += [f"Model {line}" for line in _flat(suite.get("models", {}))]
    lines += [f"Text {line}" for line in _flat(suite.get("texts", {}))]
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def data(found: Results) -> list[str]:
    """What was known of the data and the models before the run, and which data the arms saw."""
    notes = [f"- {escape(warning)}" for warning in found.suite.get("warnings", [])]
    notes += [f"- {escape(task)}: {escape(note)}" for task, said in found.suite.get("notes", {}).items() for note in said]
    prints = sorted({(r.task, r.data_fingerprint) for r in found.records.values() if r.data_fingerprint})
    notes += [f"- {escape(task)}: fingerprint {escape(fingerprint)}" for task, fingerprint in prints]
    changed = sorted(task for task, count in Counter(task for task, _ in prints).items() if count > 1)
    notes += [f"- **{escape(task)}: these arms saw different data; do not compare them.**" for task in changed]
    return ["\n".join(notes)] if notes else []


def machines(found: Results) -> list[str]:
    """Return every machine once, with the number of arms that ran on it."""
    seen = Counter(tuple(_machine(record.machine)) for record in found.records.values() if record.machine)
    blocks = []
    for facts, arms in seen.most_common():
        blocks.append("\n".join([f"{arms:,} arm{'' if arms == 1 else 's'} ran on:", "", *(f"- {line}" for line in facts)]))
    return blocks or ([published.NOT_RUN] if published.is_published(found) else [])


def _machine(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fact that is known."""
    gpus, packages = facts.get("gpus"), facts.get("packages")
    yield from _flat({name: value for name, value in facts.items() if name not in ("gpus", "no_gpu", "packages") and value is not None})
    if gpus is not None:
        why = f" ({escape(facts['no_gpu'])})" if facts.get("no_gpu") else ""
        yield ", ".join(_gpu(gpu) for gpu in gpus) if gpus else f"no GPU{why}"
    if packages:
        yield "packages: " + ", ".join(f"{escape(name)} {escape(version or 'missing')}" for name, version in packages.items())


def _gpu(gpu: Mapping[str, Any]) -> str:
    memory = gpu.get("memory_bytes")
    return f"GPU: {escape(gpu.get('name', 'unnamed'))}" + (f", {number(memory / 2**30, 1)} GiB" if memory else "")


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield 'name: value' for each leaf, with nested names joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            shown = f"{value:.12g}" if isinstance(value, float) else DASH if value is None else value
            yield f"{escape(before + str(name))}: {escape(shown)}"
