"""`bench run SUITE --until-decided`, with fake processes whose scores are known: decisions, limits, stops, and the report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import Result

from bench.contracts import Score
from bench.execution import worker
from bench.execution.ledger import Ledger
from bench.execution.record import Ending
from bench.report.analysis import leaderboard
from bench.report.analysis.active_arms import current
from bench.results import table
from bench.suite.arms import Arm
from tests.execution.fake_worker import SUITE, FakeWorker, Killed, arms_of, bench, instead, records, spend
from tests.report.arms import write_predictions

EXAMPLES = 50
FAR = {4.0: {"annotate": 40.0}, 8.0: {}}
"""Budget -> strategy -> true score; 30 where none stands. At 4 USD annotate is far ahead; at 8 USD all are as good."""

Ends = Callable[[Arm, Path], Ending | Killed]
Run = Callable[..., tuple[Result, list[str]]]


def scored(noise: float = 0.3, **others: Any) -> Ends:
    """Arms that end with scores around the true ones. noise: between seeds, in points."""

    def ends(arm: Arm, results: Path) -> Ending:
        book = Ledger(results / arm.id)
        purse = spend(arm, book)
        generator = np.random.default_rng([arm.seed, *arm.column.encode()])
        shift = FAR[arm.budget_usd].get(arm.cell.label, 30.0) + noise * generator.standard_normal()
        values = [float(value) for value in shift + np.linspace(-20, 20, EXAMPLES) + 0.1 * generator.standard_normal(EXAMPLES)]
        book.score("student", Score("rouge2", float(np.mean(values)), "points", "higher"))
        write_predictions(results / arm.id, {"student": {"rouge2": values}})
        return Ending(status="done", spent_usd=purse.spent_usd, started="2026-01-01T00:00:00+00:00")

    return ends


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def started_by(results: Path, cache: Path, ends: Ends, *options: str) -> tuple[Result, list[str]]:
    """How `bench run` ended, and the arms that it started."""
    fake = FakeWorker(ends)
    with pytest.MonkeyPatch.context() as patch:
        instead(patch, fake.run)
        return bench("run", SUITE, "--results", results, "--cache", cache, *options), fake.started


@pytest.fixture
def run(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Function: (results, ends, options) -> what `started_by` returns. No report is written."""
    monkeypatch.setattr("bench.report.write", lambda folder, *_: folder / "report.md")
    monkeypatch.setattr("bench.report.terminal", lambda results, width, notes: "")
    monkeypatch.setattr("bench.cli.console.leaderboard", lambda folder, where: "")
    return lambda results, ends, *options: started_by(results, cache, ends, *options)


class Undisturbed(NamedTuple):
    """A run that nobody stopped, with its report."""

    results: Path
    result: Result
    started: list[str]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Undisturbed:
    results = tmp_path_factory.mktemp("undisturbed")
    return Undisturbed(results, *started_by(results, cache, scored(), "--until-decided"))


def asked(results: Path) -> dict[str, Any]:
    return dict(json.loads((results / "smoke" / "suite.json").read_text()))


def decisions(results: Path) -> dict[float, dict[str, Any]]:
    """Budget -> decision."""
    return {one["budget_usd"]: one for one in asked(results)["until_decided"]["decisions"]}


def test_each_budget_gets_seeds_until_it_is_decided(undisturbed: Undisturbed) -> None:
    folder, result, started = undisturbed
    assert result.exit_code == 0, result.output
    cheap, dear = decisions(folder)[4.0], decisions(folder)[8.0]
    assert (cheap["winner"], dear["winner"]) == ("annotate", "")
    assert len(cheap["stopped"]) == 3
    assert dear["equal"]
    assert (cheap["open"], dear["open"]) == ("", "")
    assert 2 <= cheap["looks"] < dear["looks"] == len(asked(folder)["until_decided"]["looks"])
    looks = json.loads((folder / "smoke" / "looks.json").read_text())
    assert looks == {"max_seeds": 20, "looks": [[seed] for seed in range(1, dear["looks"] + 1)]}
    assert asked(folder)["seeds"] == list(range(1, dear["looks"] + 1))
    assert sorted(started) == sorted(asked(folder)["arms"]) == sorted(records(folder / "smoke"))


