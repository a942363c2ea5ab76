"""Measures how cost grows with examples, length, model size and arms, and how far it is from what the machine could do. Prints JSON.

    python -m benchmarks.growth           three sizes along each axis, one thread; two minutes
    python -m benchmarks.growth --tiny    small models and short texts, for the tests

Models are T5-shaped and have random weights. The limits are measured first: the FLOP/s of a matrix product, the speed at which
memory is read, the tokenizer by itself, and reading files.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench.contracts import Decoding, Example
from bench.engines.torch import TorchModel
from bench.forecast.memory import find
from bench.models import _tokenizers
from bench.training.batches import Encoded, encode_sources
from bench.training.checkpoints import load_tokenizer, save
from bench.training.flops import FlopModel, flop_model
from bench.training.lean_operators import with_lean_operators
from bench.training.loop import step_flops
from bench.training.objectives import LabelObjective
from bench.training.settings import Tuning
from benchmarks import report
from benchmarks.curves import Growth
from benchmarks.memory import NoTokenizer, real_model
from benchmarks.pairs import write
from benchmarks.training import examples, ours

ROUNDS = 3
"""Measurements of each size. The median counts."""

BYTES = 4
"""Size of a weight in fp32."""

LONGEST = 512
"""Tokens at which a document is cut."""

EXAMPLES, LENGTH, SIZE, ARMS = "examples", "length", "size", "arms"
"""The axes."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes that are measured."""

    shapes: tuple[str, ...]
    """Models by size. The first one is trained along the other axes."""
    source: int
    """Tokens of a source where another axis grows."""
    target: int
    """Tokens of a target, and of a generated text."""
    batch: int
    examples: tuple[int, ...]
    documents: tuple[int, ...]
    lengths: tuple[int, ...]
    arms: tuple[int, ...]
    matrix: int
    """Rows and columns of the matrices that are multiplied."""
    memory: int
    """Numbers that are read from memory."""


FULL = Scale(
    shapes=(
        "t5_v1_1:small-el4-dl4-dm128-ff512-nh2",
        "t5_v1_1:small-el4-dl4-dm256-ff1024-nh4",
        "t5_v1_1:small-el4-dl4-dm512-ff2048-nh8",
    ),
    source=64,
    target=16,
    batch=8,
    examples=(32, 64, 128),
    documents=(500, 2000, 8000),
    lengths=(64, 128, 256),
    arms=(100, 400, 1600),
    matrix=2048,
    memory=2**26,
)
TINY = Scale(
    shapes=("t5_v1_1:small-el1-dl1-dm16-ff16-nh1", "t5_v1_1:small-el1-dl1-dm32-ff32-nh1"),
    source=8,
    target=4,
    batch=2,
    examples=(2, 4),
    documents=(10, 20),
    lengths=(8, 16),
    arms=(5, 10),
    matrix=64,
    memory=2**16,
)


def seconds(work: Callable[[], Any]) -> float:
    """Return the median seconds of a piece of work, after one time that is not counted."""
    found = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return statistics.median(found[1:])


def flops_per_second(rows: int) -> float:
    """Return the speed of a product of two square matrices in fp32."""
    one, other = torch.rand(rows, rows), torch.rand(rows, rows)
    return 2 * rows**3 / seconds(lambda: one @ other)


def bytes_per_second(numbers: int) -> float:
    """Return the speed at which numbers in fp32 are read from memory and added up."""
    ones = torch.ones(numbers)
    return BYTES * numbers / seconds(ones.sum)


def model_of(shape: str) -> Any:
    """Return a model with random weights."""
    torch.manual_seed(0)
    return with_lean_operators(real_model(find(shape).architecture, 0.0))


