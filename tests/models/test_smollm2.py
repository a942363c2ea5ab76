import sys
from importlib.util import find_spec

import pytest
import torch

from bench.contracts import Decoding
from bench.engines.torch import TorchModel
from bench.errors import CheckpointError
from bench.models import smollm2
from bench.models.smollm2 import INSTALL, PACKAGE, SmolLM2
from bench.training.checkpoints import count_parameters, head_is_tied, load

installed = pytest.mark.skipif(not (find_spec(PACKAGE) and find_spec("gguf")), reason=f"not installed: {INSTALL}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return SmolLM2().folder(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def model_and_tokenizer(folder):
    return load(folder)


@installed
def test_it_is_smollm2_135m(model_and_tokenizer):
    model, _ = model_and_tokenizer
    assert count_parameters(model) == 134_515_008
    assert head_is_tied(model)
    assert model.config.rope_parameters["rope_theta"] == 100_000
    assert PACKAGE not in sys.modules


@installed
def test_it_answers_a_question_and_ends(model_and_tokenizer):
    """Rows of queries and keys in the file's own order, or other positions, would give no sentence."""
    model, tokenizer = model_and_tokenizer
    chat = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
    source = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    engine = TorchModel(model, tokenizer, decoding=Decoding(), precision="fp32", device="cpu")
    output = engine.generate([source], 40)[0]
    assert output.text == "The capital of France is Paris."  # prose: written by the model
    assert output.tokens == 8


@installed
def test_english_surprises_it_little(model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    text = "The French Revolution began in 1789 and ended in 1799. It was a period of radical political and societal change in France."
    ids = torch.tensor([tokenizer(text).input_ids])
    with torch.no_grad():
        assert model(input_ids=ids, labels=ids).loss < 2.5  # chance: ln 49,152 = 10.8


@installed
@pytest.mark.parametrize("text", ["naïve café, 数字 ☃", "  two  spaces\n\n", "x2y 3.14e10 \t\r\n", "he'll"])
def test_any_text_survives_its_tokenizer(text, model_and_tokenizer):
    _, tokenizer = model_and_tokenizer
    assert tokenizer.decode(tokenizer(text).input_ids) == text


@installed
def test_digits_are_set_apart_before_anything_else(model_and_tokenizer):
    """What transformers makes of the same file gives 'a', two spaces, one space, '1', '2' here."""
    _, tokenizer = model_and_tokenizer
    assert tokenizer.tokenize("a   12") == ["a", "ĠĠĠ", "1", "2"]


@installed
def test_chats_are_framed_by_single_tokens_and_nothing_is_added_to_plain_text(model_and_tokenizer):
    _, tokenizer = model_and_tokenizer
    chat = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer(text).input_ids
    assert (ids.count(1), ids.count(2)) == (3, 2)
    assert tokenizer.decode(tokenizer("Hi").input_ids) == "Hi"
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (1, 2, 2)


@installed
def test_the_second_asking_converts_nothing(folder, monkeypatch):
    monkeypatch.setattr(smollm2, "_convert", pytest.fail)
    assert SmolLM2().folder(folder.parent.parent) == folder


def test_a_missing_package_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(smollm2, "PACKAGE", "no_such_package_here")
    with pytest.raises(CheckpointError) as raised:
        SmolLM2().folder(tmp_path)
    message = str(raised.value)
    assert INSTALL in message
    assert "`folder` or `hub`" in message
    assert "\n" not in message


@installed
def test_a_missing_reader_of_the_file_is_one_line_too(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(CheckpointError, match=r"^[^\n]*reads its file is missing; `pip install [^\n]*gguf==0.19.0`$"):
        SmolLM2().folder(tmp_path)


@pytest.mark.parametrize("content", [b"GGUF, but not that", None])
def test_another_file_than_the_pinned_is_refused(content, tmp_path, monkeypatch):
    (tmp_path / "impostor").mkdir()
    (tmp_path / "impostor" / "__init__.py").write_text("raise SystemExit('imported')")
    if content:
        (tmp_path / "impostor" / smollm2.FILE).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(smollm2, "PACKAGE", "impostor")
    with pytest.raises(CheckpointError, match=r"Q4_1\.gguf .*release 0\.1\.2"):
        SmolLM2().folder(tmp_path / "cache")
