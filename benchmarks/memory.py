"""Compares predicted with measured peak memory, and prints the tables of docs/memory.md.

    python -m benchmarks.memory            on the CPU: flan-t5-small and a Pegasus of 100 M parameters; 15 minutes
    python -m benchmarks.memory --gpu      on a GPU: pegasus-large, 96 trainings; not yet run
    python -m benchmarks.memory --eager    predicts pegasus-large with the attention of transformers in 2020

The measurement is independent of the forecast. On a CPU, torch's profiler records every block that the
allocator hands out and takes back, also inside kernels. On a GPU there are three figures: the peak of
the CUDA allocator (`max_memory_allocated`), the memory that it has reserved, and the driver's figure for the
process (NVML).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from bench.contracts import Decoding, Precision, Unmetered
from bench.engines.torch import TorchModel
from bench.errors import MeasureError
from bench.forecast.memory import Architecture, Generation, Kernels, SequenceLengths, TrainingStep, Workload, find, peak
from bench.forecast.memory.model import with_dropout
from bench.system import machine
from bench.system.gpu import Gpu
from bench.training.batches import Encoded
from bench.training.checkpoints import head_is_tied, model_class, untie
from bench.training.flops import flop_model
from bench.training.lean_operators import with_lean_operators
from bench.training.loop import Planned, train
from bench.training.objectives import LabelObjective, Objective
from bench.training.settings import Lora, Optimizer, Tuning

MIB = 2**20

MARK = "what comes before does not count"


@dataclass(frozen=True)
class Case:
    """A training, or a generation if `beams` is set."""

    model: str
    lengths: SequenceLengths
    batch: int
    precision: Precision
    tuning: Tuning = field(default_factory=Tuning)
    beams: int = 0

    @property
    def at_once(self) -> int:
        """Examples in memory at a time."""
        return self.tuning.micro_batch_size or self.batch

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the first cells of its line in the table."""
        texts = f"{self.lengths.source}/{self.lengths.target}"
        if self.beams:
            return (self.model, f"generation, {self.beams} beams", str(self.batch), texts, self.precision)
        way = f"{self.tuning.optimizer}, {self.tuning.freeze} frozen" + (", checkpointing" if self.tuning.checkpointing else "")
        way += f", LoRA of rank {self.tuning.rank}" if self.tuning.lora else ""
        way += f", {self.tuning.micro_batch_size} at a time" if self.tuning.micro_batch_size else ""
        way += f", dropout {self.tuning.dropout}" if self.tuning.dropout else ""
        return (self.model, way, str(self.batch), texts, self.precision)

    def predicted(self, kernels: Kernels) -> int:
        """Return the forecast peak in bytes."""
        asked: Any = {
            "architecture": find(self.model).architecture,
            "precision": self.precision,
            "lengths": self.lengths,
            "kernels": kernels,
        }
        workload: Workload
        if self.beams:
            workload = Generation(decoding=Decoding(beams=self.beams), **asked)
        else:
            workload = TrainingStep(settings=self.tuning.model_copy(update={"batch_size": self.batch}), **asked)
        return peak(workload).total(self.at_once)

    def run(self, device: str, mark: Callable[[], None]) -> None:
        """Run it with random weights. `mark` is called once the model and the optimiser's states exist."""
        architecture = find(self.model).architecture
        if self.beams:
            generate(architecture, self, device, mark)
        else:
            train_two_steps(architecture, self, device, mark)


def real_model(architecture: Architecture, dropout: float | None) -> Any:
    """Return a model with random weights. `dropout` None keeps the config's own rate."""
    model = model_class(architecture.config).from_config(with_dropout(architecture.config, dropout))
    if head_is_tied(model) and not architecture.tied:
        untie(model)
    return model


