"""Checks that the models of the arms can be loaded, trained and prompted, and read texts as long as the tasks
allow."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contracts.finding import Finding
from bench.errors import BenchError
from bench.execution.prepared_suite import PreparedSuite
from bench.suite.arms import models_of, trained_models


def models_can_be_used(prepared: PreparedSuite) -> Iterator[Finding]:
    """Check the headers, the config and the tokenizer of each model."""
    from bench.training.folder_check import faults

    models = dict.fromkeys(model for arm in prepared.arms for model in models_of(prepared.suite, arm.cell.strategy))
    for folder in dict.fromkeys(model.folder(prepared.cache) for model in models):
        yield from faults(folder)


def texts_fit_the_positions(prepared: PreparedSuite) -> Iterator[Finding]:
    """Compare the limits of each task with the positions of the models that read its documents."""
    from bench.training.checkpoints import read_config
    from bench.training.positions import check_positions

    tasks = {(arm.task_label, model): arm.task for arm in prepared.arms for model in trained_models(prepared.suite, arm.cell.strategy)}
    for (label, model), task in tasks.items():
        try:
            config = read_config(model.folder(prepared.cache))
            check_positions(model.title, config, task.max_source_tokens, task.max_target_tokens)
        except BenchError as error:
            yield Finding(f"task '{label}': {error}", refuses=True)
