"""`bench init` says what the model cannot read and write, and which spellings and labels are one, or none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tokenizers import normalizers

from bench.contracts import no_progress
from bench.init.choose import SOURCE_LIMITS, TARGET_LIMITS
from bench.models.random import Random
from bench.suite import suite_file
from tests.execution.fake_worker import bench
from tests.models.test_flan_t5_small import installed
from tests.tokenizers import unigram

CASES = Path(__file__).parents[1] / "cases"
CHINESE = "\u79cb\u5929\u7684\u6751\u5e84\u5f88\u5b89\u9759"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    Random().folder(folder)
    return folder


@pytest.fixture(scope="module")
def lacking(cache: Path) -> Path:
    return unigram(cache, cache / "lacking", normalizers.NFKC())


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_MODELS", "")


def init(data: Path | str, cache: Path, model: Path | str = "random") -> tuple[list[str], suite_file.Suite]:
    """(what was said, the suite)"""
    result = bench("init", data, "--yes", "--model", model, "--cache", cache, "--out", "made.yaml", "--force")
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines(), suite_file.read(Path("made.yaml"))


def write(rows: list[tuple[str, str]]) -> str:
    Path("mine.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return "mine.csv"


def said(lines: list[str], pattern: str) -> list[str]:
    return [line for line in lines if re.search(pattern, line)]


@installed
def test_case_02_says_which_labels_flan_t5_cannot_write(flan_cache: Path) -> None:
    lines, suite = init(CASES / "02-unwritable-labels" / "adult.csv", flan_cache, "flan_t5_small")
    (line,) = said(lines, "cannot be written")
    assert "132 of 240 labels (55 %)" in line
    assert "'<=50K' becomes '=50K'" in line
    assert "smollm2" in line
    assert "132 of 240 labels (55 %)" in " ".join(Path("made.yaml").read_text(encoding="utf-8").split("\n# "))
    assert suite.tasks["adult"].max_target_tokens == 8
    refused = bench("plan", "made.yaml", "--cache", flan_cache, "--no-calibrate")
    assert refused.exit_code == 2
    assert "1 of 2 classes" in refused.stderr


def test_case_03_has_three_classes_and_nothing_that_differs_in_form(cache: Path) -> None:
    lines, suite = init(CASES / "03-decomposed-unicode" / "nfd.csv", cache)
    assert suite.metrics["classification"].model_dump()["classes"] == ("pi\u00f1ata", "r\u00e9sum\u00e9", "caf\u00e9")
    assert said(lines, "spellings") == []


def test_case_22_labels_that_cannot_be_seen_are_none(cache: Path) -> None:
    lines, suite = init(CASES / "22-odd-text" / "odd.csv", cache)
    assert said(lines, "^87 labels .* invisible")
    assert said(lines, "^160 rows: 73 .* 87 ")
    assert len(suite.tasks["odd"].splits(cache, no_progress).unlabelled) >= 87


def test_spellings_that_differ_in_normal_form_are_one_class_and_are_counted(cache: Path) -> None:
    spelt = ("caf\u00e9", "cafe\u0301", "caf\u00e9\u200b", "tea")
    lines, suite = init(write([(f"document {i}", spelt[i % 4]) for i in range(120)]), cache)
    assert suite.metrics["classification"].model_dump()["classes"] == ("caf\u00e9", "tea")
    assert said(lines, "^2 spellings ")


def test_documents_that_differ_in_normal_form_are_repeated(cache: Path) -> None:
    spelt = ("caf\u00e9", "cafe\u0301")
    rows = [(f"document {i // 2} {spelt[i % 2]}", f"label {i // 2} {spelt[i % 2]}") for i in range(160)]
    lines, _ = init(write(rows), cache)
    (line,) = said(lines, "^Left out: 80 rows")
    assert re.findall(r"\d+", line) == ["80"]


def test_what_is_mostly_unknown_sizes_no_limit_and_what_is_not_does(cache: Path, lacking: Path) -> None:
    rows = [(f"{CHINESE * 3} {i}", f"{CHINESE} {i}") for i in range(120)]
    lines, suite = init(write(rows), cache, lacking)
    task = suite.tasks["mine"]
    assert (task.max_source_tokens, task.max_target_tokens) == (SOURCE_LIMITS[-1], TARGET_LIMITS[-1])
    assert said(lines, "120 of 120 documents .* unknown")
    assert said(lines, r"120 of 120 labels \(100 %\)")
    limits = [line for line in Path("made.yaml").read_text(encoding="utf-8").splitlines() if re.search("max_(source|target)_tokens", line)]
    assert ["largest" in line for line in limits] == [True, True]
    lines, suite = init("mine.csv", cache)
    assert (suite.tasks["mine"].max_source_tokens, suite.tasks["mine"].max_target_tokens) < (SOURCE_LIMITS[-1], TARGET_LIMITS[-1])
    assert said(lines, "unknown|written:") == []


def test_the_limit_of_labels_takes_every_class_with_its_end_token(cache: Path, lacking: Path) -> None:
    names = ("yes", "perhapsmaybe", "no")  # 14 tokens with those before and behind
    _, suite = init(write([(f"document {i}", names[i % 3]) for i in range(120)]), cache, lacking)
    assert suite.tasks["mine"].max_target_tokens == 16
    assert bench("plan", "made.yaml", "--cache", cache, "--no-calibrate").exit_code == 0
