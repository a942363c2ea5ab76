import pytest
import torch

from bench.contracts import Compact
from bench.errors import CheckpointError
from bench.published import rows
from bench.training.checkpoints import load, save, sinusoids
from bench.training.shrinking import describe, layer_counts, layers_to_keep, shrink, shrunk_config, supervised_layers
from tests.facts import missing, unmatched
from tests.training.conftest import FAMILIES

TABLE = rows("shleifer2020_layers")

with_encoder = pytest.mark.parametrize("family", ["t5", "t5_v1_1", "mt5", "bart", "pegasus"], indirect=True)
without_encoder = pytest.mark.parametrize("family", ["llama"], indirect=True)
first_layer_is_special = pytest.mark.parametrize("family", ["t5", "t5_v1_1", "mt5"], indirect=True)
two_families = pytest.mark.parametrize("family", ["t5_v1_1", "llama"], indirect=True)
any_layer_first = pytest.mark.parametrize("family", ["bart", "pegasus", "llama"], indirect=True)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['teacher_layers']} to {row['student_layers']}")
def test_layers_are_those_of_the_published_table(row):
    teacher, student = int(row["teacher_layers"]), int(row["student_layers"])
    kept = layers_to_keep(teacher, student)
    assert (kept.layers, kept.rule) == (tuple(map(int, row["copied"].split())), "published")
    assert len(kept.layers) == student
    if row["supervised"]:
        assert supervised_layers(teacher, student) == tuple(map(int, row["supervised"].split()))


@pytest.mark.parametrize(
    ("teacher", "student", "copied", "supervised"),
    [(12, 3, (0, 6, 11), (3, 7, 11)), (16, 4, (0, 5, 10, 15), (4, 9, 12, 15)), (6, 4, (0, 1, 3, 5), (1, 2, 4, 5))],
)
def test_the_pairs_that_the_paper_is_about(teacher, student, copied, supervised):
    """distilbart-12-3, distill-pegasus-16-4, and Marian: make_student.py."""
    assert layers_to_keep(teacher, student).layers == copied
    assert supervised_layers(teacher, student) == supervised


@pytest.mark.parametrize(
    ("teacher", "student", "layers"), [(8, 4, (0, 2, 5, 7)), (8, 2, (0, 7)), (8, 1, (0,)), (24, 4, (0, 8, 15, 23)), (12, 11, None)]
)
def test_other_pairs_are_evenly_spaced_and_say_so(teacher, student, layers):
    kept = layers_to_keep(teacher, student)
    assert kept.rule == "evenly spaced"
    assert missing(kept, "evenly spaced", "published table") == []
    assert layers is None or kept.layers == layers
    assert len(set(kept.layers)) == student
    assert kept.layers[0] == 0
    assert student == 1 or kept.layers[-1] == teacher - 1


@pytest.mark.parametrize(
    ("teacher", "student", "layers"), [(8, 3, (2, 5, 7)), (16, 2, (7, 15)), (12, 4, (2, 5, 8, 11)), (3, 5, None), (7, 7, None)]
)
def test_without_a_published_pair_supervision_is_evenly_spaced_and_ends_at_the_last_layer(teacher, student, layers):
    found = supervised_layers(teacher, student)
    assert layers is None or found == layers
    assert list(found) == sorted(found)
    assert (len(found), found[-1]) == (student, teacher - 1)
    assert found[0] >= 0


def test_a_layer_of_as_many_is_supervised_by_its_own():
    assert supervised_layers(4, 4) == (0, 1, 2, 3)


def test_all_layers_of_as_many_are_kept():
    assert layers_to_keep(7, 7) == layers_to_keep(7, None)
    assert layers_to_keep(7, None).layers == tuple(range(7))


@with_encoder
def test_the_layers_that_are_kept_are_described(model_and_tokenizer):
    assert (
        unmatched(
            describe(model_and_tokenizer[0].config, Compact(decoder_layers=2, encoder_layers=(0, 3, 3))),
            ("encoder", "layers 0 3 3 of 4", "suite"),
            ("decoder", "layers 0 3 of 4", "evenly spaced", "published table"),
        )
        == []
    )


@without_encoder
def test_neither_a_missing_encoder_nor_a_whole_stack_is_described(model_and_tokenizer):
    config = model_and_tokenizer[0].config
    assert describe(config, Compact()) == ()
    assert unmatched(describe(config, Compact(decoder_layers=(0, 1))), ("decoder", "layers 0 1 of 4", "suite")) == []


@with_encoder
def test_a_compact_shape_keeps_all_layers_where_it_says_nothing(model_and_tokenizer):
    config = model_and_tokenizer[0].config
    assert layer_counts(shrunk_config(config, Compact())) == (4, 4)
    assert layer_counts(shrunk_config(config, Compact(decoder_layers=2))) == (4, 2)
    assert layer_counts(shrunk_config(config, Compact(encoder_layers=(0, 2, 3), decoder_layers=(0,)))) == (3, 1)


@pytest.mark.parametrize(
    ("compact", "message"),
    [
        (Compact(decoder_layers=5), "decoder layers .* 5 .* 4$"),
        (Compact(decoder_layers=(0, 4)), "no layer 4"),
    ],
)
@two_families
def test_layers_that_are_not_there_are_refused(model_and_tokenizer, compact, message):
    with pytest.raises(CheckpointError, match=message):
        shrunk_config(model_and_tokenizer[0].config, compact)


