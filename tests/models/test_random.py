import pytest
import torch

from bench.models.random import Random
from bench.training.checkpoints import load, load_tokenizer

FAMILIES = ("t5", "t5_v1_1", "mt5", "bart", "pegasus", "llama")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_settings_make_the_same_model_and_tokenizer(family, tmp_path):
    one, other = (Random(family=family).folder(tmp_path / name) for name in ("one", "other"))
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_another_seed_makes_other_weights_beside_the_first(tmp_path):
    one, other = (load(Random(seed=seed).folder(tmp_path))[0] for seed in (0, 1))
    assert not torch.equal(one.shared.weight, other.shared.weight)


def test_the_global_generator_is_left_alone(tmp_path):
    state = torch.get_rng_state()
    Random().folder(tmp_path)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("text", ["Return the number of bytes.", "naïve café, 数字 ☃", "  two  spaces\n"])
def test_any_text_survives_its_tokenizer(family, text, cache):
    tokenizer = load_tokenizer(Random(family=family).folder(cache))
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("family", ["t5", "t5_v1_1", "mt5", "bart", "pegasus"])
def test_outputs_start_as_in_the_real_family(family, tmp_path):
    model, tokenizer = load(Random(family=family).folder(tmp_path))
    assert tokenizer.convert_ids_to_tokens(model.generation_config.decoder_start_token_id) == ("</s>" if family == "bart" else "<pad>")


def test_its_shape_is_what_was_asked_for(tmp_path):
    model, _ = load(Random(family="pegasus", encoder_layers=2, decoder_layers=3, width=16, feed_forward=24, heads=4).folder(tmp_path))
    config = model.config
    assert (config.encoder_layers, config.decoder_layers, config.d_model) == (2, 3, 16)
    assert (config.decoder_ffn_dim, config.decoder_attention_heads) == (24, 4)


def test_llama_is_all_decoder_and_its_queries_share_keys(tmp_path):
    random = Random(family="llama", decoder_layers=3, width=48, heads=4)
    model, tokenizer = load(random.folder(tmp_path))
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.num_key_value_heads) == (3, 48, 4, 2)
    assert random.title == "random llama (3, d 48)"
    assert tokenizer.pad_token is None
    assert tokenizer("a list").input_ids[-1] != tokenizer.eos_token_id


@pytest.mark.parametrize(("family", "gaps"), [("t5", 100), ("t5_v1_1", 100), ("mt5", 100), ("pegasus", 2)])
def test_what_stands_for_gaps_in_pretraining_is_one_token_each(family, gaps, cache):
    tokenizer = load_tokenizer(Random(family=family).folder(cache))
    names = ["<mask_1>", "<mask_2>"] if family == "pegasus" else [f"<extra_id_{i}>" for i in range(gaps)]
    ids = tokenizer("".join(names), add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids) == names
    assert set(ids) <= set(tokenizer.all_special_ids)


def test_a_folder_left_by_a_killed_process_is_made_anew(tmp_path):
    folder = Random().folder(tmp_path)
    part = folder.with_name(folder.name + ".0123456789abcdef.part")
    folder.rename(part)
    (part / "model.safetensors").write_bytes(b"cut off")
    load(Random().folder(tmp_path))
    assert not part.exists()
