"""Measures how fast the engines generate with a random flan-t5-small, and compares their outputs. Prints JSON.

    python -m benchmarks.generation                          model.generate, torch, and ctranslate2 where it is installed
    python -m benchmarks.generation --revision DIR           also the loop in bench/training/generation.py of a checkout in DIR
                                                             (206fb94 is the last revision whose loop calls model.generate)

All sides run on one thread. `model.generate` reads the documents in the order of the file, all others sort them by length.
Random weights never end an output by themselves, so the output layer is changed to end about half of them early; `--full`
leaves them all at the full length.
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
from bench.training.batches import pad
from bench.training.checkpoints import load, save
from bench.training.flops import flop_model
from bench.training.generation import generate
from bench.training.shapes import build, shape_of
from benchmarks.pairs import ROUNDS, Ratio, compared, in_turn, write

VOCABULARY, END = 32128, 1

END_STRENGTH = 4.0
"""Factor on the row of the end token in the output layer, where outputs have different lengths."""

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
    """Longest document. Lengths are spread evenly from half of it."""
    max_tokens: int
    beams: int
    varied: bool
    """Whether outputs have different lengths."""

    @property
    def decoding(self) -> Decoding:
        return Decoding(beams=self.beams)


def make_model(folder: Path, varied: bool) -> Path:
    """Write a random flan-t5-small and a tokenizer whose tokens are their ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    torch.manual_seed(0)
    model = build(shape_of("t5_v1_1", "small"))
    with torch.no_grad():
        model.lm_head.weight[END] *= END_STRENGTH if varied else 0
    padding, end, unknown = "0", str(END), "2"
    words = Tokenizer(models.WordLevel({str(i): i for i in range(VOCABULARY)}, unk_token=unknown))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    save(model, PreTrainedTokenizerFast(tokenizer_object=words, eos_token=end, pad_token=padding, unk_token=unknown), folder)
    return folder


def documents(case: Case, count: int) -> list[list[int]]:
    """Return random documents as token ids."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(case.source_tokens // 2, case.source_tokens + 1, (count,), generator=generator).tolist()
    return [[*torch.randint(3, VOCABULARY, (length - 1,), generator=generator).tolist(), END] for length in lengths]


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
    parser.add_argument("--documents", type=int, default=64, help="documents of each case (default 64)")
    parser.add_argument("--batch", type=int, default=64, help="documents generated at a time (default 64)")
    parser.add_argument("--tokens", type=int, default=32, help="longest output in tokens (default 32)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    parser.add_argument("--sources", type=int, nargs="+", default=[48, 128], help="longest documents in tokens (default 48 128)")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4], help="beam widths (default 1 4)")
    parser.add_argument("--full", action="store_true", help="outputs of the full length")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    old = revision(asked.revision) if asked.revision else None
    ratios: list[Ratio] = []
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary)
        folder = make_model(cache / "model", varied=not asked.full)
        for tokens, beams in itertools.product(asked.sources, asked.beams):
            case = Case(source_tokens=tokens, max_tokens=asked.tokens, beams=beams, varied=not asked.full)
            ratios += measured(case, folder, cache, old, asked)
    write(ratios, None)


def measured(case: Case, folder: Path, cache: Path, old: ModuleType | None, asked: argparse.Namespace) -> Iterator[Ratio]:
    """Yield how much faster each way is than `model.generate`, and than an earlier revision."""
    sources, size = documents(case, asked.documents), asked.batch
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
