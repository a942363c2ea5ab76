import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.errors import CheckpointError
from bench.models.random import Random
from bench.training.checkpoints import count_parameters, head_is_tied, load, load_tokenizer, save, sinusoids
from bench.training.model_folder import check_folder
from bench.training.shapes import UNTIED
from tests.training.conftest import ENCODER_DECODERS, smollm2_135m


def test_logits_are_the_same_after_a_save_and_a_reload(model_and_tokenizer, tmp_path, logits):
    model, tokenizer = model_and_tokenizer
    save(model, tokenizer, tmp_path)
    reloaded, its_tokenizer = load(tmp_path)
    assert torch.equal(logits(reloaded), logits(model))
    assert its_tokenizer.get_vocab() == tokenizer.get_vocab()


def test_a_tokenizer_is_read_once_while_its_files_stay(model_and_tokenizer, tmp_path):
    save(*model_and_tokenizer, tmp_path)
    first = load_tokenizer(tmp_path)
    assert load_tokenizer(tmp_path) is first
    first.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path) is not first


def test_tying_survives_a_save_and_a_reload(model_and_tokenizer, family, tmp_path):
    model, tokenizer = model_and_tokenizer
    assert head_is_tied(model) == (family not in UNTIED)
    with torch.no_grad():
        model.get_output_embeddings().weight += 1
    save(model, tokenizer, tmp_path)
    reloaded, _ = load(tmp_path)
    assert head_is_tied(reloaded) == (family not in UNTIED)
    assert torch.equal(reloaded.get_output_embeddings().weight, model.get_output_embeddings().weight)
    assert torch.equal(reloaded.get_input_embeddings().weight, model.get_input_embeddings().weight)


def test_an_untied_t5_keeps_its_decoder_output_unscaled(cache, tmp_path):
    model, tokenizer = load(Random(family="t5_v1_1").folder(cache))
    save(model, tokenizer, tmp_path)
    assert load(tmp_path)[0].config.scale_decoder_outputs is False
    assert load(Random(family="t5").folder(cache))[0].config.scale_decoder_outputs is True


def test_pegasus_positions_equal_the_formula_after_a_save_and_a_reload(cache, tmp_path):
    model, tokenizer = load(Random(family="pegasus").folder(cache))
    save(model, tokenizer, tmp_path)
    for stack in (load(tmp_path)[0].get_encoder(), load(tmp_path)[0].get_decoder()):
        weight = stack.embed_positions.weight
        assert torch.allclose(weight, sinusoids(*weight.shape), atol=1e-6)
        assert weight[3, 0].item() == pytest.approx(0.14112, abs=1e-5)  # sin 3
        assert weight[3, 16].item() == pytest.approx(-0.98999, abs=1e-5)  # cos 3


def test_pegasus_with_other_positions_is_refused(cache, tmp_path):
    model, tokenizer = load(Random(family="pegasus").folder(cache))
    model.get_encoder().embed_positions.weight.data.zero_()
    save(model, tokenizer, tmp_path)
    with pytest.raises(CheckpointError, match="sinusoidal positions differ"):
        load(tmp_path)


def test_parameters_of_t5_small_shapes_are_the_published_ones():
    """60.5 M and 77.0 M: google-t5/t5-small and google/t5-v1_1-small."""
    from transformers import T5Config, T5ForConditionalGeneration

    from bench.training.checkpoints import untie

    with torch.device("meta"):
        small = T5ForConditionalGeneration(T5Config())
        v1_1 = T5ForConditionalGeneration(T5Config(d_ff=1024, num_layers=8, num_heads=6, feed_forward_proj="gated-gelu"))
        untie(v1_1)
    assert count_parameters(small) == 60_506_624
    assert count_parameters(v1_1) == 76_961_152


def test_parameters_of_pegasus_large_are_the_published_ones():
    """568,699,904: positions, which are a formula, are not counted."""
    from transformers import PegasusConfig, PegasusForConditionalGeneration

    with torch.device("meta"):
        large = PegasusForConditionalGeneration(PegasusConfig(vocab_size=96103, encoder_layers=16, decoder_layers=16))
    assert count_parameters(large) == 568_699_904


def test_parameters_of_decoder_only_shapes_are_the_published_ones():
    """134,515,008 and 494,032,768: HuggingFaceTB/SmolLM2-135M and Qwen/Qwen2-0.5B."""
    from transformers import LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    sizes = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "vocab_size": 151936}
    with torch.device("meta"):
        smollm2 = LlamaForCausalLM(smollm2_135m())
        qwen2 = Qwen2ForCausalLM(Qwen2Config(**sizes, num_attention_heads=14, num_key_value_heads=2, tie_word_embeddings=True))
    assert count_parameters(smollm2) == 134_515_008
    assert count_parameters(qwen2) == 494_032_768