def weights(flops: FlopModel) -> float:
    """Return the number of weights that are multiplied: all but the input embeddings."""
    return (flops.encoder + flops.cross + flops.decoder + flops.head) / 2


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Measures trainings, and what they would take at the speed of matrix products."""

    speed: float
    """FLOP/s of a matrix product."""
    batch: int

    @property
    def limit(self) -> str:
        return f"matrix products, {self.speed / 1e9:,.0f} GFLOP/s"

    def once(self, model: Any, data: Sequence[Encoded]) -> tuple[float, float]:
        """Train once over the data. Return its seconds, and the least seconds."""
        tuning = Tuning(epochs=1, batch_size=self.batch)
        least = step_flops(data, flop_model(model.config), tuning, LabelObjective()) / self.speed
        return seconds(lambda: ours(model, data, tuning, keep=False)), least


def along(axis: str, unit: str, work: str, limit: str, points: Sequence[tuple[float, tuple[float, float]]]) -> Growth:
    """Return the growth through (size, (seconds, least seconds))."""
    sizes, found = zip(*points, strict=True)
    taken, least = zip(*found, strict=True)
    return Growth(axis=axis, unit=unit, work=work, sizes=sizes, seconds=taken, limit=limit, least=least)


def of_training(scale: Scale, trainings: Trainings) -> Iterator[Growth]:
    """Yield the growth of training with the number of examples, their length, and the size of the model."""
    models = {shape: model_of(shape) for shape in scale.shapes}
    model, *_ = models.values()

    def data(count: int, source: int) -> list[Encoded]:
        return examples(count, source, scale.target, model.config.vocab_size)

    at = [(count, trainings.once(model, data(count, scale.source))) for count in scale.examples]
    yield along(EXAMPLES, "examples", "training, one epoch", trainings.limit, at)
    few = scale.batch * 2
    at = [(length, trainings.once(model, data(few, length))) for length in scale.lengths]
    yield along(LENGTH, "tokens of the longest source", f"training on {few} examples", trainings.limit, at)
    of_size = [(weights(flop_model(one.config)) / 1e6, trainings.once(one, data(few, scale.source))) for one in models.values()]
    yield along(SIZE, "million weights", f"training on {few} examples", trainings.limit, of_size)


def of_generation(scale: Scale, speed: float) -> Growth:
    """Return the growth of generation with the size of the model. Each token of a single text reads all weights of the decoder."""
    points = []
    for model in map(model_of, scale.shapes):
        model.generation_config.eos_token_id = [model.config.eos_token_id]  # as `load` leaves it
        engine = TorchModel(model.eval(), NoTokenizer(), decoding=Decoding(batch_size=1), precision="fp32", device="cpu")
        (one,) = examples(1, scale.source, 2, model.config.vocab_size)
        taken = seconds(partial(engine.generate, [one.source], scale.target, scale.target))
        flops = flop_model(model.config)
        read = BYTES / 2 * (flops.encoder + flops.cross + scale.target * (flops.decoder + flops.head))
        points.append((weights(flops) / 1e6, (taken, read / speed)))
    work = f"generation of one text of {scale.target} tokens"
    return along(SIZE, "million weights", work, f"reading memory, {speed / 1e9:,.0f} GB/s", points)


def of_tokenizer(scale: Scale, folder: Path) -> Growth:
    """Return the growth of encoding with the number of documents. They are pieces of this project's pages."""
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parents[1] / "docs").glob("*.md")))
    words = text.split()
    save(model_of(TINY.shapes[0]), _tokenizers.learnt("t5_v1_1", 8000, [text]), folder)
    starts = itertools.islice(itertools.cycle(range(0, len(words) - 60, 7)), scale.documents[-1])
    documents = tuple(Example(f"d{i}", " ".join(words[start : start + 60])) for i, start in enumerate(starts))
    bare, points = load_tokenizer(folder).backend_tokenizer, []
    for count in scale.documents:
        some = documents[:count]
        texts = [document.source for document in some]
        taken = seconds(partial(encode_sources.__wrapped__, folder, some, "", LONGEST))  # without its cache
        points.append((count, (taken, seconds(partial(bare.encode_batch_fast, texts)))))
    speed = sum(len(text) for text in texts) / points[-1][1][1]
    return along(EXAMPLES, "examples", "documents encoded", f"the tokenizer alone, {speed / 1e6:.1f} million characters/s", points)


def read_files(files: Sequence[Path]) -> None:
    """Read all bytes of the files."""
    for path in files:
        path.read_bytes()


def of_arms(scale: Scale) -> Iterator[Growth]:
    """Yield the growth of a report with the number of arms."""
    reading, reporting, size = [], [], 0
    for arms in scale.arms:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "many"
            report.make(folder, arms)
            files = [path for path in folder.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
            least = seconds(partial(read_files, files))
            read, reported, _ = map(statistics.median, zip(*[report.measured(folder) for _ in range(ROUNDS)], strict=True))
            reading.append((arms, (read, least)))
            reporting.append((arms, (read + reported, least)))
    limit = f"reading files, {size / reading[-1][1][1] / 1e6:,.0f} MB/s"
    yield along(ARMS, "arms", "results read", limit, reading)
    yield along(ARMS, "arms", "results read and reported", limit, reporting)


def measure(scale: Scale) -> list[Growth]:
    """Measure the limits, and the growth along all axes."""
    trainings = Trainings(speed=flops_per_second(scale.matrix), batch=scale.batch)
    with tempfile.TemporaryDirectory() as folder:
        return [
            *of_training(scale, trainings),
            of_generation(scale, bytes_per_second(scale.memory)),
            of_tokenizer(scale, Path(folder)),
            *of_arms(scale),
        ]


def main() -> None:
    """Print the growth along all axes as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    write(measure(TINY if asked.tiny else FULL), asked.out)


if __name__ == "__main__":
    main()
