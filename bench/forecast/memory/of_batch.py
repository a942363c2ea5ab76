"""Forecasts the peak memory of a recipe from the batches that it describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.contracts import Batch, Decoding, Network
from bench.forecast.memory.architectures import of_folder
from bench.forecast.memory.model import parameters
from bench.forecast.memory.predict import peak
from bench.forecast.memory.workload import Architecture, Generation, Kernels, SequenceLengths, TrainingStep
from bench.training.settings import Tuning

BYTES_A_PARAMETER = 4
"""Weights are kept in fp32, whatever the precision of the computation."""


def batches_peak_bytes(batches: Sequence[Batch], cache: Path, kernels: Kernels) -> int:
    """Return the peak memory of tensors in bytes: the largest of the batches.

    `cache` is the folder of the cache, which holds the checkpoints. Raises BenchError where the family of a
    model is not known.
    """
    return max(_peak_bytes(batch, cache, kernels) for batch in batches)


def _peak_bytes(batch: Batch, cache: Path, kernels: Kernels) -> int:
    architecture = _architecture(batch.network, cache)
    lengths = SequenceLengths(batch.source_tokens, batch.target_tokens)
    if isinstance(batch.settings, Tuning):
        found = peak(
            TrainingStep(architecture=architecture, settings=batch.settings, precision=batch.precision, lengths=lengths, kernels=kernels)
        )
    else:
        assert isinstance(batch.settings, Decoding)
        found = peak(
            Generation(architecture=architecture, decoding=batch.settings, precision=batch.precision, lengths=lengths, kernels=kernels)
        )
    weights_beside = sum(BYTES_A_PARAMETER * parameters(_architecture(network, cache)) for network in batch.beside)
    return found.total(batch.examples) + weights_beside


def _architecture(network: Network, cache: Path) -> Architecture:
    return Architecture(network.config(cache), of_folder(network.checkpoint_folder(cache)).tied)
