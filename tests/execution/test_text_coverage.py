"""A suite whose models cannot read its documents or write its labels is refused before anything is spent; small losses are said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import normalizers

from bench.contracts import Example, Splits
from bench.execution.checks.text_coverage import texts_survive_tokenizers
from bench.models import flan_t5_small
from bench.models.random import Random
from bench.tasks.fever import Fever
from tests.execution.fake_worker import FakeWorker, bench, instead
from tests.models.test_flan_t5_small import installed
from tests.prepared import prepared
from tests.suite.test_suite import read
from tests.tokenizers import unigram

CASE = Path(__file__).parents[1] / "cases" / "02-unwritable-labels"
LETTERS = "abcdefghijklmnopqrstuvwxyz"

SUITE = """
suite: tiny
question: Which?
large: {use: folder, with: {path: LARGE}}
models: {bytes: {use: random}, lacking: {use: folder, with: {path: LACKING}}}
tasks: {own: {use: files, with: {train: none.csv, source: a, target: b, max_source_tokens: 32, max_target_tokens: 16}}}
strategies:
  annotate: {use: annotate, with: {label_share: 0.5}}
start_labels: 1
budgets_usd: [1]
seeds: [1]
prices: {label_usd: 0.1}
metrics: METRICS
rank_by: RANK
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lacking(cache: Path) -> Path:
    """A model that applies NFKC, and knows letters, digits and little else."""
    return unigram(cache, cache / "lacking", normalizers.NFKC())


@pytest.fixture(scope="module")
def on_bytes(cache: Path) -> Path:
    return Random().folder(cache)


def splits(labels: Sequence[str | None], sources: Sequence[str] | None = None) -> Splits:
    """Half train, half test; documents of plain letters unless some are given."""
    documents = sources or [f"document {i}" for i in range(len(labels))]
    made = [Example(str(i), source, label) for i, (source, label) in enumerate(zip(documents, labels, strict=True))]
    return Splits(tuple(made[::2]), (), (), tuple(made[1::2]), "fingerprint")


class Looked:
    """What the check finds with one model."""

    def __init__(self, cache: Path, folder: Path, lacking: Path, tmp_path: Path, text: str = SUITE) -> None:
        self.cache, self.tmp_path = cache, tmp_path
        self.text = text.replace("LARGE", str(folder)).replace("LACKING", str(lacking))

    def __call__(self, found: Splits, classes: Sequence[str] = (), more: str = "") -> tuple[list[str], list[str]]:
        """(faults, warnings)"""
        metrics = {"classification": {"use": "classification", "with": {"classes": [*classes]}}} if classes else {"rouge": {"use": "rouge"}}
        text = self.text.replace("METRICS", json.dumps(metrics)).replace("RANK", "accuracy" if classes else "rouge2") + more
        suite = read(self.tmp_path, text)
        findings = [*texts_survive_tokenizers(prepared(suite, {"own": found}, cache=self.cache))]
        return [f.text for f in findings if f.refuses], [f.text for f in findings if not f.refuses]


@pytest.fixture
def with_lacking(cache: Path, lacking: Path, tmp_path: Path) -> Looked:
    return Looked(cache, lacking, lacking, tmp_path)


@pytest.fixture
def with_bytes(cache: Path, on_bytes: Path, lacking: Path, tmp_path: Path) -> Looked:
    return Looked(cache, on_bytes, lacking, tmp_path)


def test_classes_that_a_model_cannot_write_are_refused_and_one_that_writes_bytes_takes_them(
    with_lacking: Looked, with_bytes: Looked
) -> None:
    data, classes = splits(["<=50K", "<=50K", "50K", "50K"]), ("<=50K", "50K", "pi\u00f1ata")
    (fault,), warnings = with_lacking(data, classes)
    assert "2 of 3 classes" in fault
    assert "2 of 4 labels (50 %)" in fault
    assert "'<=50K' becomes '=50K'" in fault
    assert "'pi\u00f1ata' becomes 'piata'" in fault
    assert warnings == []
    assert with_bytes(data, classes) == ([], [])


