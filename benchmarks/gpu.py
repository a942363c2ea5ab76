"""Measures training and generation of large shapes on one GPU, with random weights and without a network.

    python -m benchmarks.gpu --predict predictions.json       without a GPU: batches, and the memory that they will take
    python -m benchmarks.gpu predictions.json --out gpu.json  on the GPU, at most 8 minutes
    python -m benchmarks.gpu --publish gpu.json               writes the tables of docs/performance.md and docs/memory.md

Training is compared with Seq2SeqTrainer and generation with `model.generate`, in bf16. The batch is the largest power of two,
at most 64, that the prediction fits into four fifths of the memory. The predictions are made first, so that a measurement
cannot lead them. MFU is the share of the GPU's peak FLOP/s that the model's own FLOPs take.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bench.contracts import Decoding
from bench.engines.torch import TorchModel
from bench.errors import BenchError
from bench.forecast import gpus
from bench.forecast.memory import Generation, SequenceLengths, TrainingStep, find, peak
from bench.profilers.energy import Energy
from bench.system import machine
from bench.training.flops import flop_model
from bench.training.lean_operators import with_lean_operators
from bench.training.loop import step_flops
from bench.training.objectives import LabelObjective
from bench.training.settings import Tuning
from benchmarks.memory import NoTokenizer, real_model
from benchmarks.pages import between, table
from benchmarks.training import examples, ours, theirs

SHAPES = ("google/pegasus-large", "google/flan-t5-large", "facebook/bart-large")
TINY = ("pegasus:large-el1-dl1-dm64-ff64-nh2", "t5_v1_1:small-el1-dl1-dm64-ff64-nh2", "bart:large-el1-dl1-dm64-ff64-nh2")
LENGTHS = SequenceLengths(512, 64)
MOST, ROOM, MEMORY_BYTES = 64, 0.8, 139 * 2**30
"""Largest batch, share of the memory that may be taken, and memory of an H200."""

WARM, STEPS = 3, 10
"""Steps that are not timed, and those that are."""

GENERATED = 64
"""Tokens of each output."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one piece of work is predicted to take."""

    shape: str
    work: str
    """'training' or 'generation'."""
    batch: int
    bytes: int
    """Peak of tensors."""


@dataclass(kw_only=True)
class StepClock:
    """Times the steps after the first WARM ones. It waits for the GPU only at both ends."""

    device: str
    done: int = 0
    times: list[float] = field(default_factory=list)

    def tick(self, *_: Any) -> None:
        """Note that a step has been made."""
        self.done += 1
        if self.done in (WARM, WARM + STEPS):
            wait(self.device)
            self.times.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """Seconds of a step."""
        return (self.times[1] - self.times[0]) / STEPS