def train_two_steps(
    architecture: Architecture, case: Case, device: str, mark: Callable[[], None], objective: Objective | None = None
) -> None:
    """Run two steps of training, without an `objective` on labels. In each micro-batch one document has the maximum length, and the others
    are one token shorter."""
    model = with_lean_operators(real_model(architecture, case.tuning.dropout))
    data = [Encoded((5,) * (case.lengths.source - (i % case.at_once > 0)), (5,) * case.lengths.target) for i in range(case.batch)]

    def progress(what: str, done: float, total: float) -> None:  # noqa: ARG001
        if done == 1:
            mark()

    train(
        model,
        data,
        Planned([range(case.batch)] * 2),
        case.tuning,
        flop_model(model.config),
        objective or LabelObjective(case.tuning.label_smoothing),
        precision=case.precision,
        device=device,
        seed=0,
        usage=Unmetered(),
        progress=progress,
        may_stop_early=False,
    )


def generate(architecture: Architecture, case: Case, device: str, mark: Callable[[], None]) -> None:
    """Generate as in a suite, until the maximum length."""
    model = with_lean_operators(real_model(architecture, 0.0)).to(device).eval()
    sources = [(5,) * (case.lengths.source - (i > 0)) for i in range(case.batch)]
    model.generation_config.eos_token_id = [model.config.eos_token_id]  # as `models.load` leaves it
    engine = TorchModel(model, NoTokenizer(), decoding=Decoding(beams=case.beams), precision=case.precision, device=device)
    mark()
    engine.generate(sources, case.lengths.target, case.lengths.target)


class NoTokenizer:
    """Decodes no text."""

    def batch_decode(self, rows: list[list[int]], skip_special_tokens: bool) -> list[str]:  # noqa: ARG002
        return [""] * len(rows)


def measured_on_cpu(work: Callable[[Callable[[], None]], None]) -> int:
    """Return the peak of torch's CPU allocator in bytes, from the mark to the end of the work."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work(_mark)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiled.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    start = next(event["ts"] for event in events if event.get("name") == MARK)
    changes = [event for event in events if event.get("name") == "[memory]" and event["args"]["Device Type"] == 0]
    return max(int(event["args"]["Total Allocated"]) for event in changes if event["ts"] >= start)


def _mark() -> None:
    with record_function(MARK):
        pass


@dataclass(frozen=True)
class OnGpu:
    """Peak memory in bytes. `driver` comes from NVML and includes CUDA's context, or is None."""

    allocated: int
    reserved: int
    driver: int | None


def measured_on_gpu(work: Callable[[Callable[[], None]], None]) -> OnGpu | None:
    """Return the peaks on the GPU; None if the work did not fit."""
    torch.cuda.empty_cache()
    try:
        work(torch.cuda.reset_peak_memory_stats)
        torch.cuda.synchronize()
        return OnGpu(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved(), _driver())
    except torch.OutOfMemoryError:
        return None


def _driver() -> int | None:
    try:
        gpu = Gpu()
        try:
            return gpu.bytes_by_process().get(os.getpid())
        finally:
            gpu.close()
    except MeasureError:
        return None


PEGASUS_100M = "pegasus:large-el6-dl6-dm512-ff2048-nh8"
"""Pegasus-large's vocabulary, a third of its layers, half of its width: 93 M parameters."""

OPTIMIZERS: tuple[Optimizer, ...] = ("adamw", "adafactor")
PRECISIONS: tuple[Precision, ...] = ("bf16", "fp32")

ON_CPU = (
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32"),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", Tuning(freeze="none", optimizer="adafactor")),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "bf16", Tuning(freeze="encoder")),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", Tuning(checkpointing=True)),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", Tuning(dropout=0.1)),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", Tuning(freeze="none", micro_batch_size=2)),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", Tuning(optimizer="adamw_8bit", freeze="none")),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", Tuning(lora=Lora())),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "bf16", Tuning(lora=Lora(), checkpointing=True)),
    Case("google/flan-t5-small", SequenceLengths(128, 32), 8, "fp32", beams=4),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 1, "fp32", Tuning(freeze="none")),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32"),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "bf16"),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(optimizer="adafactor")),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(checkpointing=True)),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(micro_batch_size=1)),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(optimizer="adamw_8bit")),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(lora=Lora())),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(lora=Lora(), checkpointing=True)),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 4, "fp32", Tuning(lora=Lora(rank=64), optimizer="adamw_8bit", freeze="encoder")),
    Case(PEGASUS_100M, SequenceLengths(256, 32), 2, "fp32", beams=8),
)


