"""Simulated peaks are those that torch's own allocator counts in real steps."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.contracts import Decoding, Precision, no_progress
from bench.engines.torch import Torch, TorchModel
from bench.execution.store import DryStore
from bench.forecast.memory import (
    Architecture,
    Generation,
    Kernels,
    Peak,
    SequenceLengths,
    Taught,
    TrainingStep,
    batches_peak_bytes,
    fake_ops,
    parameters,
    peak,
    peaks,
)
from bench.forecast.memory.optimizer_state import optimizer_memory
from bench.forecast.memory.tracker import BLOCK, AllocationTracker
from bench.models.random import Random
from bench.training.flops import flop_model
from bench.training.lean_operators import with_lean_operators
from bench.training.objectives import CachedObjective, Objective, SoftTargets, TeacherObjective
from bench.training.recipes import Pretrained
from bench.training.settings import Distillation, Lora, Optimizer, Tuning
from bench.training.shapes import UNTIED, Shape, config, shape_of
from bench.training.speed import InferenceSpeed
from benchmarks.memory import Case, NoTokenizer, generate, measured_on_cpu, real_model, train_two_steps

KIB = 1024


def architecture(family: str = "t5", vocabulary: int = 4096) -> Architecture:
    shape = Shape(family=family, el=2, dl=3, dm=64, ff=192, kv=32, nh=2)
    return Architecture(config(shape, vocabulary), family not in UNTIED)


def llama() -> Architecture:
    from transformers import LlamaConfig

    sizes = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
    return Architecture(LlamaConfig(vocab_size=4096, pad_token_id=2, **sizes), tied=False)


TEXTS = SequenceLengths(48, 16)


def training_peak(
    built: Architecture, settings: Tuning, precision: Precision = "bf16", lengths: SequenceLengths = TEXTS, kernels: Kernels = "cuda"
) -> Peak:
    return peak(TrainingStep(architecture=built, settings=settings, precision=precision, lengths=lengths, kernels=kernels))


CASES = {
    "T5 v1.1, all of it": (architecture("t5_v1_1"), Case("", TEXTS, 6, "fp32", Tuning(freeze="none"))),
    "T5 with a tied embedding": (architecture("t5"), Case("", TEXTS, 6, "fp32", Tuning(freeze="none"))),
    "another batch": (architecture("t5_v1_1"), Case("", TEXTS, 13, "fp32", Tuning(freeze="none"))),
    "dropout": (architecture("bart"), Case("", TEXTS, 6, "fp32", Tuning(dropout=0.1))),
    "bf16 and Adafactor": (architecture("pegasus"), Case("", TEXTS, 6, "bf16", Tuning(optimizer="adafactor"))),
    "a frozen encoder": (architecture("pegasus"), Case("", TEXTS, 6, "fp32", Tuning(freeze="encoder"))),
    "checkpointing": (architecture("pegasus"), Case("", TEXTS, 16, "fp32", Tuning(checkpointing=True))),
    "LoRA": (architecture("t5_v1_1"), Case("", TEXTS, 6, "fp32", Tuning(lora=Lora()))),
    "LoRA in the decoder alone, and bf16": (architecture("bart"), Case("", TEXTS, 6, "bf16", Tuning(lora=Lora(), freeze="encoder"))),
    "LoRA and checkpointing": (architecture("pegasus"), Case("", TEXTS, 16, "fp32", Tuning(lora=Lora(), checkpointing=True))),
    "micro-batches": (architecture("t5_v1_1"), Case("", TEXTS, 13, "fp32", Tuning(freeze="none", micro_batch_size=6))),
    "micro-batches and LoRA": (architecture("pegasus"), Case("", TEXTS, 8, "fp32", Tuning(micro_batch_size=4, lora=Lora()))),
    "AdamW in 8 bits": (architecture("pegasus"), Case("", TEXTS, 16, "fp32", Tuning(optimizer="adamw_8bit"))),
    "smoothing": (architecture("mt5"), Case("", TEXTS, 6, "bf16", Tuning(label_smoothing=0.1))),
    "a decoder alone": (llama(), Case("", TEXTS, 6, "fp32", Tuning(freeze="none"))),
}


@pytest.mark.parametrize("name", CASES)
def test_the_peak_of_a_training_step_is_within_a_tenth_of_what_the_allocator_counts(name: str) -> None:
    built, case = CASES[name]
    measured = measured_on_cpu(lambda mark: train_two_steps(built, case, "cpu", mark))
    predicted = training_peak(built, case.tuning, case.precision, case.lengths, "cpu").total(case.at_once)
    assert predicted == pytest.approx(measured, rel=0.02)  # 0.1 is promised


TAUGHT = {
    "cached": Taught(distillation=Distillation(), teacher=None),
    "cached, and no labels": Taught(distillation=Distillation(label_weight=0.0, logit_weight=1.0), teacher=None),
    "a teacher": Taught(distillation=Distillation(teacher_outputs="every_step"), teacher=architecture("t5_v1_1")),
    "hidden states": Taught(distillation=Distillation(teacher_outputs="every_step", hidden_weight=3.0), teacher=architecture("t5_v1_1")),
}


def objective_of(taught: Taught, case: Case) -> Objective:
    """The loss of a real step, with a teacher of random weights or random distributions of every example."""
    settings, smoothing = taught.distillation, case.tuning.label_smoothing
    if taught.teacher:
        teacher = real_model(taught.teacher, 0.0).eval()
        return TeacherObjective(settings=settings, smoothing=smoothing, teacher_flops=flop_model(teacher.config), teacher=teacher)
    rows, starts = case.batch * case.lengths.target, torch.arange(case.batch + 1) * case.lengths.target
    tokens, log_probs = torch.zeros(rows, settings.top_k, dtype=torch.int32), torch.zeros(rows, settings.top_k + 1)
    return CachedObjective(settings, smoothing, SoftTargets(tokens, log_probs, starts))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", TAUGHT)
def test_the_peak_of_distillation_is_within_a_tenth_of_what_the_allocator_counts(name: str, precision: Precision) -> None:
    built, taught, case = architecture("t5_v1_1"), TAUGHT[name], Case("", TEXTS, 16, precision, Tuning(freeze="none"))
    measured = measured_on_cpu(lambda mark: train_two_steps(built, case, "cpu", mark, objective_of(taught, case)))
    step = TrainingStep(architecture=built, settings=case.tuning, precision=precision, lengths=TEXTS, kernels="cpu", taught=taught)
    assert peak(step).total(case.batch) == pytest.approx(measured, rel=0.02)  # 0.1 is promised


class Forgetful(dict[Any, Any]):
    """A dictionary that keeps nothing."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


