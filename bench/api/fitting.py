"""A model -> what fits a GPU: memory of training and generation, settings that make a batch fit, and smaller students."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, validate_call

from bench.api.shown import Shown
from bench.contracts import Precision, Progress, no_progress
from bench.errors import BenchError
from bench.training.settings import Freeze, Optimizer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from bench.forecast.fit.search import Answer
    from bench.forecast.memory import Peak

Tokens = Annotated[int, Field(ge=2)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True, repr=False)
class Fit(Shown):
    """The memory that a model needs, and what fits."""

    answer: Answer

    @property
    def table(self) -> pd.DataFrame:
        """One row for each setting of training, the cheapest in FLOPs first.

        `peak_bytes` is for the batch of the query and includes the CUDA context. `largest_batch` is missing without a GPU.
        """
        import pandas as pd

        return pd.DataFrame(self._rows())

    def document(self) -> dict[str, Any]:
        found, query = self.answer, self.answer.query
        return {
            "model": found.model.title,
            "parameters": found.parameters,
            "gpu": query.card.name if query.card else None,
            "room_bytes": query.room,
            "batch_size": query.batch,
            "source_tokens": query.lengths.source,
            "target_tokens": query.lengths.target,
            "fits": found.fits(found.row, query.card) if query.card else None,
            "smallest_gpu": smallest.name if (smallest := found.smallest_gpu(found.row)) else None,
            "settings": self._rows(),
            "micro_batches": self._size(found.micro_batches),
            "generation": self._size(found.generation),
            "students": [
                {"layers": one.layers, "decoder_layers": one.kept, "parameters": one.parameters, **self._size(one.peak)}
                for one in found.students
            ],
        }

    def _rows(self) -> list[dict[str, Any]]:
        found, batch = self.answer, self.answer.query.batch
        rows = sorted(found.rows, key=lambda row: (row.flops, row.setting.precision, row.peak.total(batch)))
        return [
            {
                "precision": row.setting.precision,
                "optimizer": row.setting.tuning.optimizer,
                "freeze": row.setting.tuning.freeze,
                "lora_rank": row.setting.tuning.rank,
                "checkpointing": row.setting.tuning.checkpointing,
                "asked": row.setting == found.query.setting,
                "flops": row.flops,
                **self._size(row.peak),
            }
            for row in rows
        ]

    def _size(self, peak: Peak) -> dict[str, Any]:
        room = self.answer.query.room
        largest = None if room is None else peak.largest_batch(room)
        return {"peak_bytes": self.answer.total(peak, self.answer.query.batch), "largest_batch": largest}

    def blocks(self, width: int) -> Iterator[RenderableType]:  # noqa: ARG002
        from bench.forecast.fit import terminal

        return terminal.blocks(self.answer)


@validate_call
def fit(
    model: str,
    *,
    gpu: str | None = None,
    source_tokens: Tokens = 512,
    target_tokens: Tokens = 64,
    batch_size: Count = 1,
    precision: Precision | None = None,
    optimizer: Optimizer = "adamw",
    freeze: Freeze = "embeddings",
    lora_rank: Annotated[int, Field(ge=0)] = 0,
    checkpointing: bool = False,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    beams: Count = 1,
    context_gib: Annotated[float, Field(ge=0)] = 0.5,
    fragmentation: Annotated[float, Field(ge=0, le=0.9)] = 0.05,
    gpus: Path | None = None,
    progress: Progress = no_progress,
) -> Fit:
    """Predict the GPU memory that a model needs, and what fits. No weights are needed.

    model: hub id, folder, or a shape such as 'pegasus:16-4' or 't5:small-nl16'.
    gpu: such as 'L4' or 'A100-40GB', or a memory size such as '16GB'. gpus: CSV table of GPUs and prices.
    source_tokens, target_tokens: maximum lengths of a document and of a label, in tokens.
    batch_size: examples per training step that have to fit. precision: 'bf16' by default; 'fp32' on a GPU without bf16.
    optimizer, freeze, lora_rank, checkpointing, dropout: settings of training. beams: beams in generation.
    context_gib: GPU memory that CUDA itself takes, in GiB. fragmentation: fraction of GPU memory lost to the allocator.

    Raises BenchError where nothing fits, and CheckpointError where the model is not known.
    """
    from bench.forecast import gpus as gpu_table
    from bench.forecast.fit import search
    from bench.forecast.fit.options import Setting
    from bench.forecast.memory import SequenceLengths, find
    from bench.training.settings import Lora, Tuning

    if lora_rank and freeze == "none":
        raise BenchError("--lora-rank trains adapters and no weights: use it with --freeze embeddings or --freeze encoder")
    table = gpu_table.cards(gpus)
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
        table=table,
    )
    found = search.what_fits(find(model), query, progress)
    search.refuse_what_never_fits(found)
    return Fit(answer=found)
