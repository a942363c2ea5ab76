"""Finds the largest batches that fit, changes that make a batch fit, and students that fit instead."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bench.contracts import Compact, Decoding, Progress
from bench.errors import BenchError
from bench.forecast.fit import options
from bench.forecast.fit.options import Setting
from bench.forecast.gpus import CONTEXT_BYTES, GIB, KEPT_FREE, Card, room_bytes
from bench.forecast.memory import Architecture, Generation, NamedModel, Peak, SequenceLengths, Taught, TrainingStep, parameters, peaks
from bench.training.positions import needed, positions
from bench.training.shrinking import Kept, kept_layers, layer_counts, shrunk_config

PARTS_OF_A_DECODER = (2, 4)
"""Students keep a half or a quarter of the decoder: 8 and 4 of 16 layers, 6 and 3 of 12 (Shleifer and Rush 2020)."""


@dataclass(frozen=True, kw_only=True)
class FitQuery:
    """What the user asks about a model."""

    lengths: SequenceLengths
    setting: Setting = field(default_factory=Setting)
    taught: Taught | None = None
    """What training learns beside labels. None: nothing."""
    batch: int = 1
    """Fewest examples that have to fit."""
    beams: int = 1
    card: Card | None = None
    context_bytes: float = CONTEXT_BYTES
    """Bytes of the GPU's memory that torch cannot give to tensors."""
    kept_free: float = KEPT_FREE
    """Fraction of the rest that is lost to fragmentation."""
    table: tuple[Card, ...] = ()
    """GPUs to choose a larger one from, in order of memory."""

    def step(self, setting: Setting, architecture: Architecture) -> TrainingStep:
        """Return the training step of a model on a GPU, as a workload of the memory simulation."""
        tuning, precision = setting.tuning, setting.precision
        return TrainingStep(architecture=architecture, settings=tuning, precision=precision, lengths=self.lengths, taught=self.taught)

    @property
    def room(self) -> float | None:
        """Bytes that tensors can take on the GPU."""
        return self.room_on(self.card) if self.card else None

    def room_on(self, card: Card) -> float:
        """Return the bytes that tensors can take on a GPU."""
        return room_bytes(card.memory_bytes, self.context_bytes, self.kept_free)


@dataclass(frozen=True)
class Row:
    """A setting, the peak memory of its training step, and its FLOPs."""

    setting: Setting
    peak: Peak
    flops: float
    """FLOPs for one example, including those that checkpointing computes twice."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """A model with some of the decoder layers, trained in the setting of the query."""

    layers: str
    """Layers of encoder and decoder, such as '16-4'."""
    kept: Kept
    """Decoder layers of the large model that it keeps."""
    parameters: int
    peak: Peak


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to a query."""

    model: NamedModel
    query: FitQuery
    parameters: int
    rows: tuple[Row, ...]
    """Settings that were compared, including that of the query."""
    micro_batches: Peak
    """Peak of the setting of the query with its batch divided into micro-batches, by the examples of one micro-batch."""
    generation: Peak
    students: tuple[Student, ...]

    @property
    def row(self) -> Row:
        """Row of the setting of the query."""
        return next(row for row in self.rows if row.setting == self.query.setting)

    def total(self, peak: Peak, batch: int) -> float:
        """Return the bytes on a GPU, including the CUDA context."""
        return peak.total(batch) + self.query.context_bytes

    def fits(self, row: Row, card: Card) -> bool:
        """Return whether the query's batch fits a GPU that can compute in the precision of the row."""
        possible = card.computes_bf16 or row.setting.precision == "fp32"
        return possible and row.peak.total(self.query.batch) <= self.query.room_on(card)

    def smallest_gpu(self, *rows: Row) -> Card | None:
        """Return the smallest GPU of the table on which the query's batch fits in one of these rows."""
        return next((card for card in self.query.table if any(self.fits(row, card) for row in rows)), None)

    def largest_part(self, card: Card) -> int:
        """Return the largest micro-batch that fits a GPU in the setting of the query; 0 where not even one example does."""
        return self.micro_batches.largest_batch(self.query.room_on(card))

    def nearest_that_fit(self, card: Card) -> tuple[Row, ...]:
        """Return the settings that fit with the fewest changes to the query, the cheapest first."""
        fitting = [row for row in self.rows if self.fits(row, card)]
        fewest = min((len(row.setting.changes(self.query.setting)) for row in fitting), default=0)
        return tuple(sorted((row for row in fitting if len(row.setting.changes(self.query.setting)) == fewest), key=lambda row: row.flops))


