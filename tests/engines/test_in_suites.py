"""A suite chooses its engine. Keys, ids, checks and results follow."""

from __future__ import annotations

import json
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BuildContext, Decoding, Engine, Example, LoadedModel, Output, Splits, Unmetered, no_progress
from bench.engines.ctranslate2 import CTranslate2
from bench.engines.torch import Torch
from bench.errors import BenchError, SuiteError
from bench.execution.checks.engine import engine_can_generate
from bench.models.random import Random
from bench.suite import arms, suite_file
from bench.training.generated import Predictions
from bench.training.recipes import Pretrained
from tests.prepared import prepared

SUITE = """
suite: tiny
question: Which?
large: {use: random}
tasks:
  own: {use: files, with: {train: data.csv, source: a, target: b}}
strategies:
  sft: {use: sft}
start_labels: 10
budgets_usd: [1]
seeds: [1]
prices: {label_usd: 0.1}
"""


def read(tmp_path: Path, more: str = "") -> suite_file.Suite:
    path = tmp_path / "tiny.yaml"
    path.write_text(SUITE + more, encoding="utf-8")
    return suite_file.read(path)


def predictions(engine: Engine, texts: Sequence[str] = ("one two", "three", "four five six")) -> Predictions:
    examples = tuple(Example(f"e{i}", text) for i, text in enumerate(texts))
    return Predictions(
        model=Pretrained(Random()),
        examples=examples,
        prefix="",
        max_source_tokens=16,
        max_target_tokens=4,
        decoding=Decoding(batch_size=2),
        engine=engine,
        precision="fp32",
    )


class Fixed(LoadedModel):
    """Writes the same text for every document."""

    def generate(self, sources: Sequence[Sequence[int]], max_tokens: int, min_tokens: int = 0) -> list[Output]:
        return [Output(text="fixed", tokens=1, ended=True, log_prob=-1.5) for _ in sources]


class Other(Engine):
    """An engine whose outputs are compared with torch's."""

    def reference(self) -> Engine:
        return Torch()

    def load(self, *_: Any, **__: Any) -> LoadedModel:
        return Fixed()


class Broken(Other):
    """An engine that does not compute what torch does."""

    def verify(self, folder: Path, sources: Sequence[Sequence[int]], **_: Any) -> None:
        raise BenchError(f"{len(sources)} documents differ")


def make(recipe: Predictions, folder: Path, cache: Path) -> Path:
    folder.mkdir()
    context = BuildContext(cache=cache, device="cpu", artifact=lambda _: folder, usage=Unmetered(), progress=no_progress)
    recipe.make(folder, context)
    recipe.verify(folder, context)
    return folder


def test_torch_is_the_default_and_a_suite_may_name_another(tmp_path: Path) -> None:
    assert read(tmp_path).engine == Torch()
    assert read(tmp_path, "engine: {use: ctranslate2, with: {compute_type: int8}}\n").engine == CTranslate2(compute_type="int8")


@pytest.mark.parametrize(
    ("line", "place", "named"),
    [
        ("engine: {use: torhc}", "13: engine.use", "torch"),
        ("engine: {use: ctranslate2, with: {compute_typ: int8}}", "13: engine.with.compute_typ", "compute_type"),
        ("engine: {use: ctranslate2, with: {compute_type: int4}}", "13: engine.with.compute_type", "int4"),
        ("engine: torch", "13: engine", "torch"),
    ],
)
def test_an_engine_that_does_not_exist_is_a_fault_with_its_line(tmp_path: Path, line: str, place: str, named: str) -> None:
    with pytest.raises(SuiteError) as raised:
        read(tmp_path, f"{line}\n")
    (fault,) = raised.value.faults
    assert fault.removeprefix(f"{tmp_path}/tiny.yaml:").startswith(f"{place}: ")
    assert named in fault


def test_ids_of_arms_name_every_engine_but_the_default_one(tmp_path: Path) -> None:
    lines = ("", "engine: {use: torch}\n", "engine: {use: ctranslate2}\n", "engine: {use: ctranslate2, with: {compute_type: int8}}\n")
    ids = [arms.arms(read(tmp_path, line))[0].id for line in lines]
    assert ids[0] == ids[1] == "own.sft.1usd.seed1-39f18727"
    assert len(set(ids)) == 3


def test_keys_of_outputs_name_every_engine_but_the_default_one() -> None:
    keys = [predictions(engine).key for engine in (Torch(), CTranslate2(), CTranslate2(compute_type="int8"))]
    assert len(set(keys)) == 3
    assert keys[0] == "predictions-c32dbda87cc69130"
    assert "engine" not in predictions(Torch()).identity()
    assert "engine" in predictions(Torch()).speed_identity()


def test_log_probabilities_are_kept_beside_the_predictions(tmp_path: Path) -> None:
    recipe = predictions(Torch())
    folder = make(recipe, tmp_path / "made", tmp_path)
    log_probs = recipe.log_probs(folder)
    assert log_probs is not None
    assert len(log_probs) == len(recipe.read(folder)) == 3
    assert all(log_prob < 0 for log_prob in log_probs)
    assert recipe.agreement(folder) is None


def test_an_artifact_of_an_earlier_version_has_texts_alone(tmp_path: Path) -> None:
    (tmp_path / "predictions.json").write_text(json.dumps(["a", "b"]), encoding="utf-8")
    recipe = predictions(Torch())
    assert (recipe.read(tmp_path), recipe.log_probs(tmp_path), recipe.agreement(tmp_path)) == (["a", "b"], None, None)


def test_agreement_is_the_share_of_outputs_that_torch_writes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = predictions(Other())
    assert recipe.agreement(make(recipe, tmp_path / "none", tmp_path)) == 0

    def alike(self: Engine, *args: Any, **settings: Any) -> LoadedModel:
        return Torch().load(*args, **settings)

    monkeypatch.setattr(Other, "load", alike)
    assert recipe.agreement(make(recipe, tmp_path / "all", tmp_path)) == 1


def test_outputs_are_compared_after_the_model_that_wrote_them_is_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, held = weakref.WeakSet[LoadedModel](), list[int]()

    def load(self: Engine, *args: Any, **settings: Any) -> LoadedModel:
        written.add(model := Fixed())
        return model

    def load_torch(self: Engine, *args: Any, **settings: Any) -> LoadedModel:
        held.append(len(written))
        return Fixed()

    monkeypatch.setattr(Other, "load", load)
    monkeypatch.setattr(Torch, "load", load_torch)
    make(predictions(Other()), tmp_path / "made", tmp_path)
    assert held == [0]


def test_flops_do_not_depend_on_the_engine(tmp_path: Path) -> None:
    context = BuildContext(cache=tmp_path, device="cpu", artifact=lambda _: tmp_path, usage=Unmetered(), progress=no_progress)
    assert predictions(Torch()).forecast_flops(context) == predictions(Other()).forecast_flops(context)


@pytest.mark.parametrize(("engine", "refused"), [(Torch(), False), (Other(), False), (Broken(), True)], ids=repr)
def test_a_suite_is_refused_where_its_engine_differs_on_its_documents(tmp_path: Path, engine: Engine, refused: bool) -> None:
    documents = tuple(Example(str(i), "a document", "a label") for i in range(30))
    suite, splits = read(tmp_path), {"own": Splits(documents, (), (), documents, "data")}
    given = prepared(replace(suite, engine=engine), splits, cache=tmp_path, arms=arms.arms(suite))
    if refused:
        with pytest.raises(BenchError, match="20"):
            list(engine_can_generate(given))
    else:
        assert list(engine_can_generate(given)) == []
