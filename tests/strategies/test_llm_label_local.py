"""An LLM on our own device: paid as all compute is, asked by its own template."""

from pathlib import Path

import pytest
import torch

from bench.contracts import no_progress, numbers
from bench.errors import CheckpointError
from bench.execution.job import ArmJob
from bench.execution.ledger import rows
from bench.execution.purse import Purse
from bench.execution.store import DryStore
from bench.models.random import Random
from bench.suite import arms, suite_file
from bench.training.checkpoints import load, load_tokenizer, save
from bench.training.llm_prompt import Prompt
from tests.strategies.llm_arms import POOL, SPLITS, arm, artifacts, charges, predictions, run, scores, whole


def test_a_local_llm_is_paid_by_the_meter_of_all_compute(cache: Path, tmp_path: Path) -> None:
    outcome = run(tmp_path, cache, {"teacher": "llm", "prompt": {"few_shot": 1, "instruction": "{source} = {target}"}})
    assert numbers(outcome.facts)["pseudo_labels"] + numbers(outcome.facts)["invalid_answers"] == len(POOL)
    assert 0 < numbers(outcome.facts)["output_tokens"] <= 8 * len(POOL)
    (compute,) = charges(tmp_path).values()
    assert (compute["unit"], compute["quantity"] > 0) == ("FLOP", True)


def always_says(cache: Path, folder: Path, word: str, template: str | None = None, positions: int = 512) -> Path:
    """A decoder-only model that says one token, whatever it reads."""
    model, tokenizer = load(Random(family="llama").folder(cache))
    (token,) = tokenizer(word).input_ids
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(0.0 if "proj" in name else 1.0)
        model.config.tie_word_embeddings = False
        model.set_output_embeddings(torch.nn.Linear(model.config.hidden_size, len(tokenizer), bias=False))
        model.lm_head.weight.zero_()
        model.lm_head.weight[token] = 1.0
    model.config.max_position_embeddings = positions
    tokenizer.chat_template = template
    save(model, tokenizer, folder)
    return folder


@pytest.mark.parametrize(
    ("word", "stop", "tokens", "verdict"), [("\n", True, 1, "empty"), ("\n", False, 8, "empty"), ("a", True, 8, "cut_off")]
)
def test_a_local_llm_stops_at_the_end_of_the_line(word: str, stop: bool, tokens: int, verdict: str, cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", word)
    outcome = run(tmp_path, cache, {"teacher": "own", "prompt": {"stop_at_newline": stop}}, FOLDER=str(own))
    assert numbers(outcome.facts)["output_tokens"] == tokens * len(POOL)
    assert {row["verdict"] for row in artifacts(tmp_path, "invalid.jsonl")} == {verdict}


TURNS = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"


@pytest.mark.parametrize(
    ("template", "read"),
    [
        (TURNS, "[system] Be brief.\n[user] SHOT =\n[assistant] LABEL\n[user] DOCUMENT =\n[assistant]"),
        (None, "Be brief.\n\nSHOT = LABEL\n\nDOCUMENT ="),
    ],
)
def test_a_local_llm_reads_its_own_chat_template_or_one_plain_text(template: str | None, read: str, cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a", template)
    prompt = {"few_shot": 1, "system": "Be brief.", "instruction": "{source} = {target}"}
    outcome = run(tmp_path, cache, {"teacher": "own", "prompt": prompt}, FOLDER=str(own))
    loaded, planned = arm(tmp_path, {"teacher": "own"}, FOLDER=str(own))
    (shot,) = ArmJob(loaded, planned, SPLITS, Purse(4.0), DryStore(cache, no_progress)).labels(0.0)[:1]
    texts = [read.replace("SHOT", shot.source).replace("LABEL", shot.target or "").replace("DOCUMENT", e.source) for e in POOL]
    assert numbers(outcome.facts)["prompt_tokens"] == sum(len(load_tokenizer(own)(text).input_ids) for text in texts)


def test_a_prompt_that_does_not_fit_a_local_llm_is_refused(cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a", positions=16)
    with pytest.raises(CheckpointError, match="16 positions"):
        run(tmp_path, cache, {"teacher": "own"}, FOLDER=str(own))


def test_a_chat_template_that_refuses_ends_the_run(cache: Path, tmp_path: Path) -> None:
    own = always_says(cache, tmp_path / "own", "a", "{{ raise_exception('no system here') }}")
    with pytest.raises(CheckpointError, match=r"chat template .*: no system"):
        run(tmp_path, cache, {"teacher": "own"}, FOLDER=str(own))


def test_a_local_llm_answers_the_test_documents_as_it_is_asked_and_is_scored(cache: Path, tmp_path: Path) -> None:
    model, tokenizer = load(Random(family="llama").folder(cache))
    prompt = Prompt(few_shot=1, instruction="{source} = {target}")
    ending, folder = whole(tmp_path, cache, {"teacher": "llm", "prompt": prompt.model_dump(exclude_unset=True)})
    assert (ending.status, ending.reason) == ("done", "")
    assert ending.facts["teacher_parameters"] == sum(p.numel() for p in model.parameters())
    loaded = suite_file.read(tmp_path / "tiny.yaml")
    (planned,) = arms.arms(loaded)
    job = ArmJob(loaded, planned, planned.task.splits(cache, no_progress), Purse(4.0), DryStore(cache, no_progress))
    shots = job.labels(0.0)[:1]
    for row in predictions(folder):
        ids = tokenizer(prompt.plain(shots, row["source"]), return_tensors="pt")
        said = model.generate(**ids, do_sample=False, max_new_tokens=8)[0, ids["input_ids"].shape[1] :]
        assert row["predictions"]["teacher"] == prompt.judge(tokenizer.decode(said, skip_special_tokens=True), finished=True)[0]
    assert set(scores(folder)["teacher"]) == set(scores(folder)["student"])
    assert not [row for row in rows(folder) if row["row"] == "charge" and row["phase"] == "evaluation" and row["paid_by"] == "purse"]
