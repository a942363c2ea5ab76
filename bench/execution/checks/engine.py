"""Checks that the suite's engine can generate with every model, and that it computes what torch does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bench.contracts.finding import Finding
from bench.execution.prepared_suite import PreparedSuite
from bench.suite.arms import models_of

DOCUMENTS = 20
"""Test documents of a task on which the engine is compared with torch."""


def engine_can_generate(prepared: PreparedSuite) -> Iterator[Finding]:
    """Check each model that an arm uses. Weights are loaded only for an engine that is compared with another one."""
    from bench.training.batches import encode_sources

    engine = prepared.suite.engine
    used = {model.folder(prepared.cache): arm for arm in prepared.arms for model in models_of(prepared.suite, arm.cell.strategy)}
    for folder, arm in used.items():
        engine.check(folder, prepared.device)
        if engine.reference() is not None:
            documents = tuple(replace(example, target=None) for example in prepared.splits[arm.task_label].test[:DOCUMENTS])
            sources = encode_sources(folder, documents, arm.task.prefix, arm.task.max_source_tokens)
            engine.verify(folder, sources, device=prepared.device, cache=prepared.cache)
    yield from ()
