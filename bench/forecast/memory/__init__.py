"""Forecasts the peak GPU memory of training and generation, before any weight is loaded.

    peak(workload)                    -> Peak, by running the real step without numbers
    peaks(workloads, progress)        -> the same for many, in parallel processes
    parameters(architecture)          -> their number
    find(model)                       a hub id, folder or shape -> NamedModel with its Architecture
    batches_peak_bytes(batches, ...)  -> the peak of a recipe of a suite
    workload_of(batch, ...)           -> the workload of one of its batches

A workload is a `TrainingStep` or a `Generation`. Other packages import names from here and nothing from the modules within:

    workload, snapshots       input and output
    predict                   divides the work, and adds up step and optimizer; takes the batches of recipes
    training_step, generation, optimizer_state, model      what is simulated
    simulate, fake_ops, tracker                            how it is simulated: tensors without numbers
    architectures                                          where models come from
"""

from bench.forecast.memory.architectures import NamedModel, find
from bench.forecast.memory.model import parameters
from bench.forecast.memory.predict import batches_peak_bytes, peak, peaks, workload_of
from bench.forecast.memory.snapshots import CATEGORIES, Category, Peak
from bench.forecast.memory.workload import Architecture, Generation, Kernels, SequenceLengths, Taught, TrainingStep, Workload

__all__ = ["CATEGORIES", "Architecture", "Category", "Generation", "Kernels", "NamedModel", "Peak", "SequenceLengths", "Taught"]
__all__ += ["TrainingStep", "Workload", "batches_peak_bytes", "find", "parameters", "peak", "peaks", "workload_of"]
