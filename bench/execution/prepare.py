"""What arms need, at hand before anything is spent: models, texts, metrics that can score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.contracts import Checkpoint, Progress, Splits, Text
from bench.suite import arms as planning
from bench.suite.arms import Arm
from bench.suite.suite_file import Suite


def prepare(suite: Suite, arms: Sequence[Arm], splits: Mapping[str, Splits], cache: Path, progress: Progress) -> list[str]:
    """Have the models, texts and metrics of these arms at hand; which layers their compact models keep, in words.

    Raises BenchError where one cannot be had, or a compact shape is no part of the model it is cut from.
    """
    for metric in suite.metrics.values():
        metric.prepare()
        for task in dict.fromkeys(arm.task_label for arm in arms):
            metric.check([example.target or "" for example in splits[task].test])
    used = dict.fromkeys([suite.large, *(part for arm in arms for _, _, part in planning.named(suite, arm.cell.strategy))])
    for done, part in enumerate(used):
        progress("models and texts", done, len(used))
        if isinstance(part, Text):
            part.documents(cache, progress)
        elif isinstance(part, Checkpoint):
            part.folder(cache)
    progress("models and texts", len(used), len(used))
    return list(dict.fromkeys(_layers_kept(suite, arms, cache)))


def _layers_kept(suite: Suite, arms: Sequence[Arm], cache: Path) -> Iterator[str]:
    """A line for every stack of a compact model that does not keep all layers."""
    from bench.training.checkpoints import read_config
    from bench.training.shrinking import describe

    own = {arm.cell.strategy.compact: f"compact model of {arm.cell.label}" for arm in arms}
    for compact, user in {suite.spec.compact: "compact model", **own}.items():
        if compact is None:
            continue
        model = suite.models[compact.model] if compact.model else suite.large
        yield from (f"{user}, {line}" for line in describe(read_config(model.folder(cache)), compact))