def test_arms_of_further_seeds_are_those_of_a_suite_that_names_them_and_stopped_settings_have_none(undisturbed: Undisturbed) -> None:
    folder, _, started = undisturbed
    last = decisions(folder)[8.0]["looks"]
    named = arms_of(Path(SUITE), *range(1, last + 1))
    assert set(started) <= named.keys()
    by_name: dict[tuple[float, str], int] = {}
    for arm in (named[arm_id] for arm_id in started):
        by_name[arm.budget_usd, arm.column] = by_name.get((arm.budget_usd, arm.column), 0) + 1
    for budget, decision in decisions(folder).items():
        wanted = dict.fromkeys(decision["playing"], decision["looks"]) | decision["stopped"]
        assert {name: number for (usd, name), number in by_name.items() if usd == budget} == wanted


@pytest.mark.parametrize("after", [1, 9, 14])
def test_a_run_that_is_killed_and_started_again_decides_as_an_undisturbed_one(
    run: Run, undisturbed: Undisturbed, tmp_path: Path, after: int
) -> None:
    ends, left = scored(), iter(range(after))

    def killed(arm: Arm, results: Path) -> Ending | Killed:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return ends(arm, results)

    _, first = run(tmp_path, killed, "--until-decided")
    result, rest = run(tmp_path, ends, "--until-decided")
    assert result.exit_code == 0, result.output
    assert len(first) == after + 1
    assert not set(first[:-1]) & set(rest)
    assert asked(tmp_path) == asked(undisturbed.results)
    again, none = run(tmp_path, ends, "--until-decided")
    assert (again.exit_code, none) == (0, [])
    assert asked(tmp_path) == asked(undisturbed.results)


def test_arms_alone_are_enough_to_decide_again(run: Run, undisturbed: Undisturbed, tmp_path: Path) -> None:
    shutil.copytree(undisturbed.results, tmp_path, dirs_exist_ok=True)
    for name in ("suite.json", "suite.yaml", "looks.json"):
        (tmp_path / "smoke" / name).unlink()
    result, started = run(tmp_path, scored(), "--until-decided")
    assert (result.exit_code, started) == (0, []), result.output
    assert decisions(tmp_path) == decisions(undisturbed.results)


def test_no_seed_is_added_above_the_limit_and_the_levels_stay_those_that_were_planned(run: Run, tmp_path: Path) -> None:
    result, started = run(tmp_path, scored(noise=5.0), "--until-decided", "--max-seeds", "3", "--margin", "0.1")
    assert result.exit_code == 0, result.output
    assert decisions(tmp_path)[8.0]["looks"] == 3
    assert decisions(tmp_path)[8.0]["open"]
    assert {arms_of(Path(SUITE), 1, 2, 3)[arm].seed for arm in started} == {1, 2, 3}
    refused, none = run(tmp_path, scored(noise=5.0), "--until-decided", "--max-seeds", "4")
    assert (refused.exit_code, none) == (2, [])


def test_a_look_that_would_cost_too_much_is_not_begun(run: Run, tmp_path: Path) -> None:
    result, started = run(tmp_path, scored(), "--until-decided", "--max-usd", "0.5")
    assert (result.exit_code, started) == (0, [])
    assert all(one["open"] and one["looks"] == 0 for one in decisions(tmp_path).values())
    result, started = run(tmp_path, scored(noise=5.0), "--until-decided", "--max-usd", "100", "--margin", "0.1")
    assert result.exit_code == 0, result.output
    assert 8 < len(started) < 160
    assert decisions(tmp_path)[8.0]["open"]


def test_a_look_that_would_take_too_long_is_not_begun(run: Run, tmp_path: Path) -> None:
    _, started = run(tmp_path, scored(), "--until-decided", "--max-hours", "0.01")
    assert len(started) == 8
    assert all(one["open"] and one["looks"] == 1 for one in decisions(tmp_path).values())


