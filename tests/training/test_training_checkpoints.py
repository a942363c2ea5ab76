"""A training that is killed after any step continues to the same bits, the same losses and the same charges."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from bench import __version__
from bench.contracts import FLOPS, Bill, Instrument, Limit, Profiler, Reading, Recipe
from bench.errors import BenchError, OverBudget
from bench.execution import training_checkpoints
from bench.execution.store import Store
from bench.models.random import Random
from bench.training.finetuned import Finetuned
from bench.training.objectives import LabelObjective
from bench.training.recipes import Pretrained
from bench.training.settings import Distillation, Lora, Tuning
from bench.training.soft_labels import Distilled, SoftLabels
from bench.training.training_state import TrainingState

TEXT = {"prefix": "", "max_source_tokens": 48, "max_target_tokens": 16}
STEPS = 6
NEVER = 1e9
"""Minutes between two checkpoints."""

one_family = pytest.mark.parametrize("family", ["t5_v1_1"], indirect=True)


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


@dataclass
class Progress:
    """Notes the training steps that are done, and kills the process after one of them."""

    dies_after: int = 0
    by_signal: bool = False
    steps: list[int] = field(default_factory=list)

    def __call__(self, what: str, done: float, total: float) -> None:
        if what != "training":
            return
        self.steps.append(int(done))
        if done == self.dies_after and self.by_signal:
            os.kill(os.getpid(), signal.SIGKILL)
        if done == self.dies_after:
            raise Killed


@dataclass
class Place:
    """A store in a folder. Each call of `make` stands for a process of its own."""

    folder: Path
    cache: Path
    profilers: dict[str, Profiler] = field(default_factory=dict)

    def store(self, progress: Progress, minutes: float = 0.0) -> Store:
        return Store(self.folder, self.cache, "cpu", self.profilers, progress, checkpoint_minutes=minutes)

    def make(self, recipe: Recipe, progress: Progress | None = None, minutes: float = 0.0) -> Bill:
        store = self.store(progress or Progress(), minutes)
        for needed in recipe.inputs():
            self.make(needed)
        return store.bill_for(recipe, recipe.limit or Limit(meter=FLOPS))[0]

    def kill(self, recipe: Recipe, after: int, minutes: float = 0.0) -> None:
        with pytest.raises(Killed):
            self.make(recipe, Progress(after), minutes)

    def files(self, recipe: Recipe) -> dict[str, bytes]:
        artifact = self.store(Progress()).artifact(recipe)
        return {path.name: path.read_bytes() for path in sorted(artifact.iterdir())}

    def unfinished(self) -> list[Path]:
        return sorted(self.folder.glob("*/*.unfinished"))


@pytest.fixture(scope="session")
def whole(tmp_path_factory, cache):
    """Where nothing interrupts a training. Each is made once for all tests."""
    return Place(tmp_path_factory.mktemp("whole"), cache)


@pytest.fixture
def place(tmp_path, cache):
    """Function: name of a folder -> an empty place."""
    return lambda name="interrupted", **settings: Place(tmp_path / name, cache, **settings)


@pytest.fixture
def recipe(pretrained, examples):
    """Function: settings of a training -> its recipe, of six steps."""

    def recipe(**settings):
        tuning = Tuning(**{"epochs": 2, "batch_size": 4, **settings})
        return Finetuned(base=pretrained, tuning=tuning, precision="fp32", seed=3, examples=examples, **TEXT)

    return recipe


@one_family
def test_after_a_kill_at_any_step_nothing_differs(recipe, place, whole):
    trained = recipe(dropout=0.1)
    bill = whole.make(trained, minutes=NEVER)
    for step in range(1, STEPS + 1):
        killed, progress = place(f"killed after {step}"), Progress()
        killed.kill(trained, step)
        assert len(killed.unfinished()) == 1
        again = killed.make(trained, progress)
        assert progress.steps == list(range(step + 1, STEPS + 1))
        assert killed.files(trained) == whole.files(trained)
        assert (again.flops, again.items) == (bill.flops, bill.items)
        assert killed.unfinished() == []


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("pegasus", {"optimizer": "adafactor", "freeze": "none"}),
        ("t5", {"optimizer": "adamw_8bit", "freeze": "none", "dropout": 0.1}),
        ("llama", {"lora": Lora(rank=2, dropout=0.2), "dropout": 0.1}),
        ("bart", {"freeze": "encoder"}),
        ("t5_v1_1", {"freeze": "encoder", "micro_batch_size": 3, "schedule": "cosine"}),
        ("mt5", {"micro_batch_size": 2, "checkpointing": True, "dropout": 0.1}),
    ],
    indirect=["family"],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nothing_differs_whatever_is_trained_and_how(recipe, place, whole, settings, precision):
    trained = replace(recipe(**settings), precision=precision)
    killed, progress = place(), Progress()
    bill = whole.make(trained, minutes=NEVER)
    killed.kill(trained, 2)
    killed.kill(trained, 4)
    assert killed.make(trained, progress).flops == bill.flops
    assert progress.steps == [5, 6]
    assert killed.files(trained) == whole.files(trained)


@one_family
@pytest.mark.parametrize("cached", [True, False])
def test_a_student_continues_beside_its_teacher(recipe, place, whole, examples, cached):
    teacher, own = Pretrained(Random(family="t5_v1_1", seed=1)), recipe(dropout=0.1)
    labels = SoftLabels(teacher=teacher, examples=examples, temperature=2.0, top_k=32, precision="fp32", **TEXT)
    kd = Distillation() if cached else Distillation(teacher_outputs="every_step", hidden_weight=3.0)
    fields = {name: getattr(own, name) for name in ("base", "tuning", "precision", "seed", "examples")}
    student = Distilled(**fields, **TEXT, taught_by=(labels,) if cached else teacher, distillation=kd)
    killed = place()
    whole.make(student, minutes=NEVER)
    killed.kill(student, 3)
    killed.make(student)
    assert killed.files(student) == whole.files(student)


@one_family
def test_a_budget_ends_a_continued_training_at_the_same_step(recipe, place, whole):
    killed = place()
    amount = 0.7 * whole.make(recipe()).flops
    limited = replace(recipe(), limit=Limit(meter=FLOPS, amount=amount))
    bill = whole.make(limited, minutes=NEVER)
    killed.kill(limited, 2)
    assert killed.make(limited).flops == bill.flops <= amount
    assert killed.files(limited) == whole.files(limited)
    assert json.loads(killed.files(limited)["training.json"])["steps_made"] < STEPS


@one_family
def test_a_continued_training_keeps_the_micro_batch_that_fitted(recipe, place, monkeypatch, capsys):
    loss = LabelObjective.loss

    def has_memory_for_two(objective, model, positions, *others):
        if len(positions) > 2:
            raise torch.OutOfMemoryError
        return loss(objective, model, positions, *others)

    monkeypatch.setattr(LabelObjective, "loss", has_memory_for_two)
    trained, undisturbed, killed = recipe(dropout=0.1), place("undisturbed"), place()
    undisturbed.make(trained, minutes=NEVER)
    killed.kill(trained, 3)
    capsys.readouterr()
    killed.make(trained)
    assert capsys.readouterr().err == ""
    assert killed.files(trained) == undisturbed.files(trained)
    assert json.loads(killed.files(trained)["training.json"])["reduced_micro_batch"] == 2


def die_in_process(place: Place, recipe: Recipe) -> None:
    place.make(recipe, Progress(dies_after=3, by_signal=True))


@one_family
def test_a_process_that_is_killed_by_a_signal_leaves_what_the_next_one_needs(recipe, place, whole):
    trained, killed, progress = recipe(freeze="encoder"), place(), Progress()
    whole.make(trained, minutes=NEVER)
    process = multiprocessing.get_context("fork").Process(target=die_in_process, args=(killed, trained))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    killed.make(trained, progress)
    assert progress.steps == [4, 5, 6]
    assert killed.files(trained) == whole.files(trained)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def flip_the_first(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def of_another_version(package: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        found = json.loads(path.read_text())
        assert package in found["packages"]
        path.write_text(json.dumps({**found, "packages": {**found["packages"], package: "1.0"}}))

    return change


def of_the_schema_before(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": training_checkpoints.SCHEMA - 1}))


def without_what_was_used(path: Path) -> None:
    found = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in found.items() if name != "writing_s"}))


@one_family
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("step-000000003/checkpoint.json", truncate),
        *(("step-000000003/checkpoint.json", of_another_version(name)) for name in ("bench", *training_checkpoints.PACKAGES)),
        ("step-000000003/checkpoint.json", lambda path: path.write_text("[]")),
        ("step-000000003/checkpoint.json", of_the_schema_before),
        ("step-000000003/checkpoint.json", without_what_was_used),
        ("step-000000003/state.json", Path.unlink),
        ("step-000000003/state.json", flip),
        ("step-000000003/tensors-00000.safetensors", truncate),
        ("step-000000003/tensors-00000.safetensors", flip),
        ("encoder_states.bin", Path.unlink),
        ("encoder_states.bin", truncate),
        ("encoder_states.bin", flip_the_first),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_ignored_with_one_line(recipe, place, whole, capsys, name, damage):
    trained, killed, progress = recipe(freeze="encoder"), place(), Progress()
    whole.make(trained, minutes=NEVER)
    killed.kill(trained, 3)
    damage(killed.unfinished()[0] / name)
    capsys.readouterr()
    killed.make(trained, progress)
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["step-000000003"]
    assert progress.steps == list(range(1, STEPS + 1))
    assert killed.files(trained) == whole.files(trained)


@one_family
def test_a_note_of_the_last_step_that_is_damaged_is_ignored(recipe, place):
    killed, progress = place(), Progress()
    killed.kill(recipe(), 3)
    (killed.unfinished()[0] / "reached.json").write_text("[]")
    killed.make(recipe(), progress)
    assert progress.steps == [4, 5, 6]


@one_family
def test_an_error_after_the_first_change_ends_the_training_and_the_next_one_begins_anew(recipe, place, monkeypatch):
    def damaged(*_: object) -> None:
        raise KeyError("a name")

    killed, progress = place(), Progress()
    killed.kill(recipe(), 3)
    with monkeypatch.context() as changed:
        changed.setattr(TrainingState, "_set", damaged)
        with pytest.raises(BenchError):
            killed.make(recipe())
    killed.make(recipe(), progress)
    assert progress.steps == list(range(1, STEPS + 1))


@one_family
def test_a_failed_training_without_a_checkpoint_keeps_no_encoder_states(recipe, place):
    killed = place()
    killed.kill(recipe(freeze="encoder"), 3, minutes=NEVER)
    assert list(killed.folder.rglob("encoder_states.bin")) == []


@one_family
def test_a_checkpoint_knows_the_version_of_bench(recipe, place):
    killed = place()
    killed.kill(recipe(), 3)
    found = json.loads((killed.unfinished()[0] / "step-000000003/checkpoint.json").read_text())
    assert found["packages"]["bench"] == __version__


@one_family
def test_a_full_disk_ends_no_training(recipe, place, whole, capsys, monkeypatch):
    def full(state: TrainingState, folder: Path) -> None:
        raise OSError("disk full")

    full_disk = place()
    whole.make(recipe(), minutes=NEVER)
    monkeypatch.setattr(TrainingState, "write", full)
    full_disk.make(recipe())
    assert len([line for line in capsys.readouterr().err.splitlines() if "disk full" in line]) == STEPS
    assert full_disk.files(recipe()) == whole.files(recipe())


@one_family
def test_a_folder_that_cannot_be_written_ends_no_training(recipe, place, whole, monkeypatch):
    monkeypatch.setattr(training_checkpoints, "NOTED_S", 0.0)
    here = place()
    whole.make(recipe(), minutes=NEVER)
    store = here.store(Progress())
    store.folder.mkdir(parents=True)
    (store.folder / f"{recipe().key}.unfinished").touch()
    here.make(recipe())
    assert here.files(recipe()) == whole.files(recipe())


@one_family
def test_a_checkpoint_replaces_the_one_before(recipe, place):
    killed = place()
    killed.kill(recipe(), 4)
    assert sorted(path.name for path in killed.unfinished()[0].iterdir()) == ["reached.json", "step-000000004"]


@one_family
def test_a_training_that_the_budget_ends_leaves_no_checkpoint(recipe, place):
    here = place()
    with pytest.raises(OverBudget):
        here.store(Progress()).bill_for(recipe(), Limit(meter=FLOPS, amount=0.5 * here.make(recipe(epochs=3)).flops))
    assert here.unfinished() == []


USED = [0.0]
"""kWh that the machine has used."""


class Plug:
    """A RunningInstrument of energy that also reads FLOPs at its end."""

    quantity = "energy"

    def start(self) -> None:
        self.begun = USED[0]

    def so_far(self) -> float:
        return USED[0] - self.begun

    def stop(self) -> list[Reading]:
        return [Reading("energy", self.so_far(), "kWh", "counter"), Reading("counted", 1.0, "FLOP", "counter")]


class Plugged(Profiler):
    def instrument(self) -> Instrument:
        return Plug()


@pytest.fixture
def one_kwh_a_step(monkeypatch):
    loss = LabelObjective.loss

    def paid(*arguments, **settings):
        USED[0] += 1
        return loss(*arguments, **settings)

    monkeypatch.setattr(LabelObjective, "loss", paid)
    monkeypatch.setattr(training_checkpoints, "NOTED_S", 0.0)


@one_family
def test_repeated_work_is_charged_once_and_read_beside_the_charge(recipe, place, one_kwh_a_step):
    here = place(profilers={"plug": Plugged()})
    here.kill(recipe(), 2)
    here.kill(recipe(), 5, minutes=NEVER)
    progress = Progress()
    bill = here.make(recipe(), progress, minutes=NEVER)
    assert progress.steps == [3, 4, 5, 6]
    assert bill.kwh == STEPS
    (repeated,) = [reading for reading in bill.readings if reading.quantity == "repeated_energy"]
    assert (repeated.value, repeated.unit, repeated.source) == (3, "kWh", "counter")
    assert bill.measured("repeated_wall") > 0
    assert bill.measured("counted") is None
    undisturbed = place("whole", profilers={"plug": Plugged()}).make(recipe(), minutes=NEVER)
    assert (bill.flops, undisturbed.kwh, undisturbed.measured("counted")) == (undisturbed.flops, STEPS, 1.0)
    names = {reading.quantity for reading in undisturbed.readings}
    assert not names & {"repeated_wall", "repeated_energy", "checkpoint_writing"}


@one_family
def test_writing_a_checkpoint_is_no_repeated_work(recipe, place, one_kwh_a_step, monkeypatch):
    write = TrainingState.write

    def paid(state: TrainingState, folder: Path) -> None:
        USED[0] += 100
        write(state, folder)

    monkeypatch.setattr(TrainingState, "write", paid)
    here = place(profilers={"plug": Plugged()})
    here.kill(recipe(), 4, minutes=NEVER)
    bill = here.make(recipe())
    assert (bill.kwh, bill.measured("repeated_energy")) == (STEPS, 4)


@one_family
def test_the_last_write_before_a_kill_is_counted(recipe, place):
    killed = place()
    killed.kill(recipe(), 3)
    (found,) = killed.unfinished()
    reached = json.loads((found / "reached.json").read_text())
    saved = json.loads((found / "step-000000003/checkpoint.json").read_text())
    assert reached["writing_s"] > saved["writing_s"]


@one_family
def test_all_steps_are_repeated_work_where_no_checkpoint_was_written(recipe, place, one_kwh_a_step):
    here = place(profilers={"plug": Plugged()})
    here.kill(recipe(), 4, minutes=NEVER)
    bill = here.make(recipe(), minutes=NEVER)
    assert (bill.kwh, bill.measured("repeated_energy")) == (STEPS, 4)
