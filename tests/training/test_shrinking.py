import csv
from pathlib import Path

import pytest
import torch

from bench.contracts import Compact
from bench.errors import CheckpointError
from bench.training.models import load, save
from bench.training.shrinking import PUBLISHED, counts_of, layer_counts, layers_to_keep, shrink

LINES = (Path(__file__).parent / "data" / "shleifer2020_layers.csv").read_text().splitlines()
TABLE = list(csv.DictReader(line for line in LINES if not line.startswith("#")))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['teacher_layers']} to {row['student_layers']}")
def test_layers_are_those_of_the_published_table(row):
    kept = layers_to_keep(int(row["teacher_layers"]), int(row["student_layers"]))
    assert kept.layers == tuple(map(int, row["copied"].split()))
    assert kept.published


def test_the_table_holds_nothing_else():
    assert sum(map(len, PUBLISHED.values())) == len(TABLE)


@pytest.mark.parametrize(
    ("teacher", "student", "layers"), [(8, 4, (0, 2, 5, 7)), (8, 2, (0, 7)), (8, 1, (0,)), (24, 4, (0, 8, 15, 23)), (12, 11, None)]
)
def test_other_pairs_are_evenly_spaced_and_say_so(teacher, student, layers):
    kept = layers_to_keep(teacher, student)
    assert not kept.published
    assert "evenly spaced" in str(kept)
    assert layers is None or kept.layers == layers
    assert len(set(kept.layers)) == student
    assert kept.layers[0] == 0
    assert student == 1 or kept.layers[-1] == teacher - 1


def test_all_layers_of_as_many_are_kept():
    assert layers_to_keep(7, 7).layers == tuple(range(7))


def test_more_layers_than_there_are_are_refused():
    with pytest.raises(CheckpointError, match="asks for 9 layers, the large model has 8"):
        layers_to_keep(8, 9)


def test_a_compact_shape_keeps_all_layers_where_it_says_nothing(model_and_tokenizer):
    config = model_and_tokenizer[0].config
    assert counts_of(config, Compact()) == (4, 4)
    assert counts_of(config, Compact(decoder_layers=2)) == (4, 2)
    with pytest.raises(CheckpointError, match="5 decoder layers, the large model has 4"):
        counts_of(config, Compact(decoder_layers=5))


def _generated(model, tokenizer) -> torch.Tensor:
    ids = torch.tensor([tokenizer("Return the number of bytes.").input_ids])
    return model.generate(input_ids=ids, max_new_tokens=12, min_new_tokens=12, do_sample=False)


def test_a_shrunk_model_is_the_same_after_a_save_and_a_reload(model_and_tokenizer, tmp_path, logits):
    model, tokenizer = model_and_tokenizer
    shrink(model, 3, 2)
    save(model, tokenizer, tmp_path)
    reloaded, _ = load(tmp_path)
    assert layer_counts(reloaded.config) == (3, 2)
    assert torch.allclose(logits(reloaded), logits(model), atol=1e-5)
    assert torch.equal(_generated(reloaded, tokenizer), _generated(model, tokenizer))


def test_a_shrunk_model_generates_the_same_with_and_without_its_cache(model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    shrink(model, 2, 2)
    cached = _generated(model, tokenizer)
    model.generation_config.use_cache = False
    assert torch.equal(cached, _generated(model, tokenizer))


def test_the_layers_kept_are_those_of_the_large_model(checkpoint, cache):
    large, compact = load(checkpoint.folder(cache))[0], load(checkpoint.folder(cache))[0]
    shrink(compact, 4, 2)
    name = "block" if hasattr(large.get_decoder(), "block") else "layers"
    blocks, kept = getattr(large.get_decoder(), name), getattr(compact.get_decoder(), name)
    for i, j in enumerate((0, 3)):
        theirs = blocks[j].state_dict()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in kept[i].state_dict().items())
    assert len(kept) == 2


def test_keeping_all_layers_changes_nothing(model_and_tokenizer, logits):
    model, _ = model_and_tokenizer
    before = logits(model)
    shrink(model, 4, 4)
    assert torch.equal(before, logits(model))
