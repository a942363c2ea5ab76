"""Forecasts the peak memory of a workload, of many in parallel processes, or of the batches that a recipe describes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.contracts import Batch, Decoding, Network, Progress
from bench.forecast.memory.architectures import of_folder
from bench.forecast.memory.generation import loaded_bytes, simulate_generation
from bench.forecast.memory.model import parameter_shapes, parameters
from bench.forecast.memory.optimizer_state import optimizer_memory
from bench.forecast.memory.snapshots import Category, Peak
from bench.forecast.memory.training_step import StepMemory, simulate_step
from bench.forecast.memory.workload import Architecture, Generation, Kernels, SequenceLengths, Taught, TrainingStep, Workload
from bench.system import processes
from bench.training.settings import Distillation, Tuning

BYTES_A_PARAMETER = 4
"""Weights are kept in fp32, whatever the precision of the computation."""


def peak(workload: Workload) -> Peak:
    """Return the peak memory of a workload, by running it without numbers. Raises CheckpointError where `freeze` does not suit the model,
    and BenchError where the optimizer is not installed."""
    return _finished(workload, _simulated(workload))


def peaks(workloads: Iterable[Workload], progress: Progress, workers: int | None = None) -> dict[Workload, Peak]:
    """Return the peak memory of each workload once, in their order. Raises as `peak`.

    Training steps that differ only in their optimizer share one simulation. Simulations run in parallel processes, which are forked before
    `progress` is called for the first time. `workers` is the number of processes at a time; None chooses what suits this machine, and 1
    runs everything in this process.
    """
    asked = dict.fromkeys(workloads)
    sharing: dict[Workload, list[Workload]] = {}  # by the workload that is the same for every optimizer
    for workload in asked:
        any_optimizer = workload
        if isinstance(workload, TrainingStep):
            any_optimizer = replace(workload, settings=workload.settings.model_copy(update={"optimizer": "adamw"}))
        sharing.setdefault(any_optimizer, []).append(workload)
    groups, found, done = _groups(sharing), dict[Workload, Peak](), 0
    with processes.parallel_map([partial(_simulated_group, group) for group in groups], workers) as results:
        # While other processes simulate the steps, the optimizers are simulated for the shapes of the first model. The results are
        # cached, and smaller students of the model have the same shapes.
        steps = [one for one in asked if isinstance(one, TrainingStep)]
        shapes = parameter_shapes(steps[0].architecture) if steps else ()
        for optimizer in dict.fromkeys(step.settings.optimizer for step in steps):
            optimizer_memory(shapes, optimizer)
        for group, simulated in zip(groups, results, strict=True):
            for one, memory in zip(group, simulated, strict=True):
                found |= {workload: _finished(workload, memory) for workload in sharing[one]}
            done += len(group)
            progress("simulating memory", done, len(sharing))
    return {workload: found[workload] for workload in asked}


def _groups(workloads: Iterable[Workload]) -> list[list[Workload]]:
    """Divide workloads into groups, one for each process at a time, the longest first. LoRA steps of one architecture form a group, since
    the import of peft takes as long as a step."""
    with_lora: dict[Architecture, list[Workload]] = {}
    alone: list[list[Workload]] = []
    for one in workloads:
        if isinstance(one, TrainingStep) and one.settings.lora:
            with_lora.setdefault(one.architecture, []).append(one)
        else:
            alone.append([one])
    alone.sort(key=lambda group: not (isinstance(group[0], TrainingStep) and group[0].settings.checkpointing))
    return [*with_lora.values(), *alone]


def _simulated_group(group: Sequence[Workload]) -> list[StepMemory | Peak]:
    return [_simulated(workload) for workload in group]


def _simulated(workload: Workload) -> StepMemory | Peak:
    return simulate_generation(workload) if isinstance(workload, Generation) else simulate_step(workload)


def _finished(workload: Workload, simulated: StepMemory | Peak) -> Peak:
    """Return the peak, with the memory of the optimizer where the workload has one."""
    if isinstance(simulated, Peak):
        return simulated
    assert isinstance(workload, TrainingStep)
    optimizer = optimizer_memory(simulated.trained, workload.settings.optimizer)
    states: dict[Category, int] = {"optimiser states": optimizer.states}
    stepping = simulated.end.plus(states | {"activations": optimizer.working})
    return Peak((*(snapshot.plus(states) for snapshot in simulated.snapshots), stepping))


def batches_peak_bytes(batches: Sequence[Batch], cache: Path, kernels: Kernels) -> int:
    """Return the peak memory of tensors in bytes: the largest of the batches. `cache` is the folder of the cache, which holds the
    checkpoints. Raises BenchError where the family of a model is not known."""
    found = [(batch.examples, *workload_of(batch, cache, kernels)) for batch in batches]
    return max(peak(workload).total(examples) + held for examples, workload, held in found)


def workload_of(batch: Batch, cache: Path, kernels: Kernels) -> tuple[Workload, int]:
    """Return the work of a batch, and the bytes of models that are loaded beside it and are no part of that work. `cache` is the folder of
    the cache, which holds the checkpoints. Raises BenchError where the family of a model is not known."""
    architecture, lengths = _architecture(batch.network, cache), SequenceLengths(batch.source_tokens, batch.target_tokens)
    precision, settings = batch.precision, batch.settings
    beside = [_architecture(network, cache) for network in batch.beside]
    if isinstance(settings, Tuning):
        step = TrainingStep(architecture=architecture, settings=settings, precision=precision, lengths=lengths, kernels=kernels)
        if batch.distillation is None:
            return step, sum(BYTES_A_PARAMETER * parameters(one) for one in beside)
        assert isinstance(batch.distillation, Distillation)
        (teacher,) = beside or (None,)
        return replace(step, taught=Taught(distillation=batch.distillation, teacher=teacher)), 0
    assert isinstance(settings, Decoding)
    generation = Generation(architecture=architecture, decoding=settings, precision=precision, lengths=lengths, kernels=kernels)
    return generation, sum(loaded_bytes(one, precision) for one in beside)


def _architecture(network: Network, cache: Path) -> Architecture:
    return Architecture(network.config(cache), of_folder(network.checkpoint_folder(cache)).tied)