def wait(device: str) -> None:
    """Wait until the GPU has done what was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def predict(shapes: tuple[str, ...], lengths: SequenceLengths, most: int) -> list[Prediction]:
    """Return the batches and their memory, for kernels of a GPU. No GPU is needed."""
    found = []
    for shape in shapes:
        architecture = find(shape).architecture
        asked: Any = {"architecture": architecture, "precision": "bf16", "lengths": lengths, "kernels": "cuda"}
        for work, workload in (
            ("training", TrainingStep(settings=Tuning(freeze="none"), **asked)),
            ("generation", Generation(decoding=Decoding(), **asked)),
        ):
            peaks = peak(workload)
            batch = 1 << min(most, max(1, peaks.largest_batch(ROOM * MEMORY_BYTES))).bit_length() - 1
            found.append(Prediction(shape=shape, work=work, batch=batch, bytes=peaks.total(batch)))
    return found


def peak_bytes(device: str, work: Callable[[], Any]) -> int | None:
    """Do the work. Return the peak of the CUDA allocator in bytes; None on a CPU."""
    if device != "cuda":
        work()
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    work()
    return torch.cuda.max_memory_allocated()


def training(prediction: Prediction, lengths: SequenceLengths, device: str) -> dict[str, Any]:
    """Train with the loop of bench and with Seq2SeqTrainer, and return what was measured."""
    model = real_model(find(prediction.shape).architecture, 0.0)
    tuning = Tuning(freeze="none", batch_size=prediction.batch, epochs=1, schedule="constant", warmup_share=0.0, learning_rate=1e-5)
    data = examples(prediction.batch * (WARM + STEPS), lengths.source, lengths.target, model.config.vocab_size)
    own, other, losses = StepClock(device=device), StepClock(device=device), dict[str, float]()
    energy = Energy()
    energy.prepare()
    instrument = energy.instrument()
    instrument.start()
    taken = peak_bytes(device, lambda: losses.update(bench=ours(model, data, tuning, False, "bf16", device, own.tick)))
    readings = instrument.stop()
    losses["Seq2SeqTrainer"] = theirs(model, data, tuning, "bf16", device, other.tick)
    flops = step_flops(data[: prediction.batch], flop_model(model.config), tuning, LabelObjective()) / own.seconds
    return {
        "side": "bench",
        "against": "Seq2SeqTrainer",
        "ratio": other.seconds / own.seconds,
        "seconds": own.seconds,
        "flops_per_second": flops,
        "same": "last losses " + " and ".join(f"{loss:.3f}" for loss in losses.values()),
        "bytes": taken,
        "kwh": {reading.quantity: reading.value for reading in readings},
    }


def generation(prediction: Prediction, lengths: SequenceLengths, device: str) -> dict[str, Any]:
    """Generate with the torch engine and with `model.generate`, and return what was measured."""
    plain = real_model(find(prediction.shape).architecture, 0.0).eval()
    plain.generation_config.eos_token_id = [plain.config.eos_token_id]  # as `load` leaves it
    sources = [one.source for one in examples(prediction.batch, lengths.source, 2, plain.config.vocab_size)]
    model = TorchModel(
        with_lean_operators(copy.deepcopy(plain)).to(device),
        NoTokenizer(),
        decoding=Decoding(batch_size=len(sources)),
        precision="bf16",
        device=device,
    )
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(s) for s in sources], batch_first=True, padding_value=plain.config.pad_token_id)
    ids, mask = ids.to(device), (ids != plain.config.pad_token_id).long().to(device)

    def by_transformers() -> Any:
        with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16):
            return plain.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=GENERATED, min_new_tokens=GENERATED, do_sample=False, num_beams=1
            )

    def timed(work: Callable[[], Any]) -> float:
        work()
        wait(device)
        begun = time.perf_counter()
        work()
        wait(device)
        return time.perf_counter() - begun

    taken = peak_bytes(device, lambda: model.generate(sources, GENERATED, GENERATED))
    own = timed(lambda: model.generate(sources, GENERATED, GENERATED))
    plain.to(device)  # not before: the memory that the engine takes is measured alone
    flops = sum(flop_model(plain.config).generation(len(source), GENERATED) for source in sources)
    return {
        "side": "torch engine",
        "against": "model.generate",
        "ratio": timed(by_transformers) / own,
        "seconds": own,
        "flops_per_second": flops / own,
        "same": f"both wrote {GENERATED} tokens for each document",
        "bytes": taken,
        "kwh": {},
    }


def measure(predictions: list[Prediction], lengths: SequenceLengths, device: str) -> dict[str, Any]:
    """Do all that was predicted. A piece of work that fails is kept with its reason."""
    rows = []
    for prediction in predictions:
        work = {"training": training, "generation": generation}[prediction.work]
        try:
            rows.append({**asdict(prediction), "measured": work(prediction, lengths, device)})
        except (RuntimeError, BenchError) as error:  # torch's out-of-memory errors are RuntimeErrors
            rows.append({**asdict(prediction), "reason": f"{type(error).__name__}: {error}"})
    facts = machine.facts()
    name = facts["gpus"][0]["name"] if facts["gpus"] else facts["cpu"]
    speed = None
    with suppress(BenchError):
        speed = gpus.find(name, gpus.cards()).bf16_flops_per_second
    packages = {package: facts["packages"][package] for package in ("torch", "transformers")}
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "device": name, "peak_flops_per_second": speed, **packages, "rows": rows}


def publish(found: dict[str, Any], performance: Path, memory: Path) -> None:
    """Write the tables of a measurement into both pages."""
    packages = f"torch {found['torch']}, transformers {found['transformers']}"
    head = f"`python -m benchmarks.gpu`, {found['date']}, {found['device']}, {packages}, bf16:"
    done = [row for row in found["rows"] if "measured" in row]
    speeds, sizes = [], []
    for row, one in ((row, row["measured"]) for row in done):
        name = f"{row['work']}, {row['shape']}, batch {row['batch']}"
        peak_speed = found["peak_flops_per_second"]
        mfu = f"{one['flops_per_second'] / peak_speed:.0%}" if peak_speed else ""
        kwh = ", ".join(f"{value:.5f} ({name})" for name, value in one["kwh"].items() if value is not None and "gpu" in name)
        speeds.append((name, one["side"], one["against"], f"{one['ratio']:.2f}", mfu, kwh, one["same"]))
        if one["bytes"] is not None:
            sizes.append((name, f"{row['bytes'] / 2**20:,.0f}", f"{one['bytes'] / 2**20:,.0f}", f"{row['bytes'] / one['bytes'] - 1:+.1%}"))
    failed = [f"- {row['work']}, {row['shape']}, batch {row['batch']}: {row['reason']}" for row in found["rows"] if "reason" in row]
    between(performance, "gpu", [head, "", *table(("work", "way", "against", "ratio", "MFU", "GPU kWh", "outputs"), speeds), "", *failed])
    between(memory, "gpu", [head, "", *table(("work", "predicted MiB", "allocated MiB", "predicted / allocated"), sizes)])


def main() -> None:
    """Predict, measure or publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", nargs="?", type=Path)
    parser.add_argument("--predict", type=Path)
    parser.add_argument("--publish", type=Path)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--tiny", action="store_true", help="small shapes on the CPU, for the tests")
    asked = parser.parse_args()
    docs = Path(__file__).parents[1] / "docs"
    if asked.publish:
        publish(json.loads(asked.publish.read_text(encoding="utf-8")), docs / "performance.md", docs / "memory.md")
    elif asked.predict:
        shapes, lengths, most = (TINY, SequenceLengths(16, 8), 2) if asked.tiny else (SHAPES, LENGTHS, MOST)
        predicted = [asdict(one) for one in predict(shapes, lengths, most)]
        asked.predict.write_text(json.dumps(predicted, indent=1) + "\n", encoding="utf-8")
    else:
        if not asked.predictions:
            parser.error("first make predictions with --predict FILE")
        predictions = [Prediction(**one) for one in json.loads(asked.predictions.read_text(encoding="utf-8"))]
        found = measure(predictions, SequenceLengths(16, 8) if asked.tiny else LENGTHS, "cpu" if asked.tiny else "cuda")
        asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