def test_few_different_labels_are_classes_whatever_the_metric(with_lacking: Looked, with_bytes: Looked) -> None:
    data = splits(["{a}", "b", "b", "b"] * 10)
    (fault,), _ = with_lacking(data)
    assert "1 of 2 classes" in fault
    assert with_bytes(data) == ([], [])


def test_classes_of_a_task_count_where_the_labels_are_too_few_to_tell(
    with_lacking: Looked, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Fever, "classes", ("SUPPORTS", "NOT~SURE"))
    before, _, after = with_lacking.text.partition("tasks: ")
    fever = f"{{own: {{use: fever, with: {{folder: {tmp_path}, max_target_tokens: 16}}}}}}"
    with_lacking.text = f"{before}tasks: {fever}\n{after.partition(chr(10))[2]}"
    (fault,), _ = with_lacking(splits(["SUPPORTS", "SUPPORTS"]))
    assert "1 of 2 classes" in fault


def test_a_class_with_inner_white_space_is_lost_where_the_metric_takes_it_seriously(
    with_lacking: Looked, cache: Path, tmp_path: Path
) -> None:
    collapsing = unigram(cache, tmp_path / "collapsing", normalizers.Replace("  ", " "))
    data = splits(["a  b", "c", "a  b", "c"])
    (fault,), _ = Looked(cache, collapsing, collapsing, tmp_path)(data, ("a  b", "c"))
    assert "'a  b' becomes 'a b'" in fault
    assert with_lacking(data, ("a  b", "c")) == ([], [])


def test_classes_that_nfkc_makes_one_are_refused_only_where_the_tokenizer_applies_it(with_lacking: Looked, with_bytes: Looked) -> None:
    data, classes = splits(["m2", "m\u00b2", "km"]), ("m2", "m\u00b2", "km")
    (fault,), _ = with_lacking(data, classes)
    assert "'m2' and 'm\u00b2'" in fault
    assert with_bytes(data, classes) == ([], [])


def test_a_class_longer_than_the_limit_is_refused_with_the_limit_to_set(with_lacking: Looked) -> None:
    longest = LETTERS[:14]  # behind the token of a space, and before the end token: 16
    assert with_lacking(splits([longest, "b"]), (longest, "b")) == ([], [])
    (fault,), _ = with_lacking(splits([longest + "x", "b"]), (longest + "x", "b"))
    assert "17 tokens" in fault
    assert "max_target_tokens: 16" in fault
    assert with_lacking(splits([f"{LETTERS} {i}" for i in range(4)])) == ([], [])  # texts may be cut


def test_texts_as_labels_are_refused_where_most_are_lost_and_else_counted(with_lacking: Looked) -> None:
    few = [f"label <{i}>" if i % 5 == 0 else f"label {i}" for i in range(20)]
    faults, (warning,) = with_lacking(splits(few))
    assert faults == []
    assert "4 of 20 labels (20 %)" in warning
    most = [f"se\u00f1or {i}" if i % 5 else f"label <{i}>" for i in range(20)]
    (fault,), warnings = with_lacking(splits(most))
    assert "20 of 20 labels (100 %)" in fault
    assert warnings == []
    punctuation = [f"`label` <{i}>" for i in range(20)]
    faults, (warning,) = with_lacking(splits(punctuation))
    assert faults == []
    assert "20 of 20 labels (100 %)" in warning


def test_documents_are_refused_where_most_of_their_text_is_unknown_and_else_counted(with_lacking: Looked, with_bytes: Looked) -> None:
    labels = [f"label {i}" for i in range(8)]
    some = [f"document {{{i}}}" if i % 4 == 0 else f"document {i}" for i in range(8)]
    faults, (warning,) = with_lacking(splits(labels, some))
    assert faults == []
    assert "2 of 8 documents (25 %)" in warning
    assert "'{' '}'" in warning
    chinese = [f"\u79cb\u5929\u6751\u5e84 {i}" for i in range(8)]
    (fault,), _ = with_lacking(splits(labels, chinese))
    assert "8 of 8 documents (100 %)" in fault
    assert "(80 % of the text)" in fault
    assert with_bytes(splits(labels, chinese)) == ([], [])


