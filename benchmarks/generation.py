"""Measures how fast the engines generate with flan-t5-small, and compares their outputs. Prints JSON.

    python -m benchmarks.generation                          model.generate, torch, and ctranslate2 where it is installed
    python -m benchmarks.generation --revision DIR           also the loop in bench/training/generation.py of a checkout in DIR
                                                             (206fb94 is the last revision whose loop calls model.generate)

All sides run on one thread. `model.generate` reads the documents in the order of the file, all others sort them by length.
Weights are those of the model `flan_t5_small`. Documents are docstrings (task `names`), and code (task `docstrings`) where
sources are longer. Both are made from installed packages once, in a minute.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.system.processes import ONE_THREAD

os.environ.update(ONE_THREAD)

import torch

from bench.contracts import Decoding, Engine, Unmetered, no_progress
from bench.engines.ctranslate2 import PACKAGE, CTranslate2
from bench.engines.torch import Torch
from bench.models.flan_t5_small import FlanT5Small
from bench.system.home import cache_folder
from bench.tasks.docstrings import Docstrings
from bench.tasks.names import Names
from bench.training.batches import encode_sources, pad
from bench.training.checkpoints import load
from bench.training.flops import flop_model
from bench.training.generation import generate
from benchmarks.pairs import ROUNDS, Ratio, compared, in_turn, write

DOCUMENTS = {48: Names(max_source_tokens=48), 128: Docstrings(max_source_tokens=128)}
"""Longest source in tokens -> the task whose pool is read."""

GENERATE, REVISION = "model.generate", "earlier revision"

MARKS = {
    ("torch", REVISION, 1, 48): 1.4,
    ("torch", REVISION, 1, 128): 1.15,
    (f"{PACKAGE} int8", GENERATE, 1, 48): 4.0,
    (f"{PACKAGE} int8", GENERATE, 1, 128): 2.5,
    (f"{PACKAGE} int8", GENERATE, 4, 48): 2.5,
    (f"{PACKAGE} int8", GENERATE, 4, 128): 2.5,
}
"""(way, against, beams, longest source) -> the ratio to reach."""

Write = Callable[[], list[str]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is generated."""

    source_tokens: int
    """Longest document."""
    max_tokens: int
    """Longest output."""
    beams: int

    @property
    def decoding(self) -> Decoding:
        return Decoding(beams=self.beams)


def documents(tokens: int, folder: Path, cache: Path, count: int) -> Sequence[Sequence[int]]:
    """Return the token ids of documents of at most that many tokens."""
    pool = DOCUMENTS[tokens].splits(cache, no_progress).unlabelled
    return encode_sources(folder, tuple(pool[:count]), "", tokens)


def by_transformers(folder: Path, case: Case, sources: Sequence[Sequence[int]], size: int) -> Write:
    """Return `model.generate` over the documents in their order."""
    from transformers import GenerationConfig

    model, tokenizer = load(folder)
    settings = model.generation_config.to_diff_dict()
    beams = {"num_beams": case.beams, "early_stopping": False, "length_penalty": 1.0} if case.beams > 1 else {}
    config = GenerationConfig(**settings, **beams, do_sample=False, max_new_tokens=case.max_tokens)

    def write() -> list[str]:
        texts = []
        for at in range(0, len(sources), size):
            batch = sources[at : at + size]
            mask = pad([[1] * len(source) for source in batch], 0)
            with torch.inference_mode():
                rows = model.generate(input_ids=pad(batch, 0), attention_mask=mask, generation_config=config)
            texts += tokenizer.batch_decode(rows, skip_special_tokens=True)
        return texts

    return write


def by_revision(old: ModuleType, folder: Path, case: Case, sources: Sequence[Sequence[int]], size: int) -> Write:
    """Return the loop of an earlier revision."""
    model, tokenizer = load(folder)
    decoding = case.decoding.model_copy(update={"batch_size": size})
    settings: Any = {"max_target_tokens": case.max_tokens, "decoding": decoding, "precision": "fp32", "device": "cpu"}
    rest: Any = {"flops": flop_model(model.config), "usage": Unmetered(), "progress": no_progress, "may_stop_early": False}
    return lambda: [output.text for _, output in sorted(old.generate(model, tokenizer, sources, **settings, **rest), key=lambda p: p[0])]


