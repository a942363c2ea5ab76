"""Forecasts the GPU memory of each arm's process, so that several arms may share a GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bench.contracts import Progress
from bench.execution.job import Work
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.store import DryStore
from bench.forecast.arm import Forecast
from bench.forecast.calibration_cache import CalibrationCache, takes_time
from bench.forecast.gpus import CONTEXT_BYTES, KEPT_FREE
from bench.suite.arms import Arm, Key
from bench.suite.suite_file import Suite


def obstacle(suite: Suite) -> str:
    """Return why arms of a suite may not share a GPU; '' where they may."""
    meter = suite.spec.prices.paying
    if not meter.known_in_advance:
        return f"`meter: {meter.name}` would charge an arm for the work of others"
    unknown = [label for label, metric in suite.metrics.items() if metric.uses_gpu]
    return f"the memory of metric '{unknown[0]}' is not forecast" if unknown else ""


def gpu_bytes(
    prepared: PreparedSuite, planned: Mapping[Arm, Forecast], store: DryStore, progress: Progress, workers: int
) -> dict[Key, float]:
    """Return the GPU memory in bytes that the process of an arm takes at its peak, with its CUDA context: the most of all seeds.

    Work that is already made does not count. An arm is missing where the memory of some of its work is not forecast. workers: processes
    that simulate at a time; 0 means in this process.
    """
    finder = CalibrationCache(
        cache=prepared.cache, device="cuda", workers=workers, profilers=prepared.suite.profilers, data=prepared.data_fingerprint
    )
    recipes = {arm: [work.recipe for work in plan.works if _uses_gpu(work)] for arm, plan in planned.items()}
    once = {recipe.key: recipe for found in recipes.values() for recipe in found}
    peaks = finder.peaks([*once.values()], "cuda", store.context, progress)
    most: dict[Key, float] = {}
    for arm, found in recipes.items():
        tensors = max((math.inf if (peak := peaks[recipe.key]) is None else peak for recipe in found), default=0.0)
        most[arm.key] = max(most.get(arm.key, 0.0), tensors / (1 - KEPT_FREE) + CONTEXT_BYTES)
    return {key: size for key, size in most.items() if size < math.inf}


def _uses_gpu(work: Work) -> bool:
    """Return whether work that is not made yet computes on the GPU. A copy of a model is made in the memory of the CPU."""
    return not work.shared and work.recipe.activity != "copying" and takes_time(work.recipe, work.bill.flops)
