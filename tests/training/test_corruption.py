"""Text with gaps, and what stood in them."""

import json
import random
import shutil
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import Example
from bench.errors import CheckpointError
from bench.models.shape import Shaped
from bench.training.checkpoints import load_tokenizer
from bench.training.corruption import Corrupted, pieces, principal_sentences, span_corruption

SENTINELS = tuple(range(1000, 1100))
END = 1


@given(st.integers(2, 400), st.integers(0, 10**6))
def test_filling_each_gap_with_what_stands_after_its_sentinel_gives_the_text_back(length: int, seed: int) -> None:
    text = list(range(2, 2 + length))
    found = span_corruption(text, random.Random(seed), SENTINELS, END)
    assert found.source[-1] == found.target[-1] == END
    gaps: dict[int, list[int]] = {}
    for token in found.target[:-1]:
        if token in SENTINELS:
            gaps[token] = []
        else:
            list(gaps.values())[-1].append(token)
    filled = chain.from_iterable(gaps[token] if token in SENTINELS else [token] for token in found.source[:-1])
    assert list(filled) == text
    assert list(gaps) == list(SENTINELS[: len(gaps)])
    assert gaps[max(gaps)] == []


def test_fifteen_of_a_hundred_tokens_are_taken_out_in_gaps_of_three() -> None:
    for seed in range(20):
        found = span_corruption(range(2, 202), random.Random(seed), SENTINELS, END)
        assert sum(token not in SENTINELS for token in found.target[:-1]) == 30
        assert sum(token in SENTINELS for token in found.source) == 10
        assert found.source[0] == 2


def test_the_sentences_that_go_are_those_that_share_most_words_with_the_rest() -> None:
    document = ["It rained.", "The red cat sat on the red mat.", "Nothing else happened.", "A cat on a mat is red."]
    assert principal_sentences(document) == {1}
    assert principal_sentences(["Same words here.", "Same words here."]) == {0}
    assert len(principal_sentences([f"Sentence {i}." for i in range(10)])) == 3


DOCUMENTS = tuple(
    Example(str(i), f"Return the number {i} of the list. Raise an error when it is not there. Zero is fine.") for i in range(20)
)


@pytest.fixture(scope="module")
def shapes(new_cache):
    cache = new_cache()
    return lambda family: Shaped(family=family, el=1, dl=1, dm=16, ff=16, kv=8, nh=2, vocabulary=600).folder(cache)


def test_t5_reads_running_text_with_sentinels_in_it(shapes) -> None:
    folder = shapes("t5")
    count, corrupt = pieces(folder, DOCUMENTS, 32)
    tokenizer = load_tokenizer(folder)
    tokens = sum(len(tokenizer(e.source, add_special_tokens=False).input_ids) + 1 for e in DOCUMENTS)
    assert count == tokens // 32
    found = corrupt(0, random.Random(0))
    assert "<extra_id_0>" in tokenizer.decode(found.source)
    assert tokenizer.decode(found.target).startswith("<extra_id_0>")
    assert found.source[-1] == found.target[-1] == tokenizer.eos_token_id


def spelt_as_mt5_does(folder: Path, copy: Path) -> Path:
    """The same model and tokenizer, but the sentinels are pieces of the vocabulary such as '▁<extra_id_0>', and no special tokens."""
    shutil.copytree(folder, copy)
    tokenizer = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if not token["content"].startswith("<extra_id_")]
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {f"▁{name}" if name.startswith("<extra_id_") else name: i for name, i in vocabulary.items()}
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    settings = json.loads((copy / "tokenizer_config.json").read_text(encoding="utf-8"))
    del settings["extra_special_tokens"]
    (copy / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return copy


def test_the_sentinels_of_mt5_are_found_as_its_published_vocabulary_spells_them(shapes, tmp_path: Path) -> None:
    plain, published = shapes("mt5"), spelt_as_mt5_does(shapes("mt5"), tmp_path / "mt5")
    vocabulary = load_tokenizer(published).get_vocab()
    assert "▁<extra_id_0>" in vocabulary
    assert "<extra_id_0>" not in vocabulary
    found, expected = (pieces(folder, DOCUMENTS, 32)[1](0, random.Random(0)) for folder in (published, plain))
    assert found == expected
    assert found.target[0] == vocabulary["▁<extra_id_0>"]


def test_a_text_shorter_than_a_piece_is_one_piece(shapes) -> None:
    assert pieces(shapes("t5"), DOCUMENTS[:1], 400)[0] == 1


def test_pegasus_writes_the_sentences_that_were_taken_out(shapes) -> None:
    folder = shapes("pegasus")
    count, corrupt = pieces(folder, (*DOCUMENTS, Example("one", "A single sentence has no gap.")), 64)
    assert count == len(DOCUMENTS)
    tokenizer, found = load_tokenizer(folder), corrupt(3, random.Random(0))
    gone = tokenizer.decode(found.target, skip_special_tokens=True)
    left = tokenizer.decode(found.source)
    assert gone in DOCUMENTS[3].source
    assert gone not in left
    assert left.count("<mask_1>") == 1


def test_bart_is_refused_in_plain_words(shapes) -> None:
    with pytest.raises(CheckpointError, match="BART"):
        pieces(shapes("bart"), DOCUMENTS, 32)


def test_a_piece_is_corrupted_in_another_way_each_time_round_and_in_the_same_way_when_looked_at_again(shapes) -> None:
    part = pieces(shapes("t5"), DOCUMENTS, 32)
    data = Corrupted([part, part], seed=1)
    assert data.count == 2 * part[0]
    assert data[0] == Corrupted([part, part], seed=1)[0]
    assert data[0] != data[data.count]
    assert data[0] != Corrupted([part, part], seed=2)[0]
    assert sorted(data[data.piece(1, 0)].source)[-1] == sorted(data[0].source)[-1]