@pytest.mark.parametrize("name", ["checkpointing", "LoRA in the decoder alone, and bf16", "a decoder alone", "dropout"])
def test_remembered_calls_do_not_change_the_peak(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built, case = CASES[name]
    remembered = training_peak(built, case.tuning, case.precision, case.lengths, "cuda")
    monkeypatch.setattr(fake_ops, "_KNOWN", Forgetful())
    assert training_peak(built, case.tuning, case.precision, case.lengths, "cuda") == remembered


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("built", "beams", "tokens", "batch"),
    [(architecture("t5_v1_1"), 1, 16, 3), (architecture("t5_v1_1"), 1, 3, 3), (architecture("pegasus"), 4, 40, 5), (llama(), 1, 16, 5)],
    ids=["greedy", "few tokens", "beams", "a decoder alone"],
)
def test_the_peak_of_generation_is_within_a_tenth_of_what_is_measured(
    built: Architecture, beams: int, tokens: int, batch: int, precision: Precision
) -> None:
    case = Case("", SequenceLengths(48, tokens), batch, precision, beams=beams)
    measured = measured_on_cpu(lambda mark: generate(built, case, "cpu", mark))
    predicted = peak(
        Generation(architecture=built, decoding=Decoding(beams=beams), precision=precision, lengths=case.lengths, kernels="cpu")
    ).total(batch)
    assert predicted == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_models_that_generate_in_turn_are_both_loaded_with_the_copies_of_their_weights(precision: Precision, tmp_path: Path) -> None:
    large, student = (
        Pretrained(Random(family="t5_v1_1", width=256, feed_forward=1024, encoder_layers=layers, decoder_layers=layers))
        for layers in (3, 2)
    )
    sizes: Any = {"source_tokens": 16, "target_tokens": 4, "documents": 4, "rounds": 1, "decoding": Decoding(batch_size=2)}
    speed = InferenceSpeed(large=large, student=student, precision=precision, engine=Torch(), **sizes)
    batches = speed.batches(DryStore(tmp_path, no_progress).context)
    assert len(batches) == 2

    def work(mark: Callable[[], None]) -> None:
        loaded = [generator(Architecture(model.config(tmp_path), tied=False), precision) for model in (large, student)]
        mark()
        for model in loaded:
            model.generate([(5,) * 16, (5,) * 15], 4, 4)

    assert batches_peak_bytes(batches, tmp_path, "cpu") == pytest.approx(measured_on_cpu(work), rel=0.05)


