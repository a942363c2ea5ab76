import shutil
from itertools import pairwise

import pytest

from bench.errors import BenchError
from bench.metrics._self_bleu import self_bleu
from bench.metrics.bert_ibleu import BertIbleu
from tests.facts import missing

OUTPUTS = ["a cat sat on the mat.", "the dog ran home, to a house", "quick", "the cat sat on the mat ."]
SOURCES = ["the cat sat on the mat .", "a dog ran to the house.", "the house sat on a dog", "the cat sat on the mat ."]


def scores(encoder, outputs=OUTPUTS, sources=SOURCES, **settings):
    found = BertIbleu(**{"model": str(encoder), "layer": 2, **settings}).score(outputs, sources)
    return {score.name: score for score in found}


@pytest.mark.parametrize(
    ("idf", "layer", "expected"),
    [
        (True, 1, [98.809, 87.127, 86.911, 100]),
        (True, 2, [99.505, 95.767, 94.021, 100]),
        (False, 1, [98.440, 87.577, 86.461, 100]),
        (False, 2, [99.347, 95.827, 93.733, 100]),
    ],
)
def test_bert_score_is_what_the_package_bert_score_0_3_13_gives_on_the_same_encoder(encoder, idf, layer, expected):
    assert scores(encoder, idf=idf, layer=layer)["bert_score"].per_example == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("output", "source", "expected"),
    [
        # The first candidate and reference of Papineni et al. 2002, as sacrebleu 2.6.0 scores them without smoothing.
        (
            "It is a guide to action which ensures that the military always obeys the commands of the party.",
            "It is a guide to action that ensures that the military will forever heed Party commands.",
            0.39670882908365784,
        ),
        ("Western Digital is buying SanDisk for $19 billion", "Western Digital to Buy SanDisk for $19 billion", 0.5133450480401706),
        ("add 4.5 ml of buffer (10 mM Tris-HCl, pH 8.0)", "add 4.5 ml of buffer (10 mM Tris-HCl), pH 8.0, to the tube", 0.5708707023921348),
        ("a b c d e", "a b c d e", 1),
        ("a b c", "a b c", 0),
        ("a b c x a b c", "a b c y a b c", 0),
        ("", "a b c d", 0),
    ],
)
def test_self_bleu_is_bleu_4_with_the_usual_tokens_and_no_smoothing(output, source, expected):
    assert self_bleu(output, source) == pytest.approx(expected, abs=1e-12)


def test_the_score_is_the_weighted_harmonic_mean_of_likeness_and_difference(encoder):
    for beta in (4.0, 1.0):
        found = scores(encoder, beta=beta)
        for mixed, alike, copied in zip(*(found[name].per_example for name in ("bert_ibleu", "bert_score", "self_bleu")), strict=True):
            different = 100 - copied
            expected = (beta + 1) / (beta / alike + 1 / different) if different > 1e-9 else 0
            assert mixed == pytest.approx(expected)


def test_a_copy_scores_nothing_unless_it_is_under_four_words(encoder):
    found = scores(encoder, ["the cat sat on a mat", "a cat sat"], ["the cat sat on a mat", "a cat sat"])
    assert found["bert_ibleu"].per_example == pytest.approx((0, 100), abs=1e-3)


def test_an_empty_output_scores_nothing(encoder):
    found = scores(encoder, ["", "a cat"], ["the cat sat on a mat", "the dog"])
    assert found["bert_ibleu"].per_example[0] == found["bert_score"].per_example[0] == 0


def test_how_many_texts_are_encoded_at_a_time_changes_nothing(encoder):
    one, many = (scores(encoder, batch_size=size)["bert_score"].per_example for size in (1, 32))
    assert one == pytest.approx(many, abs=1e-3)


def test_a_text_longer_than_the_encoder_takes_is_cut(encoder):
    long = " ".join(["the cat sat on a mat"] * 40)
    assert scores(encoder, [long], [long + " dog"])["bert_score"].value == pytest.approx(100, abs=1e-3)


def test_without_an_encoder_the_score_is_missing_with_a_reason_and_self_bleu_is_there(monkeypatch):
    monkeypatch.delenv("BENCH_MODELS", raising=False)
    metric = BertIbleu()
    metric.prepare()
    mixed, alike, copied = metric.score(["a b c d"], ["a b c d"])
    assert mixed.value is alike.value is None
    assert mixed.reason == alike.reason
    assert missing(mixed.reason, "encoder", "'microsoft/deberta-xlarge-mnli'") == []
    assert copied.value == pytest.approx(100)


def test_pickled_weights_are_never_loaded(encoder, tmp_path):
    shutil.copytree(encoder, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    assert missing(scores(tmp_path / "pickled")["bert_ibleu"].reason, "pickled weights") == []


def test_a_hub_id_is_looked_up_under_models(encoder, tmp_path, monkeypatch):
    shutil.copytree(encoder, tmp_path / "owner" / "name")
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path))
    assert scores("owner/name")["bert_score"].value == scores(encoder)["bert_score"].value


@pytest.mark.parametrize(
    ("settings", "damage", "message"),
    [
        ({"layer": 4}, "", "3 layers, .*layer.* 4"),
        ({}, "config.json", "cannot be used"),
        ({}, "model.safetensors", "cannot be used"),
    ],
)
def test_an_encoder_that_cannot_be_used_is_refused_before_anything_is_spent(encoder, tmp_path, settings, damage, message):
    folder = shutil.copytree(encoder, tmp_path / "encoder")
    if damage:
        (folder / damage).write_text("{")
    with pytest.raises(BenchError, match=message) as told:
        BertIbleu(**{"model": str(folder), "layer": 2, **settings}).prepare()
    assert "\n" not in str(told.value)


def test_an_encoder_that_lacks_tensors_is_refused_and_not_filled_with_random_ones(encoder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(encoder, tmp_path / "encoder")
    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "layer.1.attention.self.query" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BenchError, match="lacks 2 tensors"):
        BertIbleu(model=str(folder), layer=2).prepare()


def test_layers_differ(encoder):
    by_layer = [scores(encoder, layer=layer)["bert_score"].value for layer in range(4)]
    assert all(abs(a - b) > 0.1 for a, b in pairwise(by_layer))


def test_sources_of_which_a_copy_cannot_be_seen_are_refused(encoder):
    metric = BertIbleu(model=str(encoder), layer=2)
    assert metric.check(SOURCES) == []
    assert len(metric.check([*SOURCES, "a cat"])) == 1
    for few in (["a cat", "the dog"], ["今天天气很好。明天也很好。", "他买了三本书。她也买了三本书。"]):
        with pytest.raises(BenchError, match="2 of 2"):
            metric.check(few)


def test_sources_that_the_encoder_cannot_read_are_refused(encoder):
    text = ["сад школа зима рынок совет праздник"]
    with pytest.raises(BenchError, match="100%"):
        BertIbleu(model=str(encoder), layer=2).check(text)
    assert BertIbleu(model="no/such-folder").check(text) == []