def test_dropout_is_replaced_everywhere(checkpoint, cache, logits):
    model, _ = load(checkpoint.folder(cache), dropout=0.0)
    model.train()
    assert torch.equal(logits(model), logits(model))
    rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
    assert rates <= {0.0}


def test_dropout_of_whatever_the_family_drops_out_is_set(checkpoint, cache, logits):
    """BART and Pegasus have three rates, of which config.dropout is one; Llama has that of attention alone."""
    model, _ = load(checkpoint.folder(cache), dropout=0.5)
    rates = {name: rate for name, rate in model.config.to_dict().items() if "dropout" in name and "classif" not in name}
    assert rates
    assert set(rates.values()) == {0.5}
    model.train()
    assert not torch.equal(logits(model), logits(model))


@pytest.mark.parametrize("family", ENCODER_DECODERS, indirect=True)
def test_the_checkpoints_own_dropout_is_kept_where_none_is_given(checkpoint, cache, logits):
    model, _ = load(checkpoint.folder(cache))
    model.train()
    assert not torch.equal(logits(model), logits(model))


def test_a_model_without_padding_token_pads_with_its_end_and_says_so(cache, tmp_path):
    folder = Random(family="llama").folder(cache)
    _config(shutil.copytree(folder, tmp_path / "llama"), pad_token_id=None)
    model, tokenizer = load(tmp_path / "llama")
    assert tokenizer.pad_token is None
    assert model.config.pad_token_id == model.generation_config.pad_token_id == tokenizer.eos_token_id
    save(model, tokenizer, tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["pad_token_id"] == tokenizer.eos_token_id


def test_an_output_ends_where_the_checkpoint_and_where_training_says(checkpoint, cache, tmp_path):
    model, tokenizer = load(checkpoint.folder(cache))
    model.generation_config.eos_token_id = 7
    save(model, tokenizer, tmp_path)
    assert load(tmp_path)[0].generation_config.eos_token_id == [7, tokenizer.eos_token_id]


def test_a_tokenizer_without_end_token_is_refused(cache, tmp_path):
    model, tokenizer = load(Random(family="llama").folder(cache))
    tokenizer.eos_token = None
    save(model, tokenizer, tmp_path)
    with pytest.raises(CheckpointError, match="no end token"):
        load(tmp_path)


def test_loading_says_nothing(checkpoint, cache, capfd):
    load(checkpoint.folder(cache))
    assert capfd.readouterr() == ("", "")


def _copy(cache, folder, family="t5"):
    model, tokenizer = load(Random(family=family).folder(cache))
    save(model, tokenizer, folder)
    return folder


def _config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        check_folder(tmp_path / "nowhere")


def test_a_folder_without_config_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        check_folder(tmp_path)


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_config_that_is_no_json_object_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match="is not"):
        check_folder(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt", "model.pkl", "last.ckpt"])
def test_pickled_weights_are_refused(cache, tmp_path, name):
    _copy(cache, tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"only pickled weights .{name}"):
        check_folder(tmp_path)


def test_pickled_weights_beside_safetensors_are_left_alone(cache, tmp_path):
    _copy(cache, tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    load(tmp_path)


def test_remote_code_is_refused(cache, tmp_path):
    _config(_copy(cache, tmp_path), auto_map={"AutoModel": "modeling.Mine"})
    with pytest.raises(CheckpointError, match="remote code"):
        check_folder(tmp_path)


def test_other_families_are_refused_by_name(cache, tmp_path):
    _config(_copy(cache, tmp_path), model_type="gpt2")
    with pytest.raises(CheckpointError, match=r"'gpt2'.* \(t5, mt5, bart, pegasus\) .* \(llama, qwen2\)"):
        check_folder(tmp_path)


def test_a_folder_without_tokenizer_is_refused(cache, tmp_path):
    (_copy(cache, tmp_path) / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match="no tokenizer"):
        check_folder(tmp_path)


def test_missing_tensors_are_refused(cache, tmp_path):
    _config(_copy(cache, tmp_path), num_layers=5)
    with pytest.raises(CheckpointError, match=r"missing keys .* encoder\.block\.4"):
        load(tmp_path)


def test_tensors_of_another_shape_are_refused(cache, tmp_path):
    path = _copy(cache, tmp_path) / "model.safetensors"
    weights = load_file(path)
    name = "encoder.block.1.layer.0.SelfAttention.q.weight"
    save_file({**weights, name: weights[name][:3].clone()}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="mismatched keys"):
        load(tmp_path)


def test_damaged_weights_are_refused(cache, tmp_path):
    path = _copy(cache, tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="weights cannot be read"):
        load(tmp_path)
