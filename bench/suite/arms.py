"""Makes the arms of a Suite. Nothing is read, made or measured here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bench import registry
from bench.contracts import Checkpoint, Names, Part, Strategy, Task
from bench.contracts.part import names_used
from bench.suite.suite_file import Cell, Suite

Key = tuple[str, str, float]
"""Task, setting and budget of an arm."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One cell: task x strategy (with its settings) x budget x seed."""

    id: str
    """A readable name, then a hash of everything that decides the outcome. A changed suite therefore never reuses old results."""
    task_label: str
    task: Task
    cell: Cell
    budget_usd: float
    seed: int

    def __hash__(self) -> int:
        """Hash by the id, because parts that hold a mapping have no hash."""
        return hash(self.id)

    @property
    def column(self) -> str:
        """Strategy and setting as shown in reports, such as 'distill (label_share=0.5)'."""
        return f"{self.cell.label} ({self.cell.setting})" if self.cell.setting else self.cell.label

    @property
    def key(self) -> Key:
        """What it has in common with the same arm of other seeds."""
        return self.task_label, self.column, self.budget_usd

    @property
    def settings(self) -> dict[str, Any]:
        """The strategy's settings, including defaults."""
        return self.cell.strategy.model_dump(mode="json")


def arms(suite: Suite, seeds: Sequence[int] = ()) -> tuple[Arm, ...]:
    """Return all arms in running order: the smallest budget first, and neighbours with different seeds. Neighbours run at the same time.
    Those of one seed would often wait for the same artifact. `seeds` replace those of the suite."""
    spec = suite.spec
    return tuple(
        _arm(suite, label, task, cell, budget, seed)
        for budget in sorted(spec.budgets_usd)
        for label, task in suite.tasks.items()
        for cell in suite.cells
        for seed in seeds or spec.seeds
    )


def only(planned: Sequence[Arm], pattern: str) -> tuple[Arm, ...]:
    """Return the arms whose id matches a shell pattern such as '*distill*seed1*'."""
    return tuple(arm for arm in planned if fnmatchcase(arm.id, pattern) or fnmatchcase(arm.id, f"*{pattern}*"))


def describe(part: Part) -> dict[str, Any]:
    """Return the identity of a part: its name, and its settings including defaults."""
    return {"use": registry.name_of(part), "with": part.identity()}


def named(suite: Suite, strategy: Strategy) -> Iterator[tuple[Names, str, Part]]:
    """Yield the parts under `models` and `texts` that an arm uses. Parts that it does not use may change."""
    for part in (suite.spec.compact, strategy):
        for _, names, label in names_used(part):
            if found := getattr(suite, names.under).get(label):
                yield names, label, found


def models_of(suite: Suite, strategy: Strategy) -> list[Checkpoint]:
    """Return the large model and the models under `models` that an arm uses."""
    return [suite.large, *(part for _, _, part in named(suite, strategy) if isinstance(part, Checkpoint))]


def trained_models(suite: Suite, strategy: Strategy) -> list[Checkpoint]:
    """Return the models that an arm trains: the large one, and the one that its compact model is cut from where that is another."""
    label = (strategy.compact or suite.spec.compact).model
    return [suite.large, *([suite.models[label]] if label else [])]


DECIDE = {"compact", "start_labels", "prices", "pays", "precision", "decoding"}
"""Fields of a suite that decide the outcome of every arm."""


def _arm(suite: Suite, label: str, task: Task, cell: Cell, budget: float, seed: int) -> Arm:
    spec = suite.spec
    decides = {
        "task": describe(task),
        "strategy": describe(cell.strategy),
        "budget_usd": budget,
        "seed": seed,
        "large": describe(suite.large),
        "metrics": {name: describe(metric) for name, metric in suite.metrics.items()},
        "profilers": {name: describe(profiler) for name, profiler in suite.profilers.items()},
        "named": {f"{names.under}/{label}": describe(part) for names, label, part in named(suite, cell.strategy)},
        **({"engine": describe(suite.engine)} if suite.engine.in_keys else {}),
        **spec.model_dump(mode="json", include=DECIDE, exclude_none=True),
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
    setting = re.sub(r"[^\w.,=+-]", "", cell.setting)
    readable = ".".join(filter(None, [label, cell.label, f"{budget:g}usd", f"seed{seed}", setting[:80]]))
    return Arm(id=f"{readable}-{digest}", task_label=label, task=task, cell=cell, budget_usd=budget, seed=seed)