def test_a_setting_whose_arms_fail_is_left_out_until_it_is_run_again(run: Run, tmp_path: Path) -> None:
    ends = scored()

    def failing(arm: Arm, results: Path) -> Ending | Killed:
        return Killed(-9) if arm.cell.label == "sft" else ends(arm, results)

    result, _ = run(tmp_path, failing, "--until-decided")
    assert result.exit_code == 1
    assert [one["unscored"] for one in decisions(tmp_path).values()] == [{"sft": 1}, {"sft": 1}]
    retried, _ = run(tmp_path, ends, "--until-decided", "--retry")
    assert retried.exit_code == 0, retried.output
    assert [one["unscored"] for one in decisions(tmp_path).values()] == [{}, {}]


def test_scores_that_no_example_has_end_the_run_after_one_look(run: Run, tmp_path: Path) -> None:
    def whole(arm: Arm, results: Path) -> Ending:
        Ledger(results / arm.id).score("student", Score("rouge2", 10.0, "points", "higher"))
        return Ending(status="done")

    _, started = run(tmp_path, whole, "--until-decided")
    assert len(started) == 8
    assert all(one["open"] and not one["winner"] for one in decisions(tmp_path).values())


def test_only_chooses_settings_and_budgets_for_all_seeds(run: Run, tmp_path: Path) -> None:
    _, started = run(tmp_path, scored(), "--until-decided", "--only", "*4usd.seed1*")
    named = arms_of(Path(SUITE), *range(1, 21))
    assert {named[arm].budget_usd for arm in started} == {4.0}
    assert {named[arm].seed for arm in started} >= {1, 2}
    assert [*decisions(tmp_path)] == [4.0]


@pytest.mark.parametrize("option", [("--max-seeds", "5"), ("--max-hours", "1"), ("--margin", "2")])
def test_options_of_looks_are_refused_without_until_decided(run: Run, tmp_path: Path, option: tuple[str, str]) -> None:
    result, started = run(tmp_path, scored(), *option)
    assert (result.exit_code, started) == (2, [])
    assert option[0] in result.stderr


def test_a_plain_run_afterwards_is_a_plain_run(run: Run, undisturbed: Undisturbed, tmp_path: Path) -> None:
    run(tmp_path / "plain", scored())
    shutil.copytree(undisturbed.results, tmp_path / "both")
    result, started = run(tmp_path / "both", scored())
    assert (result.exit_code, started) == (0, [])
    names = ("suite.json", "suite.yaml")
    assert all((tmp_path / "plain" / "smoke" / name).read_bytes() == (tmp_path / "both" / "smoke" / name).read_bytes() for name in names)


def test_the_report_shows_looks_and_calls_no_stopped_setting_incomplete(undisturbed: Undisturbed) -> None:
    decision, folder = decisions(undisturbed.results)[4.0], undisturbed.results / "smoke"
    found = current(table.read(folder))
    board = next(board for board in leaderboard.boards(found, leaderboard.metrics(found)) if board.budget_usd == 4.0)
    assert {line.name: line.stopped for line in board.settings} == {"annotate": 0, **decision["stopped"]}
    assert all(line.complete for line in board.settings)
    assert board.settings[0].name == "annotate"
    assert board.compared == board.settings
    for text in (undisturbed.result.stdout, (folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert text.count("stopped at look") >= 3
    places = [
        undisturbed.result.stdout.rindex(text) for text in ("USD added", "report.md", "report.html", "\nAnswer", "At 4 USD", "At 8 USD")
    ]
    assert places == sorted(places)
    unlike = replace(board.settings[-1], wanted_seeds=board.settings[-1].seeds + 1)
    assert not unlike.complete


def test_a_worker_runs_an_arm_of_a_seed_that_the_suite_does_not_name(cache: Path, tmp_path: Path) -> None:
    arm_id, arm = next(iter(arms_of(Path(SUITE), 7).items()))
    ending = worker.run(Path(SUITE), arm_id, 7, tmp_path, cache, "cpu")
    assert (ending.status, ending.spent_usd <= arm.budget_usd) == ("done", True)
