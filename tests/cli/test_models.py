"""`bench models convert`: from the error that names it to a model that a suite can use."""

import re
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from bench.cli import main
from bench.errors import CheckpointError
from bench.models.hub import Hub
from bench.models.random import Random
from bench.training.checkpoints import load


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for --models with pickled weights of google/pegasus-large."""
    folder = tmp_path / "models" / "google" / "pegasus-large"
    folder.parent.mkdir(parents=True)
    Random(family="pegasus", encoder_layers=1, decoder_layers=1).folder(tmp_path / "cache").rename(folder)
    state = load(folder)[0].state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_the_error_names_the_command_that_makes_the_model_usable(models: Path, tmp_path: Path) -> None:
    checkpoint = Hub(model="google/pegasus-large")
    with pytest.raises(CheckpointError) as refused:
        checkpoint.folder(tmp_path)
    (command,) = re.findall(r"`bench (models convert \S+)`", str(refused.value))
    result = bench(*command.split())
    assert result.exit_code == 0, result.output
    assert checkpoint.folder(tmp_path) == models / "google" / "pegasus-large"
    load(checkpoint.folder(tmp_path))


def test_a_hub_id_is_converted_under_models(models: Path) -> None:
    result = bench("models", "convert", "google/pegasus-large")
    assert result.exit_code == 0, result.output
    assert (models / "google" / "pegasus-large" / "model.safetensors").is_file()
    again = bench("models", "convert", "google/pegasus-large")
    assert again.exit_code == 2
    assert len(again.stderr.splitlines()) == 1


@pytest.mark.parametrize("named", ["google/pegasus-large", "FOLDER"])
def test_weights_that_lie_in_a_folder_have_no_revision(models: Path, named: str) -> None:
    folder = models / "google" / "pegasus-large"
    named = named.replace("FOLDER", str(folder))
    result = bench("models", "convert", named, "--revision", "0" * 40)
    assert result.exit_code == 2
    assert "--revision" in result.stderr
    assert bench("models", "convert", named).exit_code == 0
    assert (folder / "SHA256SUMS").read_text().splitlines()[0] == "# folder pegasus-large, commit unknown"


@pytest.mark.parametrize("named", ["./empty", "empty"])
def test_a_folder_without_weights_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    def fetch(*_: object) -> None:
        raise AssertionError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bench.models.hub.pickled_snapshot", fetch)
    (tmp_path / "empty").mkdir()
    result = bench("models", "convert", named)
    assert result.exit_code == 2
    assert "pytorch_model.bin" in result.stderr
    assert (tmp_path / "empty").is_dir()
