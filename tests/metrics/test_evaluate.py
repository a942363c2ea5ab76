import os
import socket
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.metrics.evaluate import Evaluate


def test_a_metric_in_a_folder_is_computed_without_any_network(toy, monkeypatch):
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    (score,) = Evaluate(path=toy, key="toy").score(["a", "b"], ["a", "c"])
    assert (score.name, score.value, score.unit, score.direction, score.per_example) == ("toy", 50, "points", "higher", None)
    assert asked == []


def test_another_number_of_the_result_is_named_after_metric_and_key(toy):
    (score,) = Evaluate(path=toy, key="count", direction="none", unit="examples").score(["a", "b"], ["a", "c"])
    assert (score.name, score.value, score.unit, score.direction) == ("toy.count", 2, "examples", "none")


def test_options_reach_the_metric(toy):
    assert Evaluate(path=toy, key="toy", options={"bonus": 7}).score(["a"], ["a"])[0].value == 107


def test_a_metric_that_draws_random_numbers_gives_the_same_ones_every_time(toy):
    noisy = Evaluate(path=toy, key="toy", options={"noise": 1})
    first = noisy.score(["a"], ["a"])
    assert first[0].value > 100
    assert noisy.score(["a"], ["a"]) == first


@pytest.mark.parametrize("key", [None, "no_such_key", "each"])
def test_a_key_that_names_no_single_number_is_refused_with_those_there_are(toy, key):
    with pytest.raises(BenchError, match="toy, count, nothing"):
        Evaluate(path=toy, key=key).score(["a"], ["a"])


def test_a_result_that_is_not_a_number_is_refused(toy):
    with pytest.raises(BenchError, match="nan"):
        Evaluate(path=toy, key="nothing").score(["a"], ["a"])


def test_a_failing_script_gives_one_line(toy):
    with pytest.raises(BenchError, match=r"^metric '[^\n]*'[^\n]*ValueError: an empty prediction"):
        Evaluate(path=toy, key="toy").score([""], ["a"])


def test_a_hub_name_without_network_gives_one_line_that_says_so(toy, monkeypatch, tmp_path):
    def cut(self, address):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", cut)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match=r"^metric 'no-such-metric' [^\n]* hub[^\n]* folder[^\n]*$"):
        Evaluate(path="no-such-metric").score(["a"], ["a"])
    assert os.listdir(tmp_path) == []


def test_a_metric_that_drops_all_letters_is_refused_and_others_are_not(toy, tmp_path, blind):
    assert Evaluate(path=blind).check(["the cat", "a dog"]) == ()
    with pytest.raises(BenchError, match="сад школа"):
        Evaluate(path=blind).check(["сад школа", "совет праздник"])
    assert Evaluate(path=blind, direction="none").check(["сад школа"]) == ()
    assert Evaluate(path=toy, key="toy").check(["сад школа"]) == ()  # it refuses empty texts


def test_a_metric_that_fails_on_copies_is_refused_before_anything_is_spent(toy):
    with pytest.raises(BenchError, match="key must name"):
        Evaluate(path=toy).check(["a"])


@pytest.fixture
def blind(tmp_path, toy):
    """A metric that sees a to z only."""
    folder = tmp_path / "blind"
    folder.mkdir()
    text = (Path(toy) / "toy.py").read_text()
    start = text.index("    def _compute")
    body = """    def _compute(self, predictions, references):
        import re
        seen = [re.sub("[^a-z]", "", p) == re.sub("[^a-z]", "", r) != "" for p, r in zip(predictions, references)]
        return {"blind": 100.0 * sum(seen) / len(seen)}
"""
    (folder / "blind.py").write_text(text[:start].replace("Toy", "Blind") + body)
    return str(folder)


FETCHING = """
import datasets
import evaluate


class Fetching(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description="", citation="", inputs_description="", features=datasets.Features({"predictions": text, "references": text})
        )

    def _download_and_prepare(self, manager):
        DOWNLOADS

    def _compute(self, predictions, references):
        COMPUTES
        return {"fetching": 1.0}
"""


@pytest.fixture
def fetching(toy, tmp_path, monkeypatch):
    """Function: a metric that fetches something while it is made ready, or while it computes. There is no network."""

    def cut(self, address):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", cut)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def fetching(downloads="pass", computes="pass"):
        folder = tmp_path / "fetching"
        folder.mkdir()
        (folder / "fetching.py").write_text(FETCHING.replace("DOWNLOADS", downloads).replace("COMPUTES", computes))
        return Evaluate(path=str(folder), direction="none")

    return fetching


MODEL = "from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('owner/model-that-is-nowhere')"
DATA = "import nltk; nltk.data.find('tokenizers/that_is_nowhere')"
HUB = "import huggingface_hub; huggingface_hub.hf_hub_download('owner/model-that-is-nowhere', 'config.json')"


@pytest.mark.parametrize("what", [MODEL, DATA, HUB])
def test_what_a_metric_would_fetch_while_it_computes_is_missed_before_anything_is_spent(fetching, what):
    metric = fetching(computes=what)
    metric.prepare()
    with pytest.raises(BenchError, match=r"^metric '[^\n]*fetching' failed: [^\n]*$"):
        metric.check(["a reference", "another"])


@pytest.mark.parametrize("what", [DATA, HUB])
def test_what_a_metric_fetches_while_it_is_made_ready_is_missed_there(fetching, what):
    with pytest.raises(BenchError, match=r"^metric '[^\n]*fetching' cannot be loaded: [^\n]*$"):
        fetching(downloads=what).prepare()


def test_a_metric_that_has_all_it_needs_is_tried_without_any_gpu(fetching, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    metric = fetching(computes="import torch; assert not torch.cuda.is_available()")
    metric.check(["a reference"])
    with pytest.raises(BenchError, match="AssertionError"):
        metric.score(["a reference"], ["a reference"])


def test_references_without_any_text_try_nothing(toy):
    Evaluate(path=toy, key="no such key").check(["", ""])


def test_a_folder_below_the_home_folder_is_read_and_fingerprinted(toy, monkeypatch):
    monkeypatch.setenv("HOME", str(Path(toy).parent))
    metric = Evaluate(path="~/toy", key="toy")
    assert metric.folder() == Path(toy)
    assert metric.score(["a"], ["a"])[0].value == 100