def generator(built: Architecture, precision: Precision) -> TorchModel:
    """A model with random weights, ready to generate. Weights that are read from a file would be mapped, and not allocated."""
    model = with_lean_operators(real_model(built, 0.0)).eval()
    model.generation_config.eos_token_id = [model.config.eos_token_id]
    return TorchModel(model, NoTokenizer(), decoding=Decoding(), precision=precision, device="cpu")


def test_the_parameters_of_a_model_of_44_gigabytes_are_counted_without_its_weights() -> None:
    huge = Architecture(config(shape_of("t5_v1_1", "xxl")), tied=False)
    assert parameters(huge) == pytest.approx(11.14e9, rel=1e-3)  # published/params_by_shape.csv


def test_the_categories_add_up_to_the_peak_and_hold_what_their_names_say() -> None:
    built = architecture("t5_v1_1")
    parts = training_peak(built, Tuning(freeze="none"), "bf16", TEXTS).at(4)
    assert sum(parts.values()) == training_peak(built, Tuning(freeze="none"), "bf16", TEXTS).total(4)
    assert parts["parameters"] == pytest.approx(4 * parameters(built), rel=0.01)
    assert parts["optimiser states"] == pytest.approx(2 * parts["parameters"], rel=0.02)  # AdamW's two moments


def test_many_peaks_are_those_found_one_by_one_and_optimizers_share_a_simulation() -> None:
    built, simulated = architecture("pegasus"), []
    steps = [
        TrainingStep(architecture=built, settings=Tuning(**settings), precision="bf16", lengths=TEXTS)
        for settings in ({}, {"optimizer": "adafactor"}, {"lora": Lora()}, {"checkpointing": True})
    ]
    generation = Generation(architecture=built, decoding=Decoding(beams=2), precision="bf16", lengths=TEXTS)
    workloads = [*steps, generation]
    found = peaks([*workloads, steps[0]], lambda what, done, total: simulated.append((done, total)), workers=1)
    assert list(found) == workloads
    assert found == {workload: peak(workload) for workload in workloads}
    assert simulated == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found[steps[1]].total(1) < found[steps[0]].total(1)
    assert peaks(workloads, no_progress, workers=2) == found


def test_the_largest_batch_fits_and_one_more_does_not() -> None:
    peak = training_peak(architecture(), Tuning(), "bf16", TEXTS)
    for room in (peak.total(1) - 1, peak.total(1), 2 * peak.total(3), 5 * peak.total(100)):
        most = peak.largest_batch(room)
        assert most == 0 or peak.total(most) <= room
        assert peak.total(most + 1) > room


