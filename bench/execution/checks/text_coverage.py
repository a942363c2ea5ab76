"""Checks that the tokenizers of the models can read the documents and write the labels of the tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING

from bench.contracts import Checkpoint, Form, Task
from bench.contracts.finding import Finding
from bench.data.classes import classes
from bench.execution.prepared_suite import PreparedSuite
from bench.metrics.classification import Classification
from bench.suite.arms import models_of, trained_models
from bench.suite.suite_file import Suite
from bench.system.one_line import shown
from bench.system.sequences import changed, joined

if TYPE_CHECKING:
    from bench.training.text_coverage import Coverage, LabelLoss

ANOTHER_MODEL = "choose a model that can, such as one whose tokenizer falls back on bytes (smollm2, BART)"


def texts_survive_tokenizers(prepared: PreparedSuite) -> Iterator[Finding]:
    """Check the texts of each task with the tokenizer of each model that its arms use."""
    from bench.training.text_coverage import Coverage

    coverage_of = cache(Coverage)
    for (label, model), limit in _pairs(prepared).items():
        coverage = coverage_of(model.folder(prepared.cache))
        for text, refuses in _findings(prepared, label, coverage, limit):
            yield Finding(f"task '{label}', {model.title}: {text}", refuses)


def _pairs(prepared: PreparedSuite) -> dict[tuple[str, Checkpoint], int | None]:
    """Map each task and model to the longest label in tokens; None where the model is only a prompted LLM."""
    suite, found = prepared.suite, dict[tuple[str, Checkpoint], int | None]()
    for arm in prepared.arms:
        found |= {(arm.task_label, model): arm.task.max_target_tokens for model in trained_models(suite, arm.cell.strategy)}
        for model in models_of(suite, arm.cell.strategy):
            found.setdefault((arm.task_label, model), None)
    return found


def _findings(prepared: PreparedSuite, label: str, coverage: Coverage, limit: int | None) -> Iterator[tuple[str, bool]]:
    """Yield (finding, whether it refuses the suite)."""
    task, splits = prepared.suite.tasks[label], prepared.splits[label]
    labels = [example.target for example in (*splits.train, *splits.dev, *splits.test) if example.target]
    written = coverage.of_labels(labels)
    sets = _class_sets(prepared.suite, task, labels, coverage)
    faults = [fault for names, compared in sets for fault in _faults(coverage, names, compared, written, limit)]
    yield from ((fault, True) for fault in dict.fromkeys(faults))
    if written.lost and not faults:
        remedy = f"; {ANOTHER_MODEL}, or labels that it can write" if written.mostly_lost else ", so it cannot get them wholly right"
        yield written.sentence() + remedy, written.mostly_lost
    examples = joined((splits.train, splits.unlabelled, splits.dev, splits.test))
    read = coverage.of_texts(changed(examples, attrgetter("source")), task.max_source_tokens, task.prefix)
    if read.holding:
        yield read.sentence("documents") + (f"; {ANOTHER_MODEL}" if read.mostly_unknown else ""), read.mostly_unknown


def _class_sets(suite: Suite, task: Task, labels: Sequence[str], coverage: Coverage) -> Iterator[tuple[tuple[str, ...], Form]]:
    """Yield (classes, how they are compared): those of each classification metric, else those of the task or
    its labels."""
    metrics = [metric for metric in suite.metrics.values() if isinstance(metric, Classification)]
    yield from ((metric.classes, metric.compared) for metric in metrics)
    found = classes(labels)
    if not metrics and (names := task.classes or (found.names if found else ())):
        yield names, coverage.loosely


def _faults(coverage: Coverage, names: Sequence[str], compared: Form, labels: LabelLoss, limit: int | None) -> Iterator[str]:
    """Yield why classes cannot be written, or cannot be distinguished."""
    from bench.training.text_coverage import changes_in_words

    forms = [compared(coverage.form(name)) for name in names]
    written = list(zip(names, coverage.written(names), strict=True))
    lost = [pair for pair, form in zip(written, forms, strict=True) if compared(coverage.form(pair[1])) != form]
    if lost:
        counted = f"{len(lost)} of {len(names)} classes cannot be written, nor {labels.counted}"
        yield f"{counted}: {changes_in_words(lost)}; {ANOTHER_MODEL}, or rename the classes"
    for form, count in Counter(forms).items():
        if count > 1:
            same = " and ".join(shown(name) for name, other in zip(names, forms, strict=True) if other == form)
            yield f"the classes {same} are one to its tokenizer, which applies Unicode NFKC: rename one of them"
    tokens, longest = max(zip(coverage.target_tokens(names), names, strict=True))
    if limit is not None and tokens > limit:
        yield f"the class {shown(longest)} takes {tokens} tokens: `max_target_tokens: {limit}` cuts it, set {tokens} or more"
