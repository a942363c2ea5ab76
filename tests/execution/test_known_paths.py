"""A results folder goes on where the files of its suite lie at another path, and not where they hold something else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.contracts import Checkpoint, no_progress
from bench.execution import known_paths, prepare, runner
from bench.execution.job import inputs_fingerprint, metrics_fingerprint
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import write_record
from bench.models.random import Random
from bench.training.recipes import Pretrained
from tests.records import record

SUITE = """
suite: copied
question: Is it known again?
large: {use: folder, with: {path: HERE/model}}
compact: {decoder_layers: 1}
models: {other: {use: folder, with: {path: HERE/other}}}
texts: {mine: {use: files, with: {path: HERE/text.jsonl}}}
tasks: {own: {use: files, with: {train: HERE/rows.csv, source: text, target: label}}}
strategies:
  annotate: {use: annotate}
  further: {use: continue_pretraining, with: {general: {mine: 1}}}
  own: {use: annotate, with: {compact: {model: other}}}
start_labels: 4
budgets_usd: [1]
seeds: [1]
prices: {label_usd: 0.5, device_hour_usd: 1, meter: wall}
metrics: {rouge: {use: rouge}, mine: {use: evaluate, with: {path: HERE/toy, key: toy}}}
rank_by: rougeL
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    here = tmp_path / "here"
    for seed, name in enumerate(("model", "other")):
        shutil.copytree(Random(seed=seed, decoder_layers=1, encoder_layers=1).folder(tmp_path / "cache"), here / name)
    (here / "toy").mkdir()
    (here / "toy" / "toy.py").write_text("# a metric")
    (here / "text.jsonl").write_text('{"text": "one text"}\n')
    (here / "rows.csv").write_text("text,label\n" + "".join(f"document number {i},label {i}\n" for i in range(60)))
    return here


def load(here: Path, results: Path, text: str = SUITE) -> PreparedSuite:
    path = results.parent / "suite.yaml"
    path.write_text(text.replace("HERE", str(here)))
    cache = results.parent / "cache"
    return prepare.load(path, results=results, cache=cache, device="cpu", only=None, progress=no_progress)


def done(ready: PreparedSuite) -> None:
    """What `bench run` leaves of a suite whose arms have all ended."""
    ready.results.mkdir(parents=True, exist_ok=True)
    known_paths.remember(ready.suite, ready.results, ready.cache)
    for arm in ready.arms:
        (ready.results / arm.id).mkdir(exist_ok=True)
        inputs = inputs_fingerprint(ready.suite, arm, ready.cache, no_progress)
        metrics = metrics_fingerprint(ready.suite, ready.cache, no_progress)
        data = ready.splits["own"].fingerprint
        kept = record(arm=arm.id, data_fingerprint=data, inputs_fingerprint=inputs, metrics_fingerprint=metrics)
        write_record(ready.results / arm.id, kept)


def to_run(ready: PreparedSuite) -> set[str]:
    """Strategies of the arms that have to run."""
    kept = runner.kept(ready, retry=False)
    return {arm.cell.label for arm in ready.arms if not kept[arm.id]}


def keys(ready: PreparedSuite) -> list[str]:
    models: list[Checkpoint] = [ready.suite.large, ready.suite.models["other"]]
    return [Pretrained(model).key for model in models]


def moved(here: Path, to: str) -> Path:
    """Everything at another path, and nothing at the old one."""
    there = here.with_name(to)
    shutil.copytree(here, there)
    shutil.rmtree(here)
    return there


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_arms_and_artifacts_of_a_copied_folder_are_known_at_another_path(here: Path, results: Path, tmp_path: Path) -> None:
    first = load(here, results)
    assert to_run(first) == {"annotate", "further", "own"}
    done(first)
    assert to_run(load(here, results)) == set()
    there = moved(here, "there")
    elsewhere = tmp_path / "machine" / "results"
    shutil.copytree(results, elsewhere)
    copied = load(there, elsewhere)
    assert to_run(copied) == set()
    assert keys(copied) == keys(first)
    assert copied.suite.large.folder(copied.cache) == there / "model"
    done(copied)
    assert to_run(load(moved(there, "third"), elsewhere)) == set()


