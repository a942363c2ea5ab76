"""A suite whose models, metrics or limits cannot give a true number is refused before anything is spent, with all faults at once."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import Example, Splits, no_progress
from bench.errors import BenchError
from bench.execution import prepare
from bench.execution.checks import run
from bench.execution.prepared_suite import PreparedSuite
from bench.metrics.bert_ibleu import BertIbleu
from bench.models.folder import Folder
from bench.models.random import Random
from tests.facts import missing
from tests.prepared import prepared
from tests.suite.test_suite import GOOD, read

SPLITS = {"own": Splits((), (), (), (Example("1", "a document", "a label of five words"),), "data")}


def ready(tmp_path: Path, text: str = GOOD) -> PreparedSuite:
    return prepared(read(tmp_path, text), SPLITS, cache=tmp_path / "cache")


def folder(tmp_path: Path, name: str, family: str = "t5", **config: object) -> Path:
    to = shutil.copytree(Random(family=family).folder(tmp_path / "cache"), tmp_path / name)
    (to / "config.json").write_text(json.dumps({**json.loads((to / "config.json").read_text()), **config}))
    return to


def test_every_model_that_an_arm_uses_is_looked_at_and_no_other(tmp_path: Path) -> None:
    one, other, unused = (folder(tmp_path, name, decoder_start_token_id=None) for name in ("one", "other", "unused"))
    models = "".join(f"  {path.name}: {{use: folder, with: {{path: {path}}}}}\n" for path in (other, unused))
    found = ready(tmp_path, GOOD.replace("compact: {decoder_layers: 1}", f"compact: {{model: other}}\nmodels:\n{models}"))
    found = replace(found, suite=replace(found.suite, large=Folder(path=str(one))))
    with pytest.raises(BenchError) as told:
        prepare.fetch(found, no_progress)
    lines = str(told.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [str(one), str(other)]


def test_folders_that_are_no_models_are_named_together(tmp_path: Path) -> None:
    one, other = folder(tmp_path, "one", auto_map={}), tmp_path / "other"
    text = GOOD.replace(
        "compact: {decoder_layers: 1}", f"compact: {{model: other}}\nmodels: {{other: {{use: folder, with: {{path: {other}}}}}}}"
    )
    found = ready(tmp_path, text)
    found = replace(found, suite=replace(found.suite, large=Folder(path=str(one))))
    with pytest.raises(BenchError) as told:
        prepare.fetch(found, no_progress)
    assert [line.partition(":")[0] for line in str(told.value).splitlines()] == [str(one), str(other)]


@pytest.mark.parametrize(
    ("family", "source", "target", "refused"),
    [
        ("bart", 1025, 64, True),
        ("pegasus", 64, 1025, True),
        ("llama", 1000, 25, True),
        ("llama", 1000, 24, False),
        ("t5", 5000, 2000, False),
    ],
)
def test_limits_of_a_task_beyond_the_positions_of_a_model_are_refused(
    tmp_path: Path, family: str, source: int, target: int, refused: bool
) -> None:
    found = ready(tmp_path, GOOD.replace("compact: {decoder_layers: 1}", ""))
    limits = {"max_source_tokens": source, "max_target_tokens": target}
    arms = tuple(replace(arm, task=arm.task.model_copy(update=limits)) for arm in found.arms)
    found = replace(found, arms=arms, suite=replace(found.suite, large=Random(family=family)))
    if refused:
        with pytest.raises(BenchError, match=rf"^task 'own': random {family}[^\n]* 1024 positions[^\n]*$"):
            run(found)
    else:
        assert run(found) == []


def test_a_compact_model_of_its_own_has_to_read_the_documents_too(tmp_path: Path) -> None:
    text = GOOD.replace("compact: {decoder_layers: 1}", "compact: {model: small}\nmodels: {small: {use: random, with: {family: bart}}}")
    found = ready(tmp_path, text)
    arms = tuple(replace(arm, task=arm.task.model_copy(update={"max_source_tokens": 2000})) for arm in found.arms)
    with pytest.raises(BenchError, match="random bart"):
        run(replace(found, arms=arms))


@pytest.mark.parametrize(("rank_by", "refused"), [("self_bleu", False), ("bert_score", True), ("bert_ibleu", True)])
def test_a_missing_score_is_named_and_refused_where_arms_are_ranked_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank_by: str, refused: bool
) -> None:
    monkeypatch.setenv("BENCH_MODELS", "")
    found = ready(tmp_path)
    spec = found.suite.spec.model_copy(update={"rank_by": rank_by})
    found = replace(found, suite=replace(found.suite, spec=spec, metrics={"same": BertIbleu()}))
    if refused:
        with pytest.raises(BenchError, match=rf"^metric 'same': bert_ibleu, bert_score [^\n]*encoder[^\n]*{rank_by}[^\n]*$"):
            run(found)
    else:
        (line,) = run(found)
        assert line.startswith("metric 'same': bert_ibleu, bert_score ")
        assert missing(line, "encoder") == []


def test_what_a_check_cannot_go_on_after_is_one_fault_among_the_others(tmp_path: Path) -> None:
    damaged = folder(tmp_path, "damaged", decoder_start_token_id=None)
    (damaged / "tokenizer.json").write_text("{")
    found = ready(tmp_path)
    found = replace(found, suite=replace(found.suite, large=Folder(path=str(damaged))))
    with pytest.raises(BenchError) as told:
        run(found)
    assert len(str(told.value).splitlines()) == 2