def by_engine(engine: Engine, folder: Path, case: Case, sources: Sequence[Sequence[int]], size: int, cache: Path) -> Write:
    """Return an engine with the loop of this revision."""
    decoding = case.decoding.model_copy(update={"batch_size": size})
    model = engine.load(folder, sources, decoding=decoding, precision="fp32", device="cpu", cache=cache)
    rest: Any = {
        "flops": flop_model(load(folder)[0].config),
        "usage": Unmetered(),
        "progress": no_progress,
        "may_stop_early": False,
    }

    def write() -> list[str]:
        outputs = generate(model, sources, max_target_tokens=case.max_tokens, decoding=decoding, **rest)
        return [output.text for _, output in sorted(outputs, key=lambda pair: pair[0])]

    return write


def revision(checkout: Path) -> ModuleType:
    """Import bench/training/generation.py of a checkout beside this revision's."""
    spec = importlib.util.spec_from_file_location("generation_of_revision", checkout / "bench" / "training" / "generation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Measure all cases, and print the ratios as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--revision", type=Path, help="checkout whose loop is measured too")
    parser.add_argument("--documents", type=int, default=128, help="documents of each case (default 128)")
    parser.add_argument("--batch", type=int, default=64, help="documents generated at a time (default 64)")
    parser.add_argument("--tokens", type=int, default=32, help="longest output in tokens (default 32)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    parser.add_argument("--sources", type=int, nargs="+", choices=DOCUMENTS, default=[*DOCUMENTS], help="longest documents in tokens")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4], help="beam widths (default 1 4)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    old = revision(asked.revision) if asked.revision else None
    ratios: list[Ratio] = []
    kept = cache_folder()
    folder = FlanT5Small().folder(kept)
    with tempfile.TemporaryDirectory() as conversions:
        for tokens, beams in itertools.product(asked.sources, asked.beams):
            case = Case(source_tokens=tokens, max_tokens=asked.tokens, beams=beams)
            sources = documents(tokens, folder, kept, asked.documents)
            ratios += measured(case, folder, sources, Path(conversions), old, asked)
    write(ratios, None)


def measured(
    case: Case, folder: Path, sources: Sequence[Sequence[int]], cache: Path, old: ModuleType | None, asked: argparse.Namespace
) -> Iterator[Ratio]:
    """Yield how much faster each way is than `model.generate`, and than an earlier revision."""
    size = asked.batch
    sides = {GENERATE: by_transformers(folder, case, sources, size)}
    if old:
        sides[REVISION] = by_revision(old, folder, case, sources, size)
    sides["torch"] = by_engine(Torch(), folder, case, sources, size, cache)
    if importlib.util.find_spec(PACKAGE):
        for kind in ("float32", "int8"):
            sides[f"{PACKAGE} {kind}"] = by_engine(CTranslate2(compute_type=kind), folder, case, sources, size, cache)
    texts = {name: write() for name, write in sides.items()}
    seconds = in_turn(sides, asked.rounds, warm_up=False)
    search = "greedy" if case.beams == 1 else f"{case.beams} beams"
    work = f"generation, {search}, batch {size}, sources of up to {case.source_tokens} tokens, outputs of up to {case.max_tokens}, fp32"
    for against in (GENERATE, REVISION):
        for name in [name for name in sides if against in sides and name not in (GENERATE, REVISION)]:
            equal = sum(a == b for a, b in zip(texts[against], texts[name], strict=True))
            mark = MARKS.get((name, against, case.beams, case.source_tokens))
            yield compared(seconds, work, name, against, mark, f"{equal} of {len(sources)} outputs equal")


if __name__ == "__main__":
    main()
