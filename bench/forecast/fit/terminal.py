"""Prints the answer of `bench fit`."""

from __future__ import annotations

from collections.abc import Iterator

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
    yield _head(answer)
    if answer.query.card:
        yield _verdict(answer, answer.query.card)
    yield f"\nPeak of a training step, in GiB ({answer.query.setting})"
    yield _by_batch(answer)
    yield "\nBy setting, the cheapest in FLOPs first"
    yield _by_setting(answer)
    yield f"\nGeneration ({answer.query.setting.precision}, {answer.query.beams} beams), in GiB"
    yield _generation(answer)
    if answer.students:
        yield f"\nStudents of some decoder layers, trained in the same way ({answer.query.setting})"
        yield _students(answer)
    yield from ("", *notes(answer))


def _head(answer: Answer) -> str:
    query, lengths = answer.query, answer.query.lengths
    head = (
        f"{answer.model.title}: {answer.parameters / 1e6:,.1f} M parameters ({answer.model.source}); documents of {lengths.source} tokens, "
    )
    head += f"labels of {lengths.target}"
    head += f"\nA training step takes {answer.row.flops / 1e12:,.2f} TFLOPs an example ({query.setting})"
    if query.card and query.room:
        head += f"\n{query.card.title}: {query.room / GIB:.1f} GiB for tensors, after {query.context_bytes / GIB:.2g} GiB for CUDA and "
        head += f"{query.kept_free:.0%} lost between blocks"
    return head


def _verdict(answer: Answer, card: Card) -> str:
    """Return which batches fit as asked, else what makes the batch fit, and which students fit instead."""
    room, batch = answer.query.room_on(card), answer.query.batch
    parts = _largest(answer, answer.micro_batches) if answer.micro_batches.largest_batch(room) else ""
    if answer.fits(answer.row, card):
        larger = f", and larger ones in micro-batches up to {parts} (micro_batch_size)" if parts else ""
        return f"As asked, batches up to {_largest(answer, answer.row.peak)} fit{larger}."
    near = answer.nearest_that_fit(card)
    ways = [f"{', '.join(row.setting.changes(answer.query.setting))} ({_compared(row, answer.row)} FLOPs)" for row in near]
    if parts:
        but = ", except for the draws of dropout" if answer.query.setting.tuning.dropout else ""
        ways.insert(0, f"micro_batch_size {parts} (the same step{but})")
    verdict = f"As asked, a batch of {batch} does not fit" + (f"; it does with {'; or '.join(ways)}." if ways else ".")
    students = [f"{one.layers} (up to {one.peak.largest_batch(room)})" for one in answer.students if one.peak.total(batch) <= room]
    return verdict + (f" Students that fit as asked: {', '.join(students)}." if students else " No student fits as asked.")


def _by_batch(answer: Answer) -> Table:
    table = Table(box=None, padding=(0, 1))
    for head in ("batch", *CATEGORIES, "CUDA", "total", *(["fits"] if answer.query.card else [])):
        table.add_column(head, justify="right")
    for batch in sorted({*BATCHES, answer.query.batch}):
        parts = [_gib(size) for size in answer.parts(batch).values()]
        fits = [_fits(answer, answer.row.peak, batch)] if answer.query.card else []
        table.add_row(str(batch), *parts, _gib(answer.query.context_bytes), _gib(answer.total(answer.row.peak, batch)), *fits)
    return table


def _by_setting(answer: Answer) -> Table:
    query = answer.query
    table = Table("precision", "optimiser", "frozen", "LoRA", "checkpointing", box=None, padding=(0, 1))
    batches = sorted({1, 8, query.batch})
    for head in ("FLOPs", *(f"GiB at {batch}" for batch in batches), *(["largest batch"] if query.card else [])):
        table.add_column(head, justify="right")
    for row in sorted(answer.rows, key=lambda row: (row.flops, row.setting.precision, row.peak.total(query.batch))):
        tuning = row.setting.tuning
        lora = f"rank {tuning.rank}" if tuning.lora else "no"
        named = (row.setting.precision, tuning.optimizer, tuning.freeze, lora, "yes" if tuning.checkpointing else "no")
        sizes = [_gib(answer.total(row.peak, batch)) for batch in batches]
        style = "bold" if row.setting == query.setting else None
        table.add_row(*named, _compared(row, answer.row), *sizes, *([_largest(answer, row.peak)] if query.card else []), style=style)
    return table


def _compared(row: Row, asked: Row) -> str:
    """Return the FLOPs relative to those of the query."""
    return "as asked" if row.setting == asked.setting else f"{row.flops / asked.flops - 1:+.0%}"


def _generation(answer: Answer) -> Table:
    batches = (1, 8, 64)
    table = Table(box=None, padding=(0, 1))
    for head in (*(f"GiB at {batch}" for batch in batches), *(["largest batch"] if answer.query.card else [])):
        table.add_column(head, justify="right")
    sizes = [_gib(answer.total(answer.generation, batch)) for batch in batches]
    table.add_row(*sizes, *([_largest(answer, answer.generation)] if answer.query.card else []))
    return table


def _students(answer: Answer) -> Table:
    batches = sorted({1, 8, answer.query.batch})
    table = Table("layers", "kept of the decoder", box=None, padding=(0, 1))
    for head in ("M parameters", *(f"GiB at {batch}" for batch in batches), *(["largest batch"] if answer.query.card else [])):
        table.add_column(head, justify="right")
    for one in answer.students:
        sizes = [_gib(answer.total(one.peak, batch)) for batch in batches]
        largest = [_largest(answer, one.peak)] if answer.query.card else []
        table.add_row(one.layers, str(one.kept), f"{one.parameters / 1e6:,.1f}", *sizes, *largest)
    return table


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


def _fits(answer: Answer, peak: Peak, batch: int) -> str:
    return "yes" if answer.query.room is not None and peak.total(batch) <= answer.query.room else "no"


def _largest(answer: Answer, peak: Peak) -> str:
    most = peak.largest_batch(answer.query.room or 0.0)
    return f"> {MANY:,}" if most > MANY else str(most) if most else "none"


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}"
