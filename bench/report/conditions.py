"""Under which conditions: how money is counted, what the data is, which machines the arms ran on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bench.report.markdown import DASH, escape, number
from bench.results import Results


def money(suite: Mapping[str, Any]) -> list[str]:
    if not suite:
        return []
    lines = [f"Compute is paid by the meter `{escape(suite.get('meter', DASH))}`; what other meters saw is in the table as well."]
    lines.append(f"{escape(suite.get('start_labels', DASH))} labels are owned at the start and cost nothing; a budget is what is added.")
    lines += [f"Price, label of {line} USD" for line in _flat(suite.get("label_usd", {}))]
    lines += [f"Price, {line}" for line in _flat(suite.get("prices", {})) if not line.startswith(("meter:", "label"))]
    lines += [f"{escape(str(phase).replace('_', ' '))}: {_payer(payer)}" for phase, payer in suite.get("pays", {}).items()]
    lines.append("Work that several arms need is done once and paid by each of them, as if it had been alone.")
    lines += [escape(suite["sunk"])] if suite.get("sunk") else []
    return ["\n".join(f"- {line}" for line in lines)]


def _payer(payer: object) -> str:
    return {"purse": "paid from the purse", "free": "not charged"}.get(str(payer), escape(payer))


def data(found: Results) -> list[str]:
    notes = [f"- {escape(task)}: {escape(note)}" for task, said in found.suite.get("notes", {}).items() for note in said]
    prints = sorted({(r.task, r.data_fingerprint) for r in found.records.values() if r.data_fingerprint})
    notes += [f"- {escape(task)}: fingerprint {escape(fingerprint)}" for task, fingerprint in prints]
    changed = sorted(task for task, count in Counter(task for task, _ in prints).items() if count > 1)
    notes += [f"- **{escape(task)}: these arms saw different data; do not compare them.**" for task in changed]
    return ["\n".join(notes)] if notes else []


def machines(found: Results) -> list[str]:
    """Every machine once, with the number of arms it ran."""
    seen = Counter(tuple(_machine(record.machine)) for record in found.records.values() if record.machine)
    blocks = []
    for facts, arms in seen.most_common():
        blocks.append("\n".join([f"{arms:,} arm{'' if arms == 1 else 's'} ran on:", "", *(f"- {line}" for line in facts)]))
    shape = {name: "all" if layers is None else layers for name, layers in found.suite.get("compact", {}).items()}
    return blocks + ([f"Compact model: {', '.join(_flat(shape))}."] if shape else [])


def _machine(facts: Mapping[str, Any]) -> Iterator[str]:
    """A line for each fact that is known."""
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
    """'name: value' for each leaf, names joined by dots."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            shown = f"{value:.12g}" if isinstance(value, float) else DASH if value is None else value
            yield f"{escape(before + str(name))}: {escape(shown)}"