def _weights(there: Path) -> None:
    path = there / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _text(there: Path) -> None:
    (there / "text.jsonl").write_text('{"text": "two text"}\n')


def _other(there: Path) -> None:
    config = there / "other" / "config.json"
    config.write_text(config.read_text() + "\n")


def _rows(there: Path) -> None:
    rows = there / "rows.csv"
    rows.write_text(rows.read_text().replace("document number 7,", "document number x,"))


def _metric(there: Path) -> None:
    (there / "toy" / "toy.py").write_text("# A metric")


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("change", "again"),
    [
        (_weights, {"annotate", "further", "own"}),
        (_rows, {"annotate", "further", "own"}),
        (_metric, {"annotate", "further", "own"}),
        (_text, {"further"}),
        (_other, {"own"}),
    ],
)
def test_arms_that_use_a_file_with_another_content_run_again(
    here: Path, results: Path, change: Callable[[Path], None], again: set[str], elsewhere: bool
) -> None:
    done(load(here, results))
    there = moved(here, "there") if elsewhere else here
    change(there)
    assert to_run(load(there, results)) == again


def test_a_model_that_takes_the_place_of_another_is_not_known_by_its_name(here: Path, results: Path) -> None:
    first = load(here, results)
    done(first)
    store = first.store(first.arms[-1], no_progress).folder
    (here / "model").rename(here / "third")
    (here / "other").rename(here / "model")
    (here / "third").rename(here / "other")
    swapped = load(here, results)
    assert keys(swapped) == keys(first)  # by their paths, and the store that holds the artifacts is another
    assert swapped.store(swapped.arms[-1], no_progress).folder != store
    assert to_run(swapped) == {"annotate", "further", "own"}


def test_two_models_of_one_suite_never_share_a_name(here: Path, results: Path) -> None:
    """The one at the known path holds something else now, and what was there lies at another path."""
    done(load(here, results))
    (here / "model").rename(here / "kept")
    shutil.copytree(here / "other", here / "model")
    _weights(here)
    now = load(here, results, SUITE.replace("HERE/other", "HERE/kept"))
    assert len(set(keys(now))) == 2


def test_a_path_that_held_two_contents_names_neither(here: Path, results: Path) -> None:
    first = load(here, results)
    done(first)
    shutil.copytree(here / "model", here / "old")
    _weights(here)
    done(load(here, results))
    older = load(here, results, SUITE.replace("HERE/model", "HERE/old"))
    assert keys(older)[0] != keys(first)[0]
    assert to_run(older) == {"annotate", "further", "own"}
    assert to_run(load(here, results)) == set()


def test_a_model_under_two_paths_in_one_suite_stays_the_same_for_the_next_run(here: Path, results: Path) -> None:
    shutil.rmtree(here / "other")
    shutil.copytree(here / "model", here / "other")
    first = load(here, results)
    done(first)
    assert keys(load(here, results)) == keys(first)
    assert to_run(load(here, results)) == set()


def test_a_results_folder_without_paths_is_known_by_them_as_before(here: Path, results: Path) -> None:
    first = load(here, results)
    done(first)
    for damage in ("", "[]x", "{}"):
        (first.results / known_paths.FILE).write_text(damage)
        assert to_run(load(here, results)) == set()


def test_an_arm_whose_metric_is_not_here_keeps_its_record(here: Path, results: Path) -> None:
    done(load(here, results))
    shutil.rmtree(here / "toy")
    assert to_run(load(here, results)) == set()


def test_paths_are_written_once_for_each_content(here: Path, results: Path) -> None:
    ready = load(here, results)
    done(ready)
    written = json.loads((ready.results / known_paths.FILE).read_text())
    assert sorted(path for paths in written.values() for path in paths) == sorted(
        str(here / name) for name in ("model", "other", "text.jsonl", "rows.csv", "toy")
    )
    done(load(moved(here, "there"), results))
    assert json.loads((ready.results / known_paths.FILE).read_text()) == written
