"""An arm that would end in an error that is known now is told before anything is spent."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import no_progress
from bench.errors import BenchError
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.store import DryStore
from bench.forecast.suite import refuse_failing
from tests.forecast.conftest import SPLITS, SUITE, read
from tests.prepared import prepared

ANNOTATE = "annotate: {use: annotate, with: {label_share: 0.5, student: {epochs: 1}}}"
CAUSAL = ("family: t5_v1_1", "family: llama")
OTHER = ("compact: {decoder_layers: 2}", "compact: {model: small}\nmodels: {small: {use: random, with: {vocabulary: 450}}}")


def suite(folder: Path, cache: Path, *changes: tuple[str, str]) -> PreparedSuite:
    text = SUITE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return prepared(read(folder, text), {"own": SPLITS}, cache=cache)


def told(ready: PreparedSuite) -> list[str]:
    try:
        refuse_failing(ready, ready.arms, DryStore(ready.cache, no_progress), no_progress)
    except BenchError as error:
        return [line.split(": ")[0] for line in str(error).splitlines()]
    return []


def test_arms_that_money_or_labels_end_are_no_faults(folder: Path, cache: Path) -> None:
    assert told(suite(folder, cache)) == []
    assert told(suite(folder, cache, ("budgets_usd: [2, 4]", "budgets_usd: [0.01]"))) == []


@pytest.mark.parametrize(
    ("changes", "strategies"),
    [
        ([CAUSAL, (ANNOTATE, ANNOTATE.replace("epochs: 1", "epochs: 1, freeze: encoder"))], ["annotate"]),
        ([(ANNOTATE, ANNOTATE.replace("epochs: 1", "epochs: 1, optimizer: adamw_8bit"))], ["annotate"]),
        ([OTHER], ["sft", "distill", "every_step"]),
        ([(ANNOTATE, ANNOTATE.replace("label_share: 0.5", "compact: {decoder_layers: 9}"))], ["annotate"]),
    ],
)
def test_each_strategy_that_fails_is_told_once(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, changes: list[tuple[str, str]], strategies: list[str]
) -> None:
    monkeypatch.setattr("bench.training.settings.is_installed", lambda optimizer: optimizer != "adamw_8bit")
    found = told(suite(folder, cache, *changes))
    assert found == [f"task 'own', strategy {strategy}" for strategy in strategies]


def test_arms_that_are_not_to_run_are_not_looked_at(folder: Path, cache: Path) -> None:
    ready = suite(folder, cache, OTHER)
    some = [arm for arm in ready.arms if arm.cell.label in ("annotate", "pretrain")]
    assert told(replace(ready, arms=tuple(some))) == []
