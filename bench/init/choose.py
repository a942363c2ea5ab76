"""Turns the figures into all settings of the suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contracts import Compact, no_progress
from bench.errors import DataError
from bench.init.budgets import Device, Spending, spending
from bench.init.costs import costs
from bench.init.defaults import Methods, compact, methods
from bench.init.large_model import Large
from bench.init.lengths import Lengths
from bench.init.profile import DatasetProfile
from bench.init.read_file import ColumnChoice, Table
from bench.system import processes
from bench.tasks.files import Files, near_duplicates_of_test

SOURCE_LIMITS = (32, 48, 64, 128, 256, 384, 512)
TARGET_LIMITS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
DOCUMENTS_FIT, LABELS_FIT = 0.95, 0.99
"""Share of the texts that a limit should leave whole. The smallest such limit is taken.

The largest limit is taken where no limit suffices, or where the lengths are unknown.
"""

TEST_WANTED, DEV_WANTED = 1000, 200
"""Numbers of test and dev documents that a suite should have."""
TEST_SHARES, DEV_SHARES = (0.05, 0.25), (0.02, 0.1)
"""Smallest and largest shares of the labelled documents for test, and for dev."""

POOL_AT_LEAST = 0.2
"""Fewest documents without a label, per labelled document. With fewer, some labels are hidden to make a pool."""

HIDDEN = 0.25
"""Share of the labels that are hidden in that case."""

TRAIN_CAPS = (None, 20_000, 10_000, 5_000, 2_000, 1_000, 500, 200)
"""Numbers of training labels to try. The first with which the suite ends in time is taken. None: all."""

SEEDS = (1, 2)

CPU_HOURS, GPU_HOURS = 2.0, 24.0
"""Hours within which a suite should end."""


@dataclass(frozen=True, kw_only=True)
class DataSplit:
    """How the task `files` splits the rows."""

    task: Files
    """The task with which the rows were split."""
    train: int
    """Number of examples in train; likewise below for dev, test and the pool."""
    dev: int
    test: int
    pool: int
    notes: tuple[str, ...]
    """Notes about near duplicates of test documents."""

    @property
    def hides(self) -> bool:
        """Whether some labels are hidden to make a pool."""
        return self.task.pool_fraction > 0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of the suite, and the figures on which they rest."""

    choice: ColumnChoice
    profile: DatasetProfile
    large: Large
    compact: Compact
    why_compact: str
    methods: Methods
    task: Files
    divided: DataSplit
    spending: Spending
    device: Device
    flops: float | None
    """FLOPs of the whole suite with all seeds. None where they are unknown."""

    @property
    def hours(self) -> float | None:
        """Estimated hours of the whole suite on `device`. None where the FLOPs are unknown."""
        return None if self.flops is None else self.device.hours(self.flops)


def device(large: Large) -> Device:
    """Return this machine as a device. Return a rented GPU if this machine has a GPU, or the model comes from the hub."""
    from bench.system import machine

    if machine.device("auto") == "cuda" or large.on_hub:
        return Device(
            name="an A100 on a public cloud", hour_usd=1.875, flops_per_second=3e13, workers=1, hours_at_most=GPU_HOURS, is_gpu=True
        )
    return Device(
        name="a core of a rented CPU machine",
        hour_usd=0.05,
        flops_per_second=9e10,
        workers=processes.concurrency(),
        hours_at_most=CPU_HOURS,
        is_gpu=False,
    )


def divided(table: Table, choice: ColumnChoice, profile: DatasetProfile, cache: Path) -> DataSplit:
    """Split the rows with the task `files`, with enough rows for test. Raises its DataError."""
    hide = HIDDEN if profile.unlabelled < POOL_AT_LEAST * profile.labelled else 0.0
    tested, developed = (
        round(min(max(wanted / profile.labelled, least), most), 2)
        for wanted, (least, most) in ((TEST_WANTED, TEST_SHARES), (DEV_WANTED, DEV_SHARES))
    )
    for dev in (developed, 0.15, 0.2, 0.3):  # with few rows, dev may get none
        task = Files(
            **table.settings,
            train=str(table.file),
            source=choice.source.name,
            target=choice.target.name,
            test_fraction=tested,
            dev_fraction=dev,
            pool_fraction=hide,
            lead_words=profile.typical_label_words,
        )
        try:
            # Reading is quick, and a progress bar would cover the questions.
            found = task.splits(cache, no_progress)
        except DataError as error:
            failed = error
            continue
        return DataSplit(
            task=task,
            train=len(found.train),
            dev=len(found.dev),
            test=len(found.test),
            pool=len(found.unlabelled),
            notes=near_duplicates_of_test(found, cache),
        )
    raise failed


def choose_settings(
    choice: ColumnChoice, profile: DatasetProfile, large: Large, rows: DataSplit, on: Device, label_usd: float, budgets: Sequence[float]
) -> Settings:
    """Return all settings, with as many training labels as the machine can use in the allowed hours. Empty `budgets` are chosen here."""
    target = _limit(profile.label_tokens, TARGET_LIMITS, 1.0 if profile.classes else LABELS_FIT)
    source = _limit(profile.document_tokens, SOURCE_LIMITS, DOCUMENTS_FIT)
    source = min(source, large.source_positions(target) or source)
    how, (small, why) = methods(large, source), compact(large)
    means = profile.document_tokens.mean(source), profile.label_tokens.mean(target)
    work = costs(large.config, small, how, *means) if large.config else None
    for cap in TRAIN_CAPS:
        train = min(rows.train, cap or rows.train)
        few = max(train, TRAIN_CAPS[-1] or 0)
        pool, test, dev = min(rows.pool, 2 * train), min(rows.test, TEST_WANTED, few), min(rows.dev, DEV_WANTED, few)
        spent = spending(train, pool, label_usd, budgets, work, on.flop_usd)
        alone = spent.flops(test)
        flops = None if alone is None else alone * len(SEEDS)
        if flops is None or on.hours(flops) <= on.hours_at_most:
            break
    sizes = {"train": (train, rows.train), "dev": (dev, rows.dev), "test": (test, rows.test), "pool": (pool, rows.pool)}
    caps = {f"{name}_examples": used for name, (used, there_are) in sizes.items() if used < there_are}
    task = rows.task.model_copy(update={"max_source_tokens": source, "max_target_tokens": target, **caps})
    return Settings(
        choice=choice,
        profile=profile,
        large=large,
        compact=small,
        why_compact=why,
        methods=how,
        task=task,
        divided=rows,
        spending=spent,
        device=on,
        flops=flops,
    )


def _limit(lengths: Lengths, limits: Sequence[int], share: float) -> int:
    if lengths.unknown:
        return limits[-1]
    return next((limit for limit in limits if lengths.within(limit) >= share), limits[-1])
