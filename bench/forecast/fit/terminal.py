"""Prints the answer of `bench fit`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table

from bench.forecast.fit.search import Answer, Row
from bench.forecast.gpus import GIB, Card
from bench.forecast.memory import CATEGORIES, Peak
from bench.training.settings import is_installed

BATCHES = (1, 2, 4, 8, 16, 32)

MANY = 10_000
"""Larger batches are shown as more than this."""


def blocks(answer: Answer) -> Iterator[RenderableType]:
    """Yield the blocks of the page, from top to bottom."""
    query, room = answer.query, answer.query.room
    lengths, card = query.lengths, query.card
    head = f"{answer.model.title}: {answer.parameters / 1e6:,.1f} M parameters ({answer.model.source}); "
    head += f"documents of {lengths.source} tokens, labels of {lengths.target}"
    head += f"\nA training step takes {answer.row.flops / 1e12:,.2f} TFLOPs an example ({query.setting})"
    if card and room:
        head += f"\n{card.title}: {room / GIB:.1f} GiB for tensors, after {query.context_bytes / GIB:.2g} GiB for CUDA and "
        head += f"{query.kept_free:.0%} lost between blocks"
    yield head
    if card:
        yield verdict(answer, card)
    yield f"\nPeak of a training step, in GiB ({query.setting})"
    by_batch = _table([], ["batch", *CATEGORIES, "CUDA", "total", *(["fits"] if card else [])])
    for batch in sorted({*BATCHES, query.batch}):
        total = answer.row.peak.total(batch)
        sizes = [*answer.row.peak.at(batch).values(), query.context_bytes, total + query.context_bytes]
        fits = [] if room is None else ["yes" if total <= room else "no"]
        by_batch.add_row(str(batch), *(f"{size / GIB:.2f}" for size in sizes), *fits)
    yield by_batch
    yield "\nBy setting, the cheapest in FLOPs first"
    yield _by_setting(answer)
    yield f"\nGeneration ({query.setting.precision}, {query.beams} beams), in GiB"
    generation = _table([], _heads(answer, [1, 8, 64]))
    generation.add_row(*_sizes(answer, answer.generation, [1, 8, 64]))
    yield generation
    if answer.students:
        yield f"\nStudents of some decoder layers, trained in the same way ({query.setting})"
        batches = sorted({1, 8, query.batch})
        students = _table(["layers", "kept of the decoder"], ["M parameters", *_heads(answer, batches)])
        for one in answer.students:
            students.add_row(one.layers, str(one.kept), f"{one.parameters / 1e6:,.1f}", *_sizes(answer, one.peak, batches))
        yield students
    yield from ("", *notes(answer))


def verdict(answer: Answer, card: Card) -> str:
    """Return which batches fit as asked, else what makes the batch fit, which GPU has room for it, and which students fit instead."""
    room, batch = answer.query.room_on(card), answer.query.batch
    parts = _largest(answer, answer.micro_batches) if answer.largest_part(card) else ""
    if answer.fits(answer.row, card):
        larger = f", and larger ones in micro-batches up to {parts} (micro_batch_size)" if parts else ""
        return f"Batches up to {_largest(answer, answer.row.peak)} fit as asked{larger}."
    near = answer.nearest_that_fit(card)
    ways = [f"with {', '.join(row.setting.changes(answer.query.setting))} ({_compared(row, answer.row)} FLOPs)" for row in near]
    if parts:
        but = ", except for the draws of dropout" if answer.query.setting.tuning.dropout else ""
        ways.insert(0, f"with micro_batch_size {parts} (the same step{but})")
    if gpu := answer.smallest_gpu(answer.row):
        ways.append(f"on {gpu.title}")
    found = f"A batch of {batch} does not fit as asked" + (f"; it does {'; or '.join(ways)}." if ways else ".")
    students = [f"{one.layers} (up to {one.peak.largest_batch(room)})" for one in answer.students if one.peak.total(batch) <= room]
    return found + (f" Students that fit as asked: {', '.join(students)}." if students else " No student fits as asked.")


def _by_setting(answer: Answer) -> Table:
    query = answer.query
    batches = sorted({1, 8, query.batch})
    table = _table(["precision", "optimiser", "frozen", "LoRA", "checkpointing"], ["FLOPs", *_heads(answer, batches)])
    for row in sorted(answer.rows, key=lambda row: (row.flops, row.setting.precision, row.peak.total(query.batch))):
        tuning = row.setting.tuning
        lora = f"rank {tuning.rank}" if tuning.lora else "no"
        named = (row.setting.precision, tuning.optimizer, tuning.freeze, lora, "yes" if tuning.checkpointing else "no")
        style = "bold" if row.setting == query.setting else None
        table.add_row(*named, _compared(row, answer.row), *_sizes(answer, row.peak, batches), style=style)
    return table


def _table(texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(*texts, box=None, padding=(0, 1))
    for head in numbers:
        table.add_column(head, justify="right")
    return table


def _heads(answer: Answer, batches: Sequence[int]) -> list[str]:
    return [*(f"GiB at {batch}" for batch in batches), *(["largest batch"] if answer.query.card else [])]


def _sizes(answer: Answer, peak: Peak, batches: Sequence[int]) -> list[str]:
    """Return the cells of `_heads`."""
    sizes = [f"{answer.total(peak, batch) / GIB:.2f}" for batch in batches]
    return [*sizes, *([_largest(answer, peak)] if answer.query.card else [])]


def _compared(row: Row, asked: Row) -> str:
    """Return the FLOPs relative to those of the query."""
    return "as asked" if row.setting == asked.setting else f"{row.flops / asked.flops - 1:+.0%}"


def notes(answer: Answer) -> list[str]:
    """Return what the figures are based on."""
    lines = [
        "Peak memory comes from the real training step and real generation, simulated without numbers (FakeTensorMode) on texts of",
        "maximum length. Categories show what is held at the peak. docs/memory.md compares predictions with measurements.",
        "FLOPs are those of the model per example. They do not depend on the number format, the optimizer or the GPU. With",
        "checkpointing, the forward pass of trained layers counts twice. A suite takes these settings as they are shown here.",
        "Micro-batches (gradient accumulation) make the same step as the whole batch. Their gradients stay in memory, so fewer",
        "examples fit at a time.",
    ]
    if not is_installed("adamw_8bit"):
        lines.append("AdamW with states of 8 bits (adamw_8bit) is shown where bitsandbytes is installed: pip install bitsandbytes.")
    card = answer.query.card
    if card and not card.computes_bf16:
        lines.append(f"{card.name} has no bf16 in hardware, so only fp32 is shown. Pegasus and T5 overflow in fp16, so it is not offered.")
    return lines


def _largest(answer: Answer, peak: Peak) -> str:
    most = peak.largest_batch(answer.query.room or 0.0)
    return f"> {MANY:,}" if most > MANY else str(most) if most else "none"