@without_encoder
def test_a_decoder_only_model_has_no_encoder_layers_to_keep(model_and_tokenizer):
    config = model_and_tokenizer[0].config
    assert layer_counts(config) == (0, 4)
    with pytest.raises(CheckpointError, match=r"llama .*no encoder"):
        shrunk_config(config, Compact(encoder_layers=2))


@first_layer_is_special
@pytest.mark.parametrize("layers", [(1, 2), (0, 0, 0), (2, 0), (0, 1, 0)])
@pytest.mark.parametrize("stack", ["encoder_layers", "decoder_layers"])
def test_the_layer_with_the_relative_positions_comes_first_and_once(model_and_tokenizer, layers, stack):
    with pytest.raises(CheckpointError, match="positions"):
        shrunk_config(model_and_tokenizer[0].config, Compact(**{stack: layers}))


def _generated(model, tokenizer) -> torch.Tensor:
    ids = torch.tensor([tokenizer("Return the number of bytes.").input_ids])
    return model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, min_new_tokens=12, do_sample=False)


COUNT, NAMED, ONE = Compact(decoder_layers=2), Compact(decoder_layers=(0, 2, 2, 3)), Compact(decoder_layers=(0,))
SHAPES = [*((family, NAMED) for family in FAMILIES), *((family, shape) for family in ("t5", "llama") for shape in (COUNT, ONE))]


@pytest.mark.parametrize(("family", "compact"), SHAPES, indirect=["family"], ids=str)
def test_a_shrunk_model_is_the_same_after_a_save_and_a_reload(model_and_tokenizer, family, tmp_path, logits, compact):
    model, tokenizer = model_and_tokenizer
    both = compact if family == "llama" else compact.model_copy(update={"encoder_layers": (0, 1, 3, 3)})
    expected = layer_counts(shrunk_config(model.config, both))
    shrink(model, both)
    save(model, tokenizer, tmp_path)
    reloaded, _ = load(tmp_path)
    assert layer_counts(reloaded.config) == layer_counts(model.config) == expected
    assert torch.allclose(logits(reloaded), logits(model), atol=1e-5)
    assert torch.equal(_generated(reloaded, tokenizer), _generated(model, tokenizer))


@pytest.mark.parametrize("family", ["pegasus"], indirect=True)
def test_positions_of_a_shrunk_pegasus_equal_the_formula_right_after_a_reload(model_and_tokenizer, tmp_path):
    model, tokenizer = model_and_tokenizer
    shrink(model, Compact(encoder_layers=2, decoder_layers=(3, 3)))
    save(model, tokenizer, tmp_path)
    reloaded = load(tmp_path)[0]
    for stack in (reloaded.get_encoder(), reloaded.get_decoder()):
        assert torch.allclose(stack.embed_positions.weight, sinusoids(*stack.embed_positions.weight.shape), atol=1e-6)


def test_a_shrunk_model_generates_the_same_with_and_without_its_cache(model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    shrink(model, Compact(decoder_layers=(0, 2, 2)))
    cached = _generated(model, tokenizer)
    model.generation_config.use_cache = False
    assert torch.equal(cached, _generated(model, tokenizer))


def test_the_config_of_a_shrunk_model_is_known_without_its_weights(model_and_tokenizer):
    model, _ = model_and_tokenizer
    compact = Compact(decoder_layers=(0, 2))
    foreseen = shrunk_config(model.config, compact)
    assert layer_counts(model.config)[1] == 4
    shrink(model, compact)
    assert foreseen.to_dict() == model.config.to_dict()


def _decoder_layers(model):
    decoder = model.get_decoder()
    return decoder.block if hasattr(decoder, "block") else decoder.layers


def test_the_layers_kept_are_those_of_the_large_model(checkpoint, cache):
    large, compact = load(checkpoint.folder(cache))[0], load(checkpoint.folder(cache))[0]
    shrink(compact, Compact(decoder_layers=(0, 3, 1, 3)))
    blocks, kept = _decoder_layers(large), _decoder_layers(compact)
    assert len(kept) == 4
    for own, i in zip(kept, (0, 3, 1, 3), strict=True):
        theirs = blocks[i].state_dict()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in own.state_dict().items())


def test_a_layer_named_twice_learns_as_two(model_and_tokenizer):
    model, _ = model_and_tokenizer
    shrink(model, Compact(decoder_layers=(0, 3, 3)))
    one, other = _decoder_layers(model)[1:]
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}


@any_layer_first
def test_the_baseline_of_the_first_layer_alone_can_be_built(model_and_tokenizer, logits):
    """d_layers_to_copy=[0,0,0] of the published code (transformers #7639)."""
    shrink(model_and_tokenizer[0], Compact(decoder_layers=(0, 0, 0)))
    assert logits(model_and_tokenizer[0]).isfinite().all()


def test_a_list_of_what_layers_attend_to_is_shrunk_with_them():
    """Qwen2's config counts `layer_types`, and cannot be saved where they are not as many as its layers."""
    from transformers import Qwen2Config

    config = Qwen2Config(num_hidden_layers=4, use_sliding_window=True, max_window_layers=2)
    shrunk = shrunk_config(config, Compact(decoder_layers=(0, 1, 3)))
    assert shrunk.layer_types == ["full_attention", "full_attention", "sliding_attention"]
    assert shrunk.num_hidden_layers == 3


def test_keeping_all_layers_changes_nothing(model_and_tokenizer, logits):
    model, _ = model_and_tokenizer
    before = logits(model)
    shrink(model, Compact())
    assert torch.equal(before, logits(model))
