"""`bench fit`: predicts the GPU memory that a model needs, and what fits a given GPU."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli.options import COUNT, Finite, gpus_option, models_option, option
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.contracts import Precision
    from bench.training.settings import Freeze, Optimizer

TOKENS = click.IntRange(min=2)


@click.command()
@click.argument("model", metavar="MODEL")
@option("--gpu", old=["--card"], metavar="NAME", help="GPU such as L4 or A100-40GB, or a memory size such as 16GB.")
@option("--source-tokens", old=["--source"], metavar="N", type=TOKENS, default=512, help="Maximum length of a document in tokens.")
@option("--target-tokens", old=["--target"], metavar="N", type=TOKENS, default=64, help="Maximum length of a label in tokens.")
@option("--batch-size", old=["--batch"], metavar="N", type=COUNT, default=1, help="Examples per training step that have to fit.")
@option(
    "--precision",
    type=click.Choice(["bf16", "fp32"]),
    show_default="bf16; fp32 on a GPU without bf16",
    help="Number format of the computation.",
)
@option("--optimizer", type=click.Choice(["adamw", "adafactor", "adamw_8bit"]), default="adamw", help="Optimizer of the training step.")
@option("--freeze", type=click.Choice(["none", "embeddings", "encoder"]), default="embeddings", help="Weights that are not trained.")
@option("--lora-rank", old=["--lora"], metavar="RANK", type=click.IntRange(min=0), default=0, help="Rank of LoRA adapters; 0 for none.")
@option("--checkpointing", is_flag=True, help="Recompute activations in the backward pass instead of keeping them.")
@option("--dropout", metavar="RATE", type=Finite(min=0, max=1, max_open=True), default=0.0, help="Dropout rate in training.")
@option("--beams", metavar="N", type=COUNT, default=1, help="Beams in generation.")
@option("--context-gib", metavar="GIB", type=Finite(min=0), default=0.5, help="GPU memory that CUDA itself takes, in GiB.")
@option(
    "--fragmentation",
    old=["--kept-free"],
    metavar="FRACTION",
    type=Finite(min=0, max=0.9),
    default=0.05,
    help="Fraction of GPU memory lost to allocator fragmentation.",
)
@gpus_option
@models_option
def fit(
    model: str,
    gpu: str | None,
    source_tokens: int,
    target_tokens: int,
    batch_size: int,
    precision: Precision | None,
    optimizer: Optimizer,
    freeze: Freeze,
    lora_rank: int,
    checkpointing: bool,
    dropout: float,
    beams: int,
    context_gib: float,
    fragmentation: float,
    gpus: Path | None,
) -> None:
    """Predict the GPU memory that MODEL needs, and what fits.

    MODEL is a hub id, a folder, or a shape such as pegasus:16-4 or t5:small-nl16. No weights are needed.
    """
    from bench.system.garbage import gc_disabled

    with gc_disabled():
        from bench.cli import console
        from bench.forecast import gpus as gpu_table
        from bench.forecast.fit import search, terminal
        from bench.forecast.fit.options import Setting
        from bench.forecast.memory import SequenceLengths, find
        from bench.training.settings import Lora, Tuning

        if lora_rank and freeze == "none":
            raise BenchError("--lora-rank trains adapters and no weights: use it with --freeze embeddings or --freeze encoder")
        screen, table = console.console(), gpu_table.cards(gpus)
        card = gpu_table.find(gpu, table) if gpu else None
        query = search.FitQuery(
            lengths=SequenceLengths(source_tokens, target_tokens),
            setting=Setting(
                precision=precision or ("fp32" if card and not card.computes_bf16 else "bf16"),
                tuning=Tuning(
                    optimizer=optimizer,
                    freeze=freeze,
                    checkpointing=checkpointing,
                    dropout=dropout,
                    lora=Lora(rank=lora_rank) if lora_rank else None,
                ),
            ),
            batch=batch_size,
            beams=beams,
            card=card,
            context_bytes=context_gib * gpu_table.GIB,
            kept_free=fragmentation,
        )
        with console.preparing(screen) as progress:
            found = search.what_fits(find(model), query, progress)
        search.refuse_what_never_fits(found, table)
        for block in terminal.blocks(found):
            screen.print(block)
        gc.freeze()  # otherwise the process visits all objects once more when it ends
