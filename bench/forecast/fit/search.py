"""The largest batches that fit, what makes one fit, and the students that fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from bench.contracts import Compact, Decoding, Precision, Progress
from bench.errors import BenchError
from bench.forecast.fit import options
from bench.forecast.fit.options import Setting
from bench.forecast.gpus import GIB, Card
from bench.forecast.memory.architectures import Named
from bench.forecast.memory.optimizer_state import kept_by_optimizer
from bench.forecast.memory.peak import Architecture, Peak, Texts, generation_peak, parameters, with_optimizer
from bench.forecast.memory.tracker import Use
from bench.system import processes
from bench.training.shrinking import Kept, kept_layers, layer_counts, shrunk_config

CONTEXT_BYTES = 0.5 * GIB
"""What CUDA holds besides torch's allocator, and what the allocator holds for cuBLAS: assumed. 426 MiB were measured for the context
with torch 2.10 on an RTX 6000 Ada (unslothai/unsloth-zoo pull request 1053), 300 to 400 MB elsewhere (pytorch issues 107667 and
109888); cuBLAS takes 8 MiB, on Hopper 32 (CUDABlas.cpp)."""

KEPT_FREE = 0.05
"""Share of a card that the allocator is assumed to lose between its blocks. Measured by nobody here; on the safe side."""

PARTS_OF_A_DECODER = (2, 4)
"""Students keep a half or a quarter of it: of 16 layers 8 and 4, of 12 layers 6 and 3 (Shleifer and Rush 2020)."""


@dataclass(frozen=True)
class Asked:
    """batch: that has to fit, at least. context_bytes, kept_free: of the card, what torch cannot give to tensors."""

    texts: Texts
    setting: Setting = field(default_factory=Setting)
    batch: int = 1
    beams: int = 1
    card: Card | None = None
    context_bytes: float = CONTEXT_BYTES
    kept_free: float = KEPT_FREE

    @property
    def room(self) -> float | None:
        """Bytes that tensors can take on the card."""
        return self.room_on(self.card) if self.card else None

    def room_on(self, card: Card) -> float:
        """Bytes that tensors can take on it."""
        return (card.memory_bytes - self.context_bytes) * (1 - self.kept_free)


def question(
    card: Card | None,
    batch: int,
    *,
    source: int,
    target: int,
    precision: Precision | None,
    beams: int,
    context_gib: float | None,
    kept_free: float,
    **setting: Any,
) -> Asked:
    """What was asked on the command line. precision: None for bf16, or fp32 on a card that has no bf16."""
    chosen = precision or ("fp32" if card and not card.computes_bf16 else "bf16")
    context = CONTEXT_BYTES if context_gib is None else context_gib * GIB
    return Asked(Texts(source, target), Setting(chosen, **setting), batch, beams, card, context, kept_free)


@dataclass(frozen=True)
class Row:
    """A setting. flops: of an example, those computed twice included."""

    setting: Setting
    peak: Peak
    flops: float


@dataclass(frozen=True)
class Student:
    """A model of some of the layers, trained as was asked."""

    layers: str
    kept: Kept
    parameters: int
    peak: Peak


@dataclass(frozen=True)
class Answer:
    """rows: of settings, that which was asked among them. divided: the peak of what was asked, were its batch divided into micro-batches.
    writing: the peak of generation."""

    named: Named
    asked: Asked
    parameters: int
    rows: tuple[Row, ...]
    divided: Peak
    writing: Peak
    students: tuple[Student, ...]

    @property
    def row(self) -> Row:
        """Of the setting that was asked."""
        return next(row for row in self.rows if row.setting == self.asked.setting)

    def total(self, peak: Peak, batch: int) -> float:
        """Bytes on a card, with what torch does not hold."""
        return peak.total(batch) + self.asked.context_bytes

    def parts(self, batch: int) -> dict[Use, int]:
        """Bytes of the setting that was asked, use by use."""
        return self.row.peak.at(batch)

    def fits(self, row: Row, card: Card) -> bool:
        """Whether the batch that was asked has room on a card, which computes in that precision."""
        possible = card.computes_bf16 or row.setting.precision == "fp32"
        return possible and row.peak.total(self.asked.batch) <= self.asked.room_on(card)

    def nearest_that_fit(self, card: Card) -> tuple[Row, ...]:
        """Settings that fit with the fewest changes to what was asked, the cheapest first."""
        fitting = [row for row in self.rows if self.fits(row, card)]
        fewest = min((len(row.setting.changes(self.asked.setting)) for row in fitting), default=0)
        return tuple(sorted((row for row in fitting if len(row.setting.changes(self.asked.setting)) == fewest), key=lambda row: row.flops))

    def least(self) -> Row:
        """The setting that takes least, of those looked at."""
        return min(self.rows, key=lambda row: (row.peak.total(self.asked.batch), row.flops))


@contextmanager
def begun(named: Named, asked: Asked, workers: int | None = None) -> Iterator[Callable[[Progress], Answer]]:
    """The work, begun; and a function that waits for it. It is begun before anything draws on the screen: processes are forked.

    Raises BenchError where the model has fewer positions than the texts tokens, or nothing can be trained as was asked.
    """
    options.check(asked.setting, asked.card)
    _check_positions(named, asked.texts)
    architecture = named.architecture
    count = parameters(architecture)  # before the work is divided, so that transformers' code for the model is imported once
    possible = options.worth_a_look(asked.setting, architecture, asked.card is None or asked.card.computes_bf16)
    ways = options.work_of(possible)
    smaller = _students(architecture)
    work: list[Callable[[], Any]] = [
        *(partial(options.steps, architecture, asked.texts, alike) for alike in ways),
        *(partial(options.steps, student, asked.texts, [asked.setting]) for student, _, _ in smaller),
        partial(options.steps, architecture, asked.texts, [replace(asked.setting, divided=True)]),
        partial(generation_peak, architecture, Decoding(beams=asked.beams), asked.setting.precision, asked.texts),
    ]
    with processes.parallel_map(work, workers) as results:

        def finish(progress: Progress) -> Answer:
            options.look_at_optimizers(architecture, possible)
            tuning = asked.setting.tuning
            done: list[Any] = []
            for result in results:
                done.append(result)
                progress("pretending to train", len(done), len(work))
            peaks = options.peaks(possible, dict(zip(chain(*ways), chain(*done[: len(ways)]), strict=True)))
            rows = tuple(Row(setting, peak, setting.flops(architecture, asked.texts)) for setting, peak in peaks.items())
            *steps, divided = (with_optimizer(step, kept_by_optimizer(step.learning, tuning)) for step in chain(*done[len(ways) : -1]))
            taught = zip(smaller, steps, strict=True)
            students = tuple(Student(layers, kept, parameters(student), peak) for (student, layers, kept), peak in taught)
            return Answer(named, asked, count, rows, divided, done[-1], students)

        yield finish


def _check_positions(named: Named, texts: Texts) -> None:
    config = named.architecture.config
    positions = getattr(config, "max_position_embeddings", None)  # T5's are relative, and end nowhere
    needs = max(texts.source, texts.target) if config.is_encoder_decoder else texts.source + texts.target
    if positions and needs > positions:
        raise BenchError(f"{named.title} has {positions} positions, and {needs} tokens are asked for")


def _students(architecture: Architecture) -> list[tuple[Architecture, str, Kept]]:
    """Of the whole encoder and a part of the decoder, by the published tables."""
    encoder, decoder = layer_counts(architecture.config)
    found = []
    for count in dict.fromkeys(decoder // part for part in PARTS_OF_A_DECODER if decoder // part):
        compact = Compact(decoder_layers=count)
        student = Architecture(shrunk_config(architecture.config, compact), architecture.tied)
        found.append((student, f"{encoder}-{count}" if encoder else str(count), kept_layers(architecture.config, compact)[1]))
    return found


def refuse_what_never_fits(answer: Answer, table: tuple[Card, ...]) -> None:
    """Raises BenchError where no setting has room for the batch on the card, nor what was asked for a part of it: with the least that it
    takes, and where that fits."""
    asked, room = answer.asked, answer.asked.room
    least = answer.least()
    takes = least.peak.total(asked.batch)
    if room is None or asked.card is None or takes <= room or answer.divided.largest_batch(room):
        return
    card = next((card for card in table if any(answer.fits(row, card) for row in answer.rows)), None)
    has_room = f"the smallest card that has room is {card.title}" if card else "no card of the table has room"
    most = max(row.peak.largest_batch(room) for row in answer.rows)
    smaller = [f"a batch of {most} fits" if most else "not even a batch of 1 fits"]
    smaller += [f"the {one.layers} student fits" for one in answer.students[:1] if one.peak.largest_batch(room) >= asked.batch]
    raise BenchError(
        f"{answer.named.title} with a batch of {asked.batch} does not fit {asked.card.name}: the least of the settings looked at takes "
        f"{answer.total(least.peak, asked.batch) / GIB:.1f} GiB ({least.setting}); {has_room}; here, {', '.join(smaller)}"
    )