def on_gpu() -> Iterator[Case]:
    """Yield pegasus-large with all combinations of five settings, then its generation."""
    texts = (SequenceLengths(512, 64), SequenceLengths(1024, 128))
    tunings = [Tuning(optimizer=name, freeze="none", checkpointing=on) for name in OPTIMIZERS for on in (False, True)]
    for length, precision, tuning, batch in itertools.product(texts, PRECISIONS, tunings, (1, 2, 4, 8, 16, 32)):
        yield Case("google/pegasus-large", length, batch, precision, tuning)
    for beams in (1, 8):
        yield Case("google/pegasus-large", SequenceLengths(512, 64), 8, "bf16", beams=beams)


def main() -> None:
    """Print the table that the options ask for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--only", type=int, nargs="*", help="lines of the table, counted from 0")
    asked = parser.parse_args()
    if asked.eager:
        _print_eager()
        return
    cases = list(on_gpu() if asked.gpu else ON_CPU)
    chosen = [cases[i] for i in asked.only] if asked.only else cases
    facts = machine.facts()
    where = ", ".join(gpu["name"] for gpu in facts["gpus"]) if asked.gpu else facts["cpu"]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {where}, torch {torch.__version__}\n")
    _print_gpu(chosen) if asked.gpu else _print_cpu(chosen)


HEAD = ("model", "what", "batch", "tokens", "precision", "predicted MiB")


def _print_cpu(cases: list[Case]) -> None:
    _line(*HEAD, "measured MiB", "predicted / measured")
    _line(*["---"] * (len(HEAD) + 2))
    for case in cases:
        predicted = case.predicted("cpu")
        measured = measured_on_cpu(lambda mark, case=case: case.run("cpu", mark))  # type: ignore[misc]
        _line(*case.cells, f"{predicted / MIB:,.1f}", f"{measured / MIB:,.1f}", f"{predicted / measured - 1:+.1%}")


def _print_gpu(cases: list[Case]) -> None:
    _line(*HEAD, "allocated MiB", "reserved MiB", "driver MiB", "predicted / allocated")
    _line(*["---"] * (len(HEAD) + 4))
    for case in cases:
        predicted = case.predicted("cuda")
        found = measured_on_gpu(lambda mark, case=case: case.run("cuda", mark))  # type: ignore[misc]
        if found is None:
            _line(*case.cells, f"{predicted / MIB:,.1f}", "did not fit", "", "", "")
            continue
        driver = "" if found.driver is None else f"{found.driver / MIB:,.1f}"
        sizes = (f"{found.allocated / MIB:,.1f}", f"{found.reserved / MIB:,.1f}", driver)
        _line(*case.cells, f"{predicted / MIB:,.1f}", *sizes, f"{predicted / found.allocated - 1:+.1%}")


def _print_eager() -> None:
    """Print the case of the forum thread, as far as it is known: fp32, AdamW, nothing frozen, dropout 0.1."""
    architecture, batches = find("google/pegasus-large").architecture, (1, 2, 4)
    _line("attention", "tokens", *(f"GiB at {batch}" for batch in batches))
    _line(*["---"] * (2 + len(batches)))
    for attention, texts in itertools.product(("eager", "sdpa"), (SequenceLengths(512, 64), SequenceLengths(1024, 256))):
        architecture.config._attn_implementation = attention
        settings = Tuning(freeze="none", dropout=0.1)
        found = peak(TrainingStep(architecture=architecture, settings=settings, precision="fp32", lengths=texts))
        _line(attention, f"{texts.source}/{texts.target}", *(f"{found.total(batch) / 2**30:.1f}" for batch in batches))


def _line(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
