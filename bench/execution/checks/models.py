"""Checks that the models of the arms can be loaded, trained and prompted, and read texts as long as the tasks
allow."""

from __future__ import annotations

from collections.abc import Iterator

from bench.contracts import Checkpoint
from bench.errors import BenchError
from bench.execution.checks.finding import Finding
from bench.execution.prepared_suite import PreparedSuite
from bench.suite.arms import Arm, named


def models_can_be_used(prepared: PreparedSuite) -> Iterator[Finding]:
    """Check the headers, the config and the tokenizer of each model."""
    from bench.training.folder_check import faults

    models = dict.fromkeys(model for arm in prepared.arms for model in (prepared.suite.large, *_named(prepared, arm)))
    for folder in dict.fromkeys(model.folder(prepared.cache) for model in models):
        yield from (Finding(fault.text, fault.refuses) for fault in faults(folder))


def texts_fit_the_positions(prepared: PreparedSuite) -> Iterator[Finding]:
    """Compare the limits of each task with the positions of the models that read its documents."""
    from bench.training.checkpoints import read_config
    from bench.training.positions import check_positions

    suite = prepared.suite
    for arm in prepared.arms:
        compact = (arm.cell.strategy.compact or suite.spec.compact).model
        for model in (suite.large, *([suite.models[compact]] if compact else [])):
            try:
                config = read_config(model.folder(prepared.cache))
                check_positions(model.title, config, arm.task.max_source_tokens, arm.task.max_target_tokens)
            except BenchError as error:
                yield Finding(f"task '{arm.task_label}': {error}", refuses=True)


def _named(prepared: PreparedSuite, arm: Arm) -> list[Checkpoint]:
    return [part for _, _, part in named(prepared.suite, arm.cell.strategy) if isinstance(part, Checkpoint)]
