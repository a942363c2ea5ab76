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
    with pytest.raises(BenchError, match=r"^metric '[^\n]*failed: ValueError: an empty prediction, which this metric cannot bear$"):
        Evaluate(path=toy, key="toy").score([""], ["a"])


def test_a_hub_name_without_network_gives_one_line_that_says_so(toy, monkeypatch, tmp_path):
    def cut(self, address):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", cut)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match=r"^metric 'no-such-metric' cannot be loaded: [^\n]*a name needs the hub, a folder does not$"):
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