def test_the_model_that_the_compact_one_is_cut_from_is_looked_at_too(with_bytes: Looked) -> None:
    data, classes = splits(["<=50K", "50K"]), ("<=50K", "50K")
    assert with_bytes(data, classes, "compact: {model: bytes}") == ([], [])
    (fault,), _ = with_bytes(data, classes, "compact: {model: lacking}")
    assert "lacking" in fault


def test_a_model_that_no_arm_uses_is_not_looked_at_and_a_prompted_one_has_limits_of_its_own(with_bytes: Looked) -> None:
    lost, long = ("<=50K", "50K"), ("return the value", "b")
    assert with_bytes(splits(lost), lost) == with_bytes(splits(long), long) == ([], [])
    (fault,), _ = with_bytes(splits(long), long, "compact: {model: lacking}")
    assert "18 tokens" in fault
    with_bytes.text = with_bytes.text.replace("start_labels", "  asked: {use: llm_label, with: {teacher: lacking}}\nstart_labels")
    (fault,), _ = with_bytes(splits(lost), lost)
    assert "lacking" in fault
    assert with_bytes(splits(long), long) == ([], [])


@installed
@pytest.mark.parametrize("command", ["plan", "run"])
def test_case_02_is_refused_with_the_labels_that_flan_t5_cannot_write(
    command: str, flan_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = FakeWorker()
    instead(monkeypatch, worker.run)
    monkeypatch.chdir(CASE)
    result = bench(command, "run_adult.yaml", "--cache", flan_cache, "--results", tmp_path)
    assert result.exit_code == 2
    (fault,) = result.stderr.strip().splitlines()[-1:]
    assert "1 of 2 classes" in fault
    assert "131 of 240 labels (54.6 %)" in fault
    assert "'<=50K' becomes '=50K'" in fault
    assert worker.started == []
    assert not list(tmp_path.iterdir())


@installed
def test_flan_t5_applies_nfkc_and_reads_no_chinese(flan_cache: Path) -> None:
    from bench.training.text_coverage import Coverage

    coverage = Coverage(flan_t5_small.FlanT5Small().folder(flan_cache))
    assert coverage.written(["\ufb01ne \u2460", "\u2026"]) == ["fine 1", "..."]
    assert coverage.form("\ufb01ne \u2460") == "fine 1"
    assert coverage.of_texts(["\u65e5\u672c\u8a9e"], 64).mostly_unknown


def test_what_is_lost_reaches_the_report(with_lacking: Looked, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"document {i},label {'<' if i % 9 == 0 else ''}{i}\n" for i in range(60))
    (tmp_path / "data.csv").write_text("a,b\n" + rows)
    text = (
        with_lacking.text.replace("none.csv", str(tmp_path / "data.csv"))
        .replace("METRICS", "{rouge: {use: rouge}}")
        .replace("RANK", "rouge2")
        .replace("budgets_usd: [1]", "budgets_usd: [4]")
    )
    (tmp_path / "tiny.yaml").write_text(text)
    instead(monkeypatch, FakeWorker().run)
    result = bench("run", tmp_path / "tiny.yaml", "--cache", cache, "--results", tmp_path / "results")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "results" / "tiny"
    (warning,) = json.loads((folder / "suite.json").read_text())["warnings"]
    assert "7 of 60 labels (11.7 %)" in warning
    assert "7 of 60 labels (11.7 %)" in (folder / "report.md").read_text()
    again = bench("run", tmp_path / "tiny.yaml", "--cache", cache, "--results", tmp_path / "results")
    assert again.exit_code == 0
    assert json.loads((folder / "suite.json").read_text())["warnings"] == [warning]
