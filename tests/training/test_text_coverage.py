"""What a tokenizer loses of documents and labels is counted as training and generation lose it."""

from pathlib import Path

import pytest
from tokenizers import normalizers

from bench.contracts import nfkc_form, normal_form
from bench.models.random import Random
from bench.training.checkpoints import load_tokenizer
from bench.training.text_coverage import MEASURED, Coverage, comparison_form
from tests.tokenizers import unigram, without_unknown

COMPATIBLE = {"\ufb01": "fi", "\u2460": "1", "\uff21": "A", "\u00b2": "2"}
ANY_SCRIPT = ("<=50K {x} ~", "\u65e5\u672c", "pi\u00f1ata", "\u0939\u093f\u0928\u094d\u0926\u0940", "\U0001f600", "\u00bd \u2460", "plain")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def lacking(cache: Path) -> Coverage:
    """Coverage of a tokenizer that applies NFKC, and knows letters, digits and little else."""
    return Coverage(unigram(cache, cache / "lacking", normalizers.NFKC()))


@pytest.mark.parametrize("family", ["t5_v1_1", "bart", "pegasus", "llama"])
def test_a_tokenizer_that_falls_back_on_bytes_loses_nothing(family: str, cache: Path) -> None:
    coverage = Coverage(Random(family=family).folder(cache))
    assert coverage.written(ANY_SCRIPT) == [*ANY_SCRIPT]
    read, written = coverage.of_texts(ANY_SCRIPT, 64), coverage.of_labels(ANY_SCRIPT)
    assert (read.texts, read.holding, read.share_of_text, read.characters) == (7, 0, 0, ())
    assert (written.labels, written.lost) == (7, 0)


@pytest.mark.parametrize("make", [unigram, without_unknown])
def test_unknown_characters_are_counted_whether_they_become_a_token_or_vanish(make: object, cache: Path, tmp_path: Path) -> None:
    coverage = Coverage(make(cache, tmp_path / "made"))  # type: ignore[operator]
    read = coverage.of_texts(["abc", "a<b", "<< \u65e5 abc", "\u200b"], 64)
    assert (read.texts, read.holding, read.characters) == (4, 2, ("<", "\u65e5"))
    assert read.share_of_text == pytest.approx(4 / 13)
    assert coverage.written(["a<b", "<", "ab"]) == ["ab", "", "ab"]


def test_what_is_cut_off_and_the_prefix_do_not_count(lacking: Coverage) -> None:
    assert lacking.of_texts(["abcdefgh <"], 64).holding == 1
    assert lacking.of_texts(["abcdefgh <"], 8).holding == 0
    behind = lacking.of_texts(["abc"], 64, prefix="<b>: ")
    assert (behind.holding, behind.share_of_text) == (0, 0)


def test_a_label_survives_in_another_case_spacing_and_compatible_spelling(cache: Path, tmp_path: Path, lacking: Coverage) -> None:
    labels = ["a  b", "\uff21\u2460", "\ufb01ne", "Yes"]
    assert lacking.of_labels(labels).lost == 0
    lower = Coverage(unigram(cache, tmp_path / "lower", normalizers.Lowercase()))
    found = lower.of_labels(labels)
    assert (found.lost, [label for label, _ in found.examples]) == (2, ["\uff21\u2460", "\ufb01ne"])


def test_lost_labels_are_counted_as_often_as_they_are_written(lacking: Coverage) -> None:
    found = lacking.of_labels(["<=50K"] * 3 + ["50K"] * 5 + ["a~b"] * 2 + ["a</s>b"])
    assert (found.of, found.labels, found.lost, found.words_lost, found.mostly_lost) == (11, 11, 6, 1, False)
    assert found.examples == (("<=50K", "=50K"), ("a~b", "ab"), ("a</s>b", "a b"))


def test_labels_are_mostly_lost_where_more_than_half_lose_a_letter_or_digit(lacking: Coverage) -> None:
    assert not lacking.of_labels(["se\u00f1or", "`a` <b>", "a"]).mostly_lost
    assert lacking.of_labels(["se\u00f1or", "\u65e5", "a"]).mostly_lost


def test_the_example_of_a_long_label_shows_what_is_lost(lacking: Coverage) -> None:
    found = lacking.of_labels(["a " * 100 + "<b>" + " c" * 100])
    assert "<b> c" in found.sentence()
    assert len(found.sentence()) < 200


def test_a_long_label_is_not_cut(lacking: Coverage) -> None:
    assert lacking.of_labels(["abc " * 400]).lost == 0
    assert lacking.target_tokens(["abc", "a"]) == [5, 3]


def test_no_text_loses_nothing(lacking: Coverage) -> None:
    assert (lacking.of_texts([], 8).holding, lacking.of_labels([]).lost, lacking.of_texts([" "], 8).share_of_text) == (0, 0, 0)


def test_of_many_texts_a_fixed_part_is_looked_at(lacking: Coverage) -> None:
    texts = [f"<{i}" if i % 4 == 0 else f"{i}" for i in range(3 * MEASURED)]
    found = lacking.of_texts(texts, 16)
    assert found == lacking.of_texts(texts[::-1], 16)
    assert (found.of, found.texts) == (3 * MEASURED, MEASURED)
    assert found.holding / MEASURED == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("normalizer", "nfkc"),
    [
        (None, False),
        (normalizers.NFC(), False),
        (normalizers.Lowercase(), False),
        (normalizers.NFKC(), True),
        (normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.NFKC(), normalizers.Lowercase()]), True),
        (normalizers.Sequence([normalizers.Replace(*pair) for pair in COMPATIBLE.items()]), True),
    ],
)
def test_nfkc_is_found_by_what_a_tokenizer_does(normalizer: normalizers.Normalizer, nfkc: bool, cache: Path, tmp_path: Path) -> None:
    form = comparison_form(load_tokenizer(unigram(cache, tmp_path / "made", normalizer)))
    assert form is (nfkc_form if nfkc else normal_form)
