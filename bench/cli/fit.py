"""`bench fit`: predicts the GPU memory that a model needs, and what fits a given GPU."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import output
from bench.cli.options import COUNT, Finite, gpus_option, models_option, option

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
@output.options
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
        from bench.api import fitting
        from bench.cli import console

        screen = output.console()
        with console.preparing(screen) as progress:
            found = fitting.fit(
                model,
                gpu=gpu,
                source_tokens=source_tokens,
                target_tokens=target_tokens,
                batch_size=batch_size,
                precision=precision,
                optimizer=optimizer,
                freeze=freeze,
                lora_rank=lora_rank,
                checkpointing=checkpointing,
                dropout=dropout,
                beams=beams,
                context_gib=context_gib,
                fragmentation=fragmentation,
                gpus=gpus,
                progress=progress,
            )
        output.show(found.document, found.blocks)
        gc.freeze()  # otherwise the process visits all objects once more when it ends
