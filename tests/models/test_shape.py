import pytest
import torch
from pydantic import ValidationError

from bench.errors import CheckpointError
from bench.models._tokenizers import from_docstrings, learnt
from bench.models.shape import Shaped
from bench.training.checkpoints import head_is_tied, load, load_tokenizer, save, sinusoids
from bench.training.lean_operators import with_lean_operators
from bench.training.shapes import build

FAMILIES = ("t5", "t5_v1_1", "mt5", "pegasus", "bart")
TINY = {"el": 2, "dl": 1, "dm": 16, "ff": 24, "nh": 2, "vocabulary": 512}


@pytest.fixture(scope="module")
def cache(new_cache):
    return new_cache()


def logits(model):
    generator = torch.Generator().manual_seed(1)
    ids, labels = (torch.randint(5, model.config.vocab_size, (2, n), generator=generator) for n in (7, 5))
    with torch.no_grad():
        return model(input_ids=ids, labels=labels).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_on_disk_has_the_logits_of_the_one_that_was_built(family, cache):
    part = Shaped(family=family, **TINY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(part.seed)
        built = build(part.shape, part.vocabulary).eval()
    model, _ = load(part.folder(cache))
    assert torch.equal(logits(model), logits(with_lean_operators(built)))
    assert model.config.model_type == {"t5_v1_1": "t5"}.get(family, family)
    assert head_is_tied(model) == (family not in ("t5_v1_1", "mt5"))


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_the_same_after_a_save_and_a_reload(family, cache, tmp_path):
    model, tokenizer = load(Shaped(family=family, **TINY).folder(cache))
    save(model, tokenizer, tmp_path)
    reloaded, its_tokenizer = load(tmp_path)
    assert torch.equal(logits(reloaded), logits(model))
    assert its_tokenizer.get_vocab() == tokenizer.get_vocab()


def test_pegasus_positions_equal_the_formula_after_a_reload(cache):
    model, _ = load(Shaped(family="pegasus", **TINY).folder(cache))
    for stack in (model.get_encoder(), model.get_decoder()):
        assert stack.embed_positions.weight.shape == (1024, 16)
        assert torch.allclose(stack.embed_positions.weight, sinusoids(1024, 16), atol=1e-6)


@pytest.mark.parametrize(
    ("family", "specials"),
    [
        ("t5", ["<pad>", "</s>", "<unk>", *(f"<extra_id_{i}>" for i in range(100))]),
        ("t5_v1_1", ["<pad>", "</s>", "<unk>", *(f"<extra_id_{i}>" for i in range(100))]),
        ("mt5", ["<pad>", "</s>", "<unk>", *(f"<extra_id_{i}>" for i in range(100))]),
        ("pegasus", ["<pad>", "</s>", "<mask_1>", "<mask_2>", "<unk>"]),
        ("bart", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
    ],
)
def test_special_tokens_are_single_tokens_and_no_text(family, specials, cache):
    tokenizer = load_tokenizer(Shaped(family=family, **TINY).folder(cache))
    ids = [tokenizer(f"a{token}b", add_special_tokens=False).input_ids for token in specials]
    assert [tokenizer.convert_ids_to_tokens(found) for found in ids] == [["a", token, "b"] for token in specials]
    assert set(tokenizer.all_special_tokens) == set(specials)
    assert tokenizer.decode(ids[-1], skip_special_tokens=True) == "ab"


@pytest.mark.parametrize("family", FAMILIES)
def test_ids_of_the_config_are_those_of_the_tokenizer(family, cache):
    model, tokenizer = load(Shaped(family=family, **TINY).folder(cache))
    assert (model.config.pad_token_id, model.config.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)
    start = tokenizer.convert_ids_to_tokens(model.generation_config.decoder_start_token_id)
    assert start == ("</s>" if family == "bart" else "<pad>")
    assert tokenizer("a").input_ids[-1] == tokenizer.eos_token_id
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings == 512


@pytest.mark.parametrize("text", ["Return the number of bytes.", "naïve café, 数字 ☃", "  two  spaces\n"])
def test_any_text_survives_the_tokenizer(text, cache):
    tokenizer = load_tokenizer(Shaped(**TINY).folder(cache))
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


def test_common_words_of_docstrings_are_single_tokens(cache):
    tokenizer = from_docstrings("t5", 4096, cache)
    assert tokenizer.tokenize("Return the number of objects") == ["Return", "Ġthe", "Ġnumber", "Ġof", "Ġobjects"]


def test_more_tokens_than_the_docstrings_hold_are_refused(new_cache):
    with pytest.raises(CheckpointError, match=r"1000000 tokens .*docstrings .* \d{5}$"):
        from_docstrings("t5", 1_000_000, new_cache())


def test_a_tokenizer_of_own_text_holds_no_more_than_the_text():
    assert len(learnt("bart", 4096, ["one and one"])) < 300


def test_the_same_settings_make_the_same_files(new_cache):
    one, other = (Shaped(**TINY).folder(new_cache()) for _ in range(2))
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_another_seed_makes_other_weights_beside_the_first(cache):
    one, other = (load(Shaped(**TINY, seed=seed).folder(cache))[0] for seed in (0, 1))
    assert not torch.equal(one.shared.weight, other.shared.weight)


def test_two_spellings_of_one_shape_are_one_folder(cache):
    tiny = {"name": "tiny", "dm": 16, "ff": 24, "nh": 2, "vocabulary": 512}
    assert Shaped(**tiny, dl=4, kv=64).folder(cache) == Shaped(**tiny, el=4).folder(cache)


def test_the_global_generator_is_left_alone(new_cache):
    state = torch.get_rng_state()
    Shaped(**TINY).folder(new_cache())
    assert torch.equal(state, torch.get_rng_state())


def test_a_title_reads_like_a_published_name():
    assert Shaped(name="small-nl16").title == "t5 small-nl16, random"
    assert Shaped(name="small-nl16", dm=96).title == "t5 small-nl16-dm96, random"
    assert Shaped(family="pegasus", el=2, dl=1, dm=16, ff=24, nh=2).title == "pegasus el2-dl1-dm16-ff24-nh2, random"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "smal-nl16"}, "did you mean 'small-nl16'"),
        ({"family": "pegasus", "name": "large", "nh": 3}, "heads"),
        ({"name": "base-sh"}, "heads share"),
        ({"el": 2}, ": dl, dm, ff, nh"),
        ({}, "el, dl, dm, ff"),
    ],
)
def test_an_impossible_shape_is_refused_when_the_suite_is_read(settings, told):
    with pytest.raises(ValidationError, match=told):
        Shaped(**settings)
