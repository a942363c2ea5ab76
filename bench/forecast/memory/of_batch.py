"""Forecasts the peak memory of a recipe from the batches that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.contracts import Batch, Decoding, Network
from bench.forecast.memory.architectures import of_folder
from bench.forecast.memory.model import parameters
from bench.forecast.memory.predict import peak
from bench.forecast.memory.workload import Architecture, Generation, Kernels, SequenceLengths, TrainingStep, Workload
from bench.training.settings import Tuning

BYTES_A_PARAMETER = 4
"""Weights are kept in fp32, whatever the precision of the computation."""


def batches_peak_bytes(batches: Sequence[Batch], cache: Path, kernels: Kernels) -> int:
    """Return the peak memory of tensors in bytes: the largest of the batches.

    `cache` is the folder of the cache, which holds the checkpoints. Raises BenchError where the family of a model is not known.
    """
    most = []
    for batch in batches:
        architecture, lengths = _architecture(batch.network, cache), SequenceLengths(batch.source_tokens, batch.target_tokens)
        precision, settings = batch.precision, batch.settings
        workload: Workload
        if isinstance(settings, Tuning):
            workload = TrainingStep(architecture=architecture, settings=settings, precision=precision, lengths=lengths, kernels=kernels)
        else:
            assert isinstance(settings, Decoding)
            workload = Generation(architecture=architecture, decoding=settings, precision=precision, lengths=lengths, kernels=kernels)
        weights_beside = sum(BYTES_A_PARAMETER * parameters(_architecture(network, cache)) for network in batch.beside)
        most.append(peak(workload).total(batch.examples) + weights_beside)
    return max(most)


def _architecture(network: Network, cache: Path) -> Architecture:
    return Architecture(network.config(cache), of_folder(network.checkpoint_folder(cache)).tied)
