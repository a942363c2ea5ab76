"""What init says a strategy costs is what the strategy's own code makes, by the FLOP model of the large model and its student."""

from typing import Any

import pytest

from bench.init.costs import costs
from bench.init.defaults import compact, methods
from bench.init.large_model import Large
from bench.models.random import Random
from bench.training.flops import flop_model
from bench.training.hub_ids import published_shape
from bench.training.shapes import config
from bench.training.shrinking import shrunk_config


def published(hub_id: str) -> Any:
    shape = published_shape(hub_id)
    assert shape is not None
    return config(shape)


@pytest.mark.parametrize("hub_id", ["google/flan-t5-small", "google/pegasus-large", "facebook/bart-large"])
def test_costs_per_label_and_document_are_those_of_the_flop_model(hub_id: str) -> None:
    large = Large(use="hub", config=published(hub_id))
    how, (small, _) = methods(large, 300), compact(large)
    found = costs(large.config, small, how, 212.3, 18.7)
    assert found is not None
    teacher, student = flop_model(large.config), flop_model(shrunk_config(large.config, small))
    assert found["annotate"].flops(1, 0) == pytest.approx(how.student.epochs * student.training(212, 19, how.student.freeze))
    assert found["annotate"].flops(0, 1) == 0
    tuned = how.teacher.epochs * teacher.training(212, 19, how.teacher.freeze)
    again = student.encoding(212)  # what a frozen encoder does not compute in later epochs
    distilled = how.distilled.epochs * student.training(212, 19, how.distilled.freeze)
    distilled -= (how.distilled.epochs - 1) * again * how.distilled.encodes_once
    shrunk = how.shrunk.epochs * student.training(212, 19, how.shrunk.freeze) - (how.shrunk.epochs - 1) * again * how.shrunk.encodes_once
    assert found["distill"].flops(1, 0) == pytest.approx(tuned + distilled)
    asked = teacher.generation(212, 19, how.decoding.beams)
    assert found["distill"].flops(0, 1) == pytest.approx(asked + distilled)
    assert found["sft"].flops(1, 0) == pytest.approx(tuned + shrunk)
    assert found["sft"].flops(0, 1) == 0
    generated = student.generation(212, 19, how.decoding.beams)
    assert found["annotate"].test_document == pytest.approx(generated)
    assert found["distill"].test_document == found["sft"].test_document == pytest.approx(generated + asked)


def test_a_decoder_only_model_has_costs(tmp_path: Any) -> None:
    from bench.training.checkpoints import read_config

    large = Large(use="random", config=read_config(Random(family="llama").folder(tmp_path)))
    small, _ = compact(large)
    found = costs(large.config, small, methods(large, 30), 30, 8)
    assert found is not None
    assert all(cost.flops(1, 1) > 0 for cost in found.values())


def test_documents_of_a_word_and_labels_of_a_token_have_costs() -> None:
    large = Large(use="hub", config=published("google/flan-t5-small"))
    small, _ = compact(large)
    found = costs(large.config, small, methods(large, 30), 1.2, 1.0)
    assert found is not None
    assert found["annotate"].flops(1, 0) > 0
