"""Measures the memory of every process while a large pool passes through `bench init`, `bench plan` and `bench run`. Prints JSON.

    python -m benchmarks.pool                         30,000 documents, some minutes
    python -m benchmarks.pool --documents 1000000     the mark: every process stays under 2 GB

The file holds documents of 1 KB of random words, and 2,000 of them have a label. The suite is that of `bench init`, with the whole pool
and one arm, which labels all of it and then trains for some steps. The model is tiny, and the teacher's engine is replaced by one that
returns the same text for every document: what is measured is what the pool takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import string
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
import yaml

from bench.contracts import LoadedModel, Output
from bench.executors.local import Local
from bench.system import home, processes
from benchmarks.pairs import Ratio, write

DOCUMENTS, LABELLED, WORDS = 30_000, 2_000, 140
"""Documents without a label, documents with one, and words of a document."""

VOCABULARY = ["".join(random.Random(i).choices(string.ascii_lowercase, k=6)) for i in range(400)]  # noqa: S311 - no secret
"""Words of the documents."""

ROOT = Path(__file__).parents[1]

MOST_BYTES = 2e9
"""Most memory of a process."""

POLL_S = 0.1
"""Seconds between two looks at the processes."""


def write_file(path: Path, documents: int) -> None:
    """Write the data as CSV. Documents with a label come first."""
    draw = random.Random(0)  # noqa: S311 - no secret
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for at in range(documents + LABELLED):
            words = draw.choices(VOCABULARY, k=WORDS)
            file.write(f"{' '.join(words)},{' '.join(words[:3]) if at < LABELLED else ''}\n")


def write_model(folder: Path, cache: Path) -> None:
    """Write a tiny model whose tokenizer knows the words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from bench.models.random import Random

    shutil.copytree(Random(family="t5_v1_1").folder(cache), folder)
    tokens = ["<pad>", "</s>", "<unk>", *VOCABULARY]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(tokens)}, unk_token="<unk>"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    for path in folder.glob("*token*"):
        path.unlink()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)


def use_whole_pool(suite: Path) -> None:
    """Let one arm of a suite label the whole pool. Its budget pays for some steps of training."""
    tree = yaml.safe_load(suite.read_text(encoding="utf-8"))
    (task,) = tree["tasks"].values()
    task["with"].pop("pool_examples", None)
    task["with"] |= {"train_examples": 400, "test_examples": 64, "dev_examples": 8}
    tuned = {"epochs": 1, "batch_size": 16}
    tree["strategies"] = {"distill": {"use": "distill", "with": {"teacher": tuned, "student": tuned}}}
    tree |= {"start_labels": 200, "budgets_usd": [0.05], "seeds": [1], "pays": {"teacher_tuning": "free", "pseudo_labelling": "free"}}
    tree["prices"] = {"label_usd": 0.1, "device_hour_usd": 3.6, "meter": "flops", "device_flops_per_second": 1e9}
    suite.write_text(yaml.safe_dump(tree), encoding="utf-8")


class SameText(LoadedModel):
    """Returns the same text for every document."""

    def generate(self, sources: Sequence[Sequence[int]], max_tokens: int, min_tokens: int = 0) -> list[Output]:  # noqa: ARG002
        return [Output(text=" ".join(VOCABULARY[:3]), tokens=4, ended=True, log_prob=0.0)] * len(sources)


class Forks(Local):
    """Runs one arm after the other, each as a fork of this process."""

    def run(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Mapping[str, Path],
        ended: Callable[[str, int], None],
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),  # noqa: ARG002
    ) -> None:
        from bench.execution import worker

        for name, command in commands.items():
            logs[name].parent.mkdir(parents=True, exist_ok=True)
            processes.in_child(partial(worker.main, command[-7:]))
            ended(name, 0)


def run_with_stand_in(arguments: Sequence[str]) -> None:
    """Do what `bench run` does, with the engine replaced."""
    from bench.cli import main as bench
    from bench.engines.torch import Torch

    Torch.load = lambda *_, **__: SameText()  # type: ignore[method-assign]
    Local.run = Forks.run  # type: ignore[assignment, method-assign]
    bench(["run", *arguments])


def peaks(command: Sequence[str], folder: Path) -> list[float]:
    """Run a command in a folder. Return the peak memory of its process in bytes, and then those of the processes that it starts, in the
    order in which they start."""
    found: dict[int, float] = {}
    environment = {**os.environ, **processes.ONE_THREAD, "PYTHONPATH": str(ROOT)}
    with psutil.Popen(command, cwd=folder, env=environment, stdout=sys.stderr) as started:
        while started.poll() is None:
            for process in _family(started):
                found[process.pid] = max(found.get(process.pid, 0.0), _peak(process.pid))
            time.sleep(POLL_S)
    if started.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {started.returncode}")
    return [*found.values()]


def _family(process: psutil.Process) -> Iterator[psutil.Process]:
    yield process
    try:
        yield from process.children(recursive=True)
    except psutil.NoSuchProcess:
        return


def _peak(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((1024.0 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0.0)


def measured(documents: int, cache: Path) -> dict[str, list[float]]:
    """Return command -> the peak memory of each of its processes in bytes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_file(folder / "pool.csv", documents)
        write_model(folder / "model", cache)
        bench, places = [sys.executable, "-m", "bench"], ["--results", str(folder / "results"), "--cache", str(cache)]
        init = ["init", "pool.csv", "--model", str(folder / "model"), "--yes", "--cache", str(cache)]
        found = {"init": peaks([*bench, *init], folder)}
        use_whole_pool(folder / "pool.yaml")
        found["plan"] = peaks([*bench, "plan", "pool.yaml", "--no-calibrate", *places], folder)
        found["run"] = peaks([sys.executable, "-m", "benchmarks.pool", "--run", "pool.yaml", *places], folder)
        check(folder / "results" / "pool", documents)
        return found


def check(results: Path, documents: int) -> None:
    """Check that the arm has ended well, and labelled the whole pool."""
    (path,) = results.glob("*/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["status"] != "done" or record["facts"]["pseudo_labels"] != documents:
        raise SystemExit(f"the arm ended as {record['status']}, {record['reason']}, {record['facts']}")


def ratio(command: str, found: Sequence[float], documents: int) -> Ratio:
    """Return how far the largest process stays below the mark."""
    most = MOST_BYTES / max(found)
    sizes = ", ".join(f"{size / 1e9:.2f}" for size in found)
    work = f"memory of bench {command}, {documents:,} documents in the pool"
    same = f"GB of its processes: {sizes}"
    return Ratio(work=work, side="largest process", against="2 GB", ratio=most, lowest=most, highest=most, rounds=1, mark=1.0, same=same)


def main() -> None:
    """Print a ratio for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--cache", type=Path, default=home.cache_folder())
    parser.add_argument("--out", type=Path)
    parser.add_argument("--run", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        run_with_stand_in(asked.run)
        return
    found: dict[str, Any] = measured(asked.documents, asked.cache.absolute())
    write([ratio(command, sizes, asked.documents) for command, sizes in found.items()], asked.out)


if __name__ == "__main__":
    main()