def what_fits(model: NamedModel, query: FitQuery, progress: Progress, workers: int | None = None) -> Answer:
    """Simulate the settings worth comparing, and the students, in parallel processes. Raises BenchError where the model has fewer positions
    than the sequences have tokens, or where the setting is impossible."""
    architecture, setting, lengths = model.architecture, query.setting, query.lengths
    config = architecture.config
    options.check(setting, query.card)
    limit, needs = positions(config), needed(config, lengths.source, lengths.target)
    if limit and needs > limit:
        raise BenchError(f"{model.title} has {limit} positions, but the query needs {needs} tokens")
    count = parameters(architecture)  # imports the code of the model before processes are forked
    settings = options.candidate_settings(setting, architecture, query.card is None or query.card.computes_bf16)
    steps = {one: query.step(one, architecture) for one in settings}
    encoder, decoder = layer_counts(config)
    compacts = [Compact(decoder_layers=layers) for layers in dict.fromkeys(decoder // part for part in PARTS_OF_A_DECODER) if layers]
    smaller = [Architecture(shrunk_config(config, compact), architecture.tied) for compact in compacts]
    student_steps = [query.step(setting, student) for student in smaller]
    in_parts = replace(setting, tuning=setting.tuning.model_copy(update={"micro_batch_size": 1}))
    micro_batches = query.step(in_parts, architecture)
    generation = Generation(architecture=architecture, decoding=Decoding(beams=query.beams), precision=setting.precision, lengths=lengths)
    found = peaks([*steps.values(), *student_steps, micro_batches, generation], progress, workers)
    return Answer(
        model=model,
        query=query,
        parameters=count,
        rows=tuple(Row(one, found[step], one.flops(architecture, lengths)) for one, step in steps.items()),
        micro_batches=found[micro_batches],
        generation=found[generation],
        students=tuple(
            Student(
                layers=f"{encoder}-{compact.decoder_layers}" if encoder else str(compact.decoder_layers),
                kept=kept_layers(config, compact)[1],
                parameters=parameters(student),
                peak=found[step],
            )
            for compact, student, step in zip(compacts, smaller, student_steps, strict=True)
        ),
    )


def refuse_what_never_fits(answer: Answer) -> None:
    """Raise BenchError where the batch fits in no setting, and no micro-batch fits in the query's setting. The error names the least memory
    that the batch takes, and the smallest GPU of the table that has room for it."""
    query, room = answer.query, answer.query.room
    least = min(answer.rows, key=lambda row: (row.peak.total(query.batch), row.flops))  # takes the least memory
    takes = least.peak.total(query.batch)
    if room is None or query.card is None or takes <= room or answer.largest_part(query.card):
        return
    card = answer.smallest_gpu(*answer.rows)
    has_room = f"the smallest GPU with enough memory is {card.title}" if card else "no GPU of the table has enough memory"
    most = max(row.peak.largest_batch(room) for row in answer.rows)
    smaller = [f"a batch of {most} fits" if most else "not even a batch of 1 fits"]
    smaller += [f"the {one.layers} student fits" for one in answer.students[:1] if one.peak.largest_batch(room) >= query.batch]
    raise BenchError(
        f"{answer.model.title} with a batch of {query.batch} does not fit {query.card.name}: the most economical of the settings needs "
        f"{answer.total(least.peak, query.batch) / GIB:.1f} GiB ({least.setting}); {has_room}; on {query.card.name}, {', '.join(smaller)}"
    )
