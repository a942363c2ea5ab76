import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from bench.contracts import Decoding
from bench.engines.torch import TorchModel
from bench.errors import CheckpointError
from bench.models import flan_t5_small
from bench.models.flan_t5_small import PACKAGE, FlanT5Small
from bench.training.batches import pad
from bench.training.checkpoints import count_parameters, head_is_tied, load

installed = pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"{PACKAGE} is not installed: {flan_t5_small.INSTALL}")


@pytest.fixture(scope="module")
def folder(flan_cache):
    return FlanT5Small().folder(flan_cache)


@installed
def test_it_is_flan_t5_small_untied_and_with_unscaled_output(folder):
    model, tokenizer = load(folder)
    assert count_parameters(model) == 76_961_152
    assert not head_is_tied(model)
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    assert model.config.scale_decoder_outputs is False
    assert PACKAGE not in sys.modules
    assert tokenizer("summarize: hello").input_ids[-1] == tokenizer.eos_token_id == 1


@installed
def test_it_has_learnt_to_write(folder):
    """Random weights, or an output layer overwritten by the embedding, would not get at the point, nor to an end."""
    model, tokenizer = load(folder)
    source = "summarize: The dog chased the red ball across the garden until the ball fell into the river."
    engine = TorchModel(model, tokenizer, decoding=Decoding(), precision="fp32", device="cpu")
    output = engine.generate([tokenizer(source).input_ids], 12)[0]
    assert "ball" in output.text
    assert output.tokens < 12


@installed
def test_its_loss_on_english_is_far_below_chance(folder):
    model, tokenizer = load(folder)
    batch = tokenizer(["Translate English to German: The house is small."], return_tensors="pt")
    labels = pad([tokenizer("Das Haus ist klein.").input_ids], 0)
    with torch.no_grad():
        assert model(**batch, labels=labels).loss < 0.6 * torch.log(torch.tensor(32128.0))


@installed
def test_the_second_asking_converts_nothing(folder, monkeypatch):
    monkeypatch.setattr(flan_t5_small, "_convert", pytest.fail)
    assert FlanT5Small().folder(folder.parent.parent) == folder


def test_a_missing_package_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(flan_t5_small, "PACKAGE", "no_such_package_here")
    with pytest.raises(CheckpointError) as raised:
        FlanT5Small().folder(tmp_path)
    message = str(raised.value)
    assert flan_t5_small.INSTALL in message
    assert "`folder` or `hub`" in message
    assert "\n" not in message


@installed
def test_other_data_than_the_pinned_is_refused(tmp_path, monkeypatch):
    package = Path(find_spec(PACKAGE).origin).parent
    data = tmp_path / "impostor" / "data" / "span"
    data.mkdir(parents=True)
    (tmp_path / "impostor" / "__init__.py").write_text("raise SystemExit('imported')")
    for name in ("encoder.onnx", "decoder.onnx"):
        (data / name).symlink_to(package / "data" / "span" / name)
    shutil.copy(package / "data" / "span" / "tokenizer.json", data)
    with (data / "tokenizer.json").open("a") as file:
        file.write(" ")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(flan_t5_small, "PACKAGE", "impostor")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json .*release 0\.2\.0"):
        FlanT5Small().folder(tmp_path / "cache")


@installed
def test_a_file_that_is_missing_from_the_package_is_refused(tmp_path, monkeypatch):
    (tmp_path / "hollow").mkdir()
    (tmp_path / "hollow" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(flan_t5_small, "PACKAGE", "hollow")
    with pytest.raises(CheckpointError, match=r"encoder\.onnx .*release 0\.2\.0"):
        FlanT5Small().folder(tmp_path / "cache")