def test_freezing_checkpointing_lora_and_small_states_take_less() -> None:
    built = architecture("pegasus")

    @functools.cache
    def total(freeze: str = "none", checkpointing: bool = False, **settings: object) -> int:
        tuning = Tuning(freeze=freeze, checkpointing=checkpointing, **settings)
        return training_peak(built, tuning, "bf16", SequenceLengths(256, 32)).total(8)

    assert total("encoder") < total("embeddings") < total("none")
    assert total(checkpointing=True) < total()
    assert total("encoder", checkpointing=True) <= total("encoder")
    assert total(optimizer="adafactor") < total()
    assert total(optimizer="adamw_8bit") < total()
    assert total("encoder", lora=Lora(rank=2)) < total("embeddings", lora=Lora(rank=2)) < total("embeddings")
    assert total("embeddings", lora=Lora(rank=4)) < total("embeddings", lora=Lora(rank=16))


def test_a_gpu_keeps_attention_in_one_piece_and_dropout_in_bytes() -> None:
    """A CPU takes attention apart where its mask learns, as T5's does, and keeps which numbers were dropped in four bytes each."""

    def total(family: str, tuning: Tuning, kernels: Kernels) -> int:
        return training_peak(architecture(family), tuning, "fp32", SequenceLengths(1000, 16), kernels=kernels).total(4)

    for family, tuning in (("t5_v1_1", Tuning(freeze="none")), ("bart", Tuning(dropout=0.1))):
        assert total(family, tuning, "cuda") < total(family, tuning, "cpu")


@pytest.mark.parametrize(("optimizer", "numbers"), [("adamw", 2 * 300 * 20), ("adafactor", 300 + 20)])
def test_the_states_of_an_optimizer_are_those_of_its_paper(optimizer: Optimizer, numbers: int) -> None:
    one = optimizer_memory([torch.Size((300, 20))], optimizer)
    assert one.states == pytest.approx(4 * numbers, abs=3 * BLOCK)
    assert optimizer_memory([torch.Size((300, 20))] * 5, optimizer).states == 5 * one.states


def held(tracker: AllocationTracker) -> int:
    return sum(tracker.now().at(0).values())


def test_a_tensor_counts_from_when_it_is_made_until_it_dies() -> None:
    with AllocationTracker() as tracker:
        first = torch.ones(KIB)
        second = first + 1
        assert held(tracker) == 2 * 4 * KIB
        view = second.view(2, -1)[1]
        del first, second
        assert held(tracker) == 4 * KIB  # the view holds its storage
        del view
        assert held(tracker) == 0
        assert [sum(snapshot.at(0).values()) for snapshot in tracker.take_snapshots()] == [2 * 4 * KIB]


def test_a_tensor_takes_whole_blocks() -> None:
    with AllocationTracker() as tracker:
        kept = torch.ones(1)
        assert held(tracker) == BLOCK
    assert kept.item() == 1


def test_a_tensor_with_a_multiple_of_the_batch_as_a_dimension_grows_with_it() -> None:
    with AllocationTracker(batch=7) as tracker:
        kept = torch.ones(7, 256), torch.ones(256)
        assert [sum(tracker.now().at(batch).values()) for batch in (1, 7, 100)] == [KIB * (batch + 1) for batch in (1, 7, 100)]
    assert len(kept) == 2


def test_marking_a_tensor_changes_only_its_category() -> None:
    with AllocationTracker(vocabulary=50) as tracker:
        weights, logits = torch.ones(KIB), torch.ones(8, 50)
        tracker.mark([weights], "parameters")
        halved = weights.bfloat16()
        parts = tracker.now().at(0)
        assert (parts["parameters"], parts["weights in bf16"], parts["logits and loss"]) == (4 * KIB, 2 * KIB, 4 * BLOCK)
        assert sum(parts.values()) == 6 * KIB + 4 * BLOCK
    assert len(halved) == len(weights) > len(logits)
