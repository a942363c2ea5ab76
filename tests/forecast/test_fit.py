"""What fits which card: models without weights or a network, cards by name and size, and one clear line where nothing fits."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from transformers import LlamaConfig

from bench import published
from bench.cli import main
from bench.contracts import Precision, no_progress
from bench.errors import BenchError
from bench.forecast import gpus
from bench.forecast.fit.options import Setting
from bench.forecast.fit.search import Answer, FitQuery, refuse_what_never_fits, what_fits
from bench.forecast.fit.terminal import blocks
from bench.forecast.gpus import GIB, Card
from bench.forecast.memory import Architecture, SequenceLengths, find, parameters
from bench.models.random import Random
from bench.training.settings import Freeze, Lora, Tuning

TINY = "t5:tiny-nl2-dm64-ff128-nh2"


@pytest.fixture(autouse=True)
def no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_MODELS", "")


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["fit", *arguments])


def answered(card: Card | None = None, batch: int = 1, precision: Precision = "bf16", **tuning: object) -> Answer:
    setting = Setting(precision=precision, tuning=Tuning(**tuning))
    query = FitQuery(lengths=SequenceLengths(32, 8), setting=setting, batch=batch, card=card, context_bytes=0.5 * GIB)
    return what_fits(find(TINY), query, no_progress, workers=1)


def choosing(answer: Answer, *table: Card) -> Answer:
    """The answer to the same query with other GPUs to choose from."""
    return replace(answer, query=replace(answer.query, table=table))


@pytest.fixture(scope="module")
def answer() -> Answer:
    return answered(Card(name="tight", memory_bytes=0.7 * GIB))


def text(answer: Answer) -> str:
    from rich.console import Console

    console = Console(width=200)
    with console.capture() as captured:
        for block in blocks(answer):
            console.print(block)
    return captured.get()


def numbers(text: str) -> set[str]:
    """The whole numbers in a text."""
    return set(re.findall(r"\d+", text))


PUBLISHED = {(row["family"], row["shape"]): float(row["params_m"]) for row in published.rows("params_by_shape")}


@pytest.mark.parametrize(
    ("model", "family", "shape"),
    [
        ("google/pegasus-large", "pegasus-large decoder-shrunk (encoder-decoder layers)", "16-16"),
        ("google/pegasus-xsum", "pegasus-large decoder-shrunk (encoder-decoder layers)", "16-16"),
        ("sshleifer/distill-pegasus-xsum-16-4", "pegasus-large decoder-shrunk (encoder-decoder layers)", "16-4"),
        ("pegasus:16-8", "pegasus-large decoder-shrunk (encoder-decoder layers)", "16-8"),
        ("facebook/bart-large-cnn", "bart-large (encoder-decoder layers)", "12-12"),
        ("sshleifer/distilbart-cnn-12-6", "bart-large (encoder-decoder layers)", "12-6"),
        ("google-t5/t5-base", "t5-efficient", "base"),
        ("t5-small", "t5-efficient", "small"),
        ("google/t5-efficient-small-nl16", "t5-efficient", "small-nl16"),
        ("small-el16-dl4", "t5-efficient", "small-el16-dl4"),
        ("google/t5-v1_1-large", "t5-v1.1", "large"),
        ("google/flan-t5-xl", "t5-v1.1", "xl"),
    ],
)
def test_a_well_known_model_has_its_published_parameters_without_weights_or_a_network(model: str, family: str, shape: str) -> None:
    assert parameters(find(model).architecture) / 1e6 == pytest.approx(PUBLISHED[family, shape], rel=2e-3)


@pytest.mark.parametrize("family", ["t5", "t5_v1_1", "pegasus", "llama"])
@pytest.mark.parametrize("weights", [True, False])
def test_a_folder_is_read_with_or_without_its_weights(family: str, weights: bool, tmp_path: Path) -> None:
    from bench.training.checkpoints import count_parameters, load

    folder = Random(family=family).folder(tmp_path)
    expected = count_parameters(load(folder)[0])
    if not weights:
        (folder / "model.safetensors").unlink()
    found = find(str(folder)).architecture
    config = found.config.to_dict()
    assert parameters(found) == expected
    assert found.config.to_dict() == config  # a changed one would change the next simulation


def test_a_copy_under_models_comes_before_what_is_known_of_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Random().folder(tmp_path / "cache")
    (tmp_path / "models" / "google").mkdir(parents=True)
    own.rename(tmp_path / "models" / "google" / "pegasus-large")
    monkeypatch.setenv("BENCH_MODELS", str(tmp_path / "models"))
    assert parameters(find("google/pegasus-large").architecture) < 1e6


@pytest.mark.parametrize("model", ["google/pegasos-large", "google/pegasus-larg"])
def test_an_unknown_id_without_a_network_is_one_line_with_the_nearest(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_reach(self: object, *args: object, **options: object) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", out_of_reach)
    result = bench(model)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "did you mean google/pegasus-large?" in result.stderr


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("t5:smol", "'small'"),
        ("gpt:large", "t5, t5_v1_1, mt5, pegasus, bart"),
        ("pegasus:16-x", "'16-x'"),
    ],
)
def test_an_unknown_model_is_one_line(model: str, said: str) -> None:
    result = bench(model)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_that_holds_no_model_is_one_line(tmp_path: Path) -> None:
    assert "config.json" in bench(str(tmp_path)).stderr
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    refused = bench(str(tmp_path))
    assert refused.exit_code == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "'bert'" in refused.stderr


def test_a_card_is_found_by_name_however_written_and_by_size() -> None:
    table = gpus.cards()
    assert gpus.find("NVIDIA a100 40gb", table).name == "A100-40GB"
    assert gpus.find("16GB", table).memory_bytes == 16 * GIB
    assert not gpus.find("T4", table).computes_bf16
    assert [card.memory_bytes for card in table] == sorted(card.memory_bytes for card in table)


def test_an_unknown_card_is_one_line_with_near_names() -> None:
    result = bench(TINY, "--gpu", "A100-81GB")
    assert result.exit_code == 2
    assert "'A100-81GB'" in result.stderr
    assert "A100-80GB" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_cards_and_prices_can_be_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("card,memory_gib,usd_per_hour,bf16_flops_per_second\nours,20,,9e13\n")
    assert [(card.name, card.usd_per_hour) for card in gpus.cards(own)] == [("ours", None)]
    own.write_text("name,memory\nours,20\n")
    with pytest.raises(BenchError, match="memory_gib"):
        gpus.cards(own)


def test_settings_of_the_asked_precision_have_a_row_and_so_has_what_was_asked_in_the_other_one(answer: Answer) -> None:
    ways = [row.setting for row in answer.rows]
    plain = [way for way in ways if not way.tuning.lora]
    assert len(ways) == len(set(ways)) == len(plain) + 2
    # optimisers x frozen x checkpointing but for that with nothing frozen, and fp32 with each optimiser
    assert len(plain) == 3 * (3 * 2 - 1) + 3
    tunings = [way.tuning for way in ways if way.precision == "fp32"]
    assert {(one.freeze, one.checkpointing, one.rank) for one in tunings} == {("embeddings", False, 0)}


def test_checkpointing_with_nothing_frozen_has_a_row_where_that_was_asked() -> None:
    found = answered(freeze="none")
    assert any(one.checkpointing for one in (row.setting.tuning for row in found.rows) if one.freeze == "none")


def test_lora_has_a_row_with_and_without_checkpointing_in_the_optimiser_that_was_asked(answer: Answer) -> None:
    found = [row.setting.tuning for row in answer.rows if row.setting.tuning.lora]
    assert {(one.rank, one.freeze, one.optimizer, one.checkpointing) for one in found} == {
        (8, "embeddings", "adamw", False),
        (8, "embeddings", "adamw", True),
    }


def test_lora_as_asked_is_compared_with_training_the_weights() -> None:
    found = answered(lora=Lora(rank=4), freeze="encoder")
    assert found.row.setting.tuning.rank == 4
    assert {row.setting.tuning.rank for row in found.rows} == {0, 4}
    assert "LoRA of rank 4" in str(found.row.setting)
    plain = next(row for row in found.rows if not row.setting.changes(found.row.setting)[1:] and not row.setting.tuning.lora)
    assert plain.setting.changes(found.row.setting) == ["no LoRA"]
    assert found.row.peak.at(1)["optimiser states"] < plain.peak.at(1)["optimiser states"]


def test_lora_with_nothing_frozen_is_refused_in_one_line() -> None:
    result = bench(TINY, "--lora-rank", "8", "--freeze", "none")
    assert result.exit_code == 2
    assert result.stderr.startswith("--lora-rank ")
    assert len(result.stderr.splitlines()) == 1


def test_where_bitsandbytes_is_not_installed_8_bits_are_refused_in_one_line_and_the_page_says_how_to_have_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    result = bench(TINY, "--optimizer", "adamw_8bit")
    assert result.exit_code == 2
    assert "pip install bitsandbytes" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    without = answered()
    assert {row.setting.tuning.optimizer for row in without.rows} == {"adamw", "adafactor"}
    assert "pip install bitsandbytes" in text(without)


def test_checkpointing_costs_about_a_third_more_flops_and_nothing_for_what_is_frozen() -> None:
    large, lengths = find("google/pegasus-large").architecture, SequenceLengths(512, 64)

    def again(freeze: Freeze) -> float:
        plain, recomputed = (Setting(tuning=Tuning(freeze=freeze, checkpointing=on)) for on in (False, True))
        return recomputed.flops(large, lengths) / plain.flops(large, lengths)

    assert 1.3 < again("none") < 4 / 3  # the output layer is not computed again
    assert 1.1 < again("encoder") < 1.2


def test_checkpointing_computes_no_output_layer_of_a_decoder_alone_again() -> None:
    def again(vocabulary: int) -> float:
        sizes = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4}
        built = Architecture(LlamaConfig(vocab_size=vocabulary, **sizes), tied=False)
        plain, recomputed = (Setting(tuning=Tuning(checkpointing=on)).flops(built, SequenceLengths(512, 64)) for on in (False, True))
        return recomputed - plain

    assert again(1_000) == again(50_000) > 0


def test_the_page_names_every_part_the_largest_batches_and_the_students(answer: Answer) -> None:
    told = text(answer)
    for words in ("parameters", "gradients", "optimiser states", "activations", "logits and loss", "CUDA", "largest batch", "as asked"):
        assert words in told
    assert "2-1" in told
    most = answer.row.peak.largest_batch(answer.query.room or 0)
    assert most > 0
    assert str(most) in told


def test_a_card_without_bf16_is_offered_fp32_alone() -> None:
    found = answered(Card(name="old", memory_bytes=2 * GIB, computes_bf16=False), precision="fp32")
    assert {row.setting.precision for row in found.rows} == {"fp32"}


def test_where_what_was_asked_does_not_fit_the_fewest_changes_that_make_it_fit_are_named(answer: Answer) -> None:
    room = answer.query.room or 0
    most = answer.row.peak.largest_batch(room)
    parts = answer.micro_batches.largest_batch(room)
    assert 0 < parts <= most  # gradients are held beside the activations
    assert {str(most), str(parts)} <= numbers(text(answer))
    beyond = replace(answer, query=replace(answer.query, batch=most + 1))
    page = text(choosing(beyond, Card(name="roomy", memory_bytes=64 * GIB)))
    verdict = next(line for line in page.splitlines() if "micro_batch_size" in line)
    assert {str(most + 1), str(parts)} <= numbers(verdict)
    assert "roomy" in page
    near = beyond.nearest_that_fit(Card(name="tight", memory_bytes=0.7 * GIB))
    assert all(len(row.setting.changes(answer.query.setting)) == 1 and row.peak.total(most + 1) <= room for row in near)
    assert "checkpointing (+" in text(beyond)


def test_a_card_without_bf16_has_room_for_fp32(answer: Answer) -> None:
    old, new = Card(name="old", memory_bytes=1 * GIB, computes_bf16=False), Card(name="new", memory_bytes=2 * GIB)
    narrow = replace(answer, query=replace(answer.query, card=Card(name="none", memory_bytes=0.5 * GIB)))
    with pytest.raises(BenchError, match=r"\bold\b"):
        refuse_what_never_fits(choosing(narrow, old, new))


def test_a_batch_that_never_fits_names_the_least_it_takes_and_the_smallest_card(answer: Answer) -> None:
    table = (
        Card(name="small", memory_bytes=1 * GIB),
        Card(name="large", memory_bytes=10 * GIB, usd_per_hour=1.25),
        Card(name="larger", memory_bytes=20 * GIB, usd_per_hour=0.5),
    )
    refuse_what_never_fits(choosing(answer, *table))  # one example fits
    in_parts = choosing(answered(Card(name="tight", memory_bytes=0.7 * GIB), batch=2000), *table)
    refuse_what_never_fits(in_parts)  # in micro-batches it fits
    assert in_parts.smallest_gpu(in_parts.row) == table[1]
    with pytest.raises(BenchError) as refused:
        refuse_what_never_fits(choosing(answered(Card(name="none", memory_bytes=0.5 * GIB), batch=2000), *table))
    said = str(refused.value)
    assert "large (10.0 GiB" in said
    assert "larger" not in said
    assert "frozen" in said
    assert "\n" not in said


def test_bf16_on_a_card_that_has_none_is_one_line() -> None:
    result = bench(TINY, "--gpu", "T4", "--precision", "bf16")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--precision fp32" in result.stderr


def test_more_tokens_than_positions_is_one_line() -> None:
    result = bench("google/pegasus-large", "--source-tokens", "2048")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert {"1024", "2048"} <= numbers(result.stderr)


def test_the_command_prints_the_page() -> None:
    result = bench(TINY, "--gpu", "L4", "--source-tokens", "16", "--target-tokens", "8", "--batch-size", "3", "--beams", "2")
    assert result.exit_code == 0, result.output
    assert "L4 (22.4 GiB" in result.stdout
    assert "(bf16, 2 beams)" in result.stdout
