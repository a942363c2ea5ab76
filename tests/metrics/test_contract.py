"""What every metric on the shelf keeps to."""

import random
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pydantic
import pytest
import torch

from bench.contracts import Metric, TokenMetric
from bench.errors import BenchError
from bench.registry import find, names

PREDICTIONS = ["the cat sat on the mat", "a dog", "Birds sing", "no overlap here", "add [Action] a cat [Reagent]"]
REFERENCES = ["the cat sat on the mat", "the dog barked", "birds  sing", "nothing in common", "add [Action] cats [Device]"]


@pytest.fixture
def metric(request, toy, encoder):
    settings = {
        "evaluate": {"path": toy, "key": "toy"},
        "classification": {"classes": (*REFERENCES, "a cat")},
        "bert_ibleu": {"model": str(encoder), "layer": 2},
    }
    return find("metrics", request.param)(**settings.get(request.param, {}))


every_metric = pytest.mark.parametrize("metric", names("metrics"), indirect=True)
every_metric_of_texts = pytest.mark.parametrize(
    "metric", [name for name in names("metrics") if not issubclass(find("metrics", name), TokenMetric)], indirect=True
)


def _scores(metric):
    """Of the texts above, or of tokens as likely as the words of a reference are long."""
    if isinstance(metric, TokenMetric):
        return metric.score_tokens([[-float(len(word)) for word in reference.split()] for reference in REFERENCES])
    return metric.score(PREDICTIONS, REFERENCES)


@every_metric
def test_no_metric_asks_for_a_network_once_it_is_prepared(metric, monkeypatch):
    metric.prepare()
    asked = []
    monkeypatch.setattr("socket.socket.connect", lambda self, address: asked.append(address))
    with suppress(BenchError):  # a metric may refuse texts so short
        metric.check(REFERENCES)
    assert _scores(metric)
    assert asked == []


def test_the_shelf_holds_the_promised_metrics():
    promised = {"rouge", "exact_match", "evaluate", "classification", "entity_types", "squad", "bert_ibleu", "log_perplexity", "chrf"}
    assert set(names("metrics")) >= promised


def test_making_any_metric_opens_no_file_and_loads_nothing_heavy():
    code = """
import sys
from bench.registry import find, names
classes = [find("metrics", name) for name in names("metrics")]
seen = []
sys.addaudithook(lambda event, _: seen.append(event))
needed = {"Evaluate": {"path": "x"}, "Classification": {"classes": ("x",)}}
parts = [c(**needed.get(c.__name__, {})) for c in classes]
heavy = [name in sys.modules for name in ("evaluate", "rouge_score_rs", "sacrebleu")]
print(len(parts) > 0, [e for e in seen if e.startswith(("open", "socket", "os."))], heavy)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "True [] [False, False, False]"


@every_metric
def test_a_metric_is_a_frozen_value_that_refuses_unknown_settings(metric):
    assert isinstance(metric, Metric)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        metric.anything = 1
    with pytest.raises(pydantic.ValidationError, match="no_such_setting"):
        type(metric)(**metric.model_dump(), no_such_setting=1)


@every_metric
def test_every_score_has_a_name_a_unit_a_direction_and_a_value_for_each_example_where_it_has_any(metric):
    scores = _scores(metric)
    assert tuple(score.name for score in scores) == metric.score_names
    assert len(set(metric.score_names)) == len(scores) > 0
    for score in scores:
        assert score.unit
        assert (score.value is None) == bool(score.reason)
        assert score.direction in ("higher", "lower", "none")
        assert (score.direction == "none") == (score.name in metric.unranked)
        if score.per_example is not None:
            assert len(score.per_example) == len(PREDICTIONS)
            there = [value for value in score.per_example if value is not None]
            assert score.value == pytest.approx(sum(there) / len(there))


@every_metric_of_texts
def test_the_values_of_two_models_can_be_mixed_unless_the_metric_says_that_it_is_no_mean(metric):
    if isinstance(metric, find("metrics", "evaluate")):
        pytest.skip("it has no values by example")
    others = [*REFERENCES[:2], "a cat", "no overlap here", REFERENCES[4]]
    first, second = (metric.score(texts, REFERENCES) for texts in (PREDICTIONS, others))
    mixed = metric.score([pair[i % 2] for i, pair in enumerate(zip(PREDICTIONS, others, strict=True))], REFERENCES)
    for one, other, both in zip(first, second, mixed, strict=True):
        values = [pair[i % 2] for i, pair in enumerate(zip(one.per_example, other.per_example, strict=True))]
        is_mean = both.value == pytest.approx(sum(values) / len(values))
        assert is_mean == (both.name not in metric.not_means), both.name


@every_metric
def test_the_same_input_gives_the_same_output_and_no_global_generator_moves(metric):
    first = _scores(metric)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert _scores(metric) == first
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before


@every_metric_of_texts
def test_ragged_input_is_refused(metric):
    with pytest.raises(ValueError, match=r"shorter|longer|for"):
        metric.score(PREDICTIONS, REFERENCES[:-1])


@every_metric_of_texts
def test_one_example_is_enough(metric):
    text = "cat [Device]" if "span_f1" in metric.score_names else "a cat"
    assert metric.score([text], [text])[0].value == pytest.approx(100, abs=1e-4)


SCRIPTS = {
    "russian": ("совет праздник урожай рынок голос", "мост зима школа фермер поезд"),
    "hindi": ("भारत की राजधानी नई दिल्ली है", "मुझे चाय बहुत पसंद नहीं"),
    "thai": ("กรุงเทพ เป็น เมืองหลวง ของ ไทย", "ฉัน ชอบ กิน ข้าว ผัด"),
    "chinese": ("今天天气很好。", "他买了三本书。"),
    "persian": ("می‌خواهم کتاب‌ها را امروز بخوانم", "هوا در تهران سرد نیست"),
    "vietnamese": ("bảo tàng mở cửa hôm nay", "bão tặng mờ cưa hôm này"),
    "korean": ("서울은 대한민국의 큰 수도 이다", "나는 오늘 책을 한권 샀다"),
}


@every_metric_of_texts
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_metric_tells_a_copy_from_another_text_or_says_that_it_cannot(metric, script):
    entity = " [Action]" if "span_f1" in metric.score_names else ""
    text, other = (words + entity for words in SCRIPTS[script])
    try:
        said = metric.check([text, other])
    except BenchError:
        return
    both = zip(metric.score([text, other], [text, other]), metric.score([other, text], [text, other]), strict=True)
    assert said or max(abs(copied.value - wrong.value) for copied, wrong in both) > 40
