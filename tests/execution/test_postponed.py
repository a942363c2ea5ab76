"""An arm that needs what another one is making lets others go first, once, and waits the second time."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import AGAIN, Job, Outcome
from bench.execution import shared_folder, worker
from bench.execution.ledger import rows
from bench.strategies.annotate import Annotate
from bench.system import leases
from tests.execution.fake_worker import SUITE, arms_of
from tests.execution.faulty import TrivialEvaluation, trivial
from tests.system.test_leases import write_elsewhere

ARM = next(name for name in arms_of(Path(SUITE)) if ".annotate.4usd" in name)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Results of an arm that nobody disturbed."""
    results = tmp_path_factory.mktemp("undisturbed")
    run(results, cache)
    return results


def run(results: Path, cache: Path) -> None:
    worker.main([SUITE, ARM, "1", "5", str(results), str(cache), "cpu"])


def charges(results: Path) -> list[object]:
    exact = [row for row in rows(results / ARM) if row["row"] == "charge" and row["unit"] in ("FLOP", "label")]
    return [(row["phase"], row["unit"], row["quantity"]) for row in exact]


def test_it_leaves_nothing_behind_the_first_time_and_ends_as_if_undisturbed(undisturbed: Path, cache: Path, tmp_path: Path) -> None:
    made = sorted(path.parent.relative_to(undisturbed) for path in undisturbed.glob("store/*/*/bill.json"))
    with ExitStack() as held:
        for key in made:
            held.enter_context(leases.hold(tmp_path / f"{key}.lease"))
        with pytest.raises(SystemExit) as asked:
            run(tmp_path, cache)
        assert asked.value.code == AGAIN
        assert not (tmp_path / ARM / "ledger.jsonl").exists()
        assert not (tmp_path / ARM / "outcome.json").exists()
        waiting = threading.Event()

        def release() -> None:
            while "waiting" not in json.loads((tmp_path / ARM / "progress.json").read_text())["what"]:
                time.sleep(0.01)
            waiting.set()
            held.close()

        (tmp_path / ARM / "progress.json").write_text('{"what": ""}')
        other = threading.Thread(target=release)
        other.start()
        run(tmp_path, cache)
        other.join()
    assert waiting.is_set()
    assert json.loads((tmp_path / ARM / "outcome.json").read_text())["status"] == "done"
    assert charges(tmp_path) == charges(undisturbed)
    assert not list((tmp_path / ARM).glob("ledger.attempt-*"))


@pytest.mark.parametrize("is_scored", [False, True])
def test_a_process_that_lost_its_arm_writes_nothing_into_its_folder(
    is_scored: bool, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ARM

    def lose() -> None:
        write_elsewhere(folder / shared_folder.ARM)

    def spend(self: Annotate, job: Job) -> Outcome:
        if not is_scored:
            lose()
        return trivial(self, job)

    class Evaluation(TrivialEvaluation):
        def log_probs(self) -> dict[str, Any]:
            lose()
            return {}

    monkeypatch.setattr(Annotate, "run", spend)
    monkeypatch.setattr(worker, "Evaluation", Evaluation)
    with pytest.raises(SystemExit) as asked:
        run(tmp_path, cache)
    assert asked.value.code == AGAIN
    assert not [name for name in ("artifacts.json", "predictions.jsonl", "outcome.json") if (folder / name).exists()]
