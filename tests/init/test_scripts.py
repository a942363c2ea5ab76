"""`bench init` chooses how ROUGE reads labels by their script."""

import random
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.models.random import Random
from bench.suite import suite_file

CASE = Path(__file__).parents[1] / "cases" / "01-non-latin"

WORDS = {
    "english": "the old mill on a street sold warm bread and cold milk while rain fell",
    "french": "été à la forêt où l'élève répète sa leçon déjà apprise très tôt hier",
    "vietnamese": "bảo tàng mở cửa hôm nay và ngày mai cho học sinh",
    "hindi": "भारत की राजधानी नई दिल्ली है और यहाँ बहुत लोग रहते हैं",
    "thai": "กรุงเทพ เมืองหลวง ประเทศไทย แม่น้ำ เจ้าพระยา วัด ตลาด โรงเรียน",
    "japanese": "東京 日本 首都 です カタカナ 学校 市場 橋 山",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    Random().folder(folder)
    return folder


def init(cache: Path, file: Path) -> tuple[suite_file.Suite, str]:
    result = CliRunner().invoke(main, ["init", "--model", "random", "--cache", str(cache), "--out", "mine.yaml", str(file)])
    assert result.exit_code == 0, result.output
    return suite_file.read(Path("mine.yaml")), result.output


@pytest.mark.parametrize(("name", "tokenizer", "typical"), [("ru", "unicode", 6), ("zh", "characters", 12)])
def test_the_case_is_written_with_the_tokenizer_that_suits_it(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tokenizer: str, typical: int
) -> None:
    monkeypatch.chdir(tmp_path)
    suite, said = init(cache, CASE / f"{name}.csv")
    assert suite.metrics["rouge"].model_dump() == {"stemmer": True, "tokenizer": tokenizer}
    (task,) = suite.tasks.values()
    assert task.model_dump()["lead_words"] == typical
    why = f"`{tokenizer}`: 100 %"
    assert said.count(why) == 1
    comments = [line for line in Path("mine.yaml").read_text(encoding="utf-8").splitlines() if why in line.partition("#")[2]]
    assert len(comments) == 2  # at the top, and at the metric


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [
        ("english", "latin"),
        ("french", "unicode"),
        ("vietnamese", "unicode"),
        ("hindi", "unicode"),
        ("thai", "characters"),
        ("japanese", "characters"),
    ],
)
def test_a_suite_is_written_that_its_own_metric_does_not_warn_of(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, tokenizer: str
) -> None:
    monkeypatch.chdir(tmp_path)
    draw, words = random.Random(1), WORDS[language].split()
    between = "" if tokenizer == "characters" else " "
    texts = [between.join(draw.choices(words, k=30)) + f" {place}" for place in range(120)]
    labels = [between.join(draw.choices(words, k=8)) for _ in texts]
    pd.DataFrame({"document": texts, "summary": labels}).to_csv("mine.csv", index=False)
    suite, _ = init(cache, Path("mine.csv"))
    metric = suite.metrics["rouge"]
    assert metric.model_dump()["tokenizer"] == tokenizer
    assert metric.check(labels) == []


def test_columns_without_spaces_are_told_apart_by_their_length(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw = random.Random(1)
    rows = [("".join(draw.choices("山川木水火土金日月", k=60)), "".join(draw.choices("山川木水火土金日月", k=9))) for _ in range(120)]
    pd.DataFrame(rows, columns=["甲", "乙"])[["乙", "甲"]].to_csv("mine.csv", index=False)
    suite, _ = init(cache, Path("mine.csv"))
    (task,) = suite.tasks.values()
    assert (task.model_dump()["source"], task.model_dump()["target"]) == ("甲", "乙")


def test_labels_stand_in_documents_that_spell_their_accents_otherwise(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words, rng = WORDS["vietnamese"].split(), random.Random(3)
    labels = [" ".join(rng.choices(words, k=5)) for _ in range(60)]
    documents = [unicodedata.normalize("NFD", f"{label}. {' '.join(rng.choices(words, k=9))} {i}") for i, label in enumerate(labels)]
    pd.DataFrame({"document": documents, "summary": labels}).to_csv("mine.csv", index=False)
    assert "60 of 60 documents" in init(cache, Path("mine.csv"))[1]
