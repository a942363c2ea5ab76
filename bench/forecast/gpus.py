"""The table of GPUs: memory, price per hour, speed and power."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from bench import published
from bench.errors import BenchError
from bench.system.names import near

GIB = 2**30

SIZE = r"(\d+(?:\.\d+)?)\s*(?:gb|gib|g)"

CONTEXT_BYTES = 0.5 * GIB
"""Bytes assumed for the CUDA context and for cuBLAS, which tensors cannot use. 426 MiB were measured for the
context with torch 2.10 on an RTX 6000 Ada (unslothai/unsloth-zoo pull request 1053), 300 to 400 MB elsewhere
(pytorch issues 107667 and 109888); cuBLAS takes 8 MiB, on Hopper 32 (CUDABlas.cpp)."""

KEPT_FREE = 0.05
"""Fraction of a GPU's memory assumed lost to fragmentation. It is a cautious guess, not a measurement."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A GPU of the table, or only an amount of memory."""

    name: str
    memory_bytes: float
    """Memory that a process sees."""
    usd_per_hour: float | None = None
    """None where no price is published."""
    bf16_flops_per_second: float | None = None
    """Peak speed. None where it is unknown, or the GPU has no bf16 in hardware; see `computes_bf16`."""
    computes_bf16: bool = True
    watts: float | None = None
    """Maximum power of the board. None where it is unknown."""

    @property
    def title(self) -> str:
        """Name, memory and price, such as 'L4 (22.4 GiB, 0.80 USD an hour)'."""
        price = "" if self.usd_per_hour is None else f", {self.usd_per_hour:.2f} USD an hour"
        return f"{self.name} ({self.memory_bytes / GIB:.1f} GiB{price})"


def room_bytes(memory_bytes: float, context_bytes: float = CONTEXT_BYTES, kept_free: float = KEPT_FREE) -> float:
    """Return the bytes that tensors can take of a GPU's memory."""
    return (memory_bytes - context_bytes) * (1 - kept_free)


def cards(file: Path | None = None) -> tuple[Card, ...]:
    """Return the GPUs of the published table, or of a CSV file with the same columns, in order of memory. Raises BenchError where the file
    is not such a table."""
    if file is None:
        rows = published.rows("cards")
    else:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    found = []
    try:
        for row in rows:
            optional = row["usd_per_hour"], row["bf16_flops_per_second"], row.get("watts")
            price, speed, watts = (float(text) if text else None for text in optional)
            found.append(
                Card(
                    name=row["card"],
                    memory_bytes=float(row["memory_gib"]) * GIB,
                    usd_per_hour=price,
                    bf16_flops_per_second=speed,
                    computes_bf16=speed is not None,
                    watts=watts,
                )
            )
    except (KeyError, ValueError, TypeError) as error:
        raise BenchError(
            f"{file}: expected the columns card, memory_gib, usd_per_hour and bf16_flops_per_second (the last two may be empty), "
            f"and optionally watts ({error})"
        ) from None
    return tuple(sorted(found, key=lambda card: (card.memory_bytes, card.usd_per_hour or 0.0)))


def find(name: str, table: tuple[Card, ...]) -> Card:
    """Return a GPU by name, or one of a size such as '16GB', which counts as GiB, as makers do. Raises BenchError with the nearest
    names."""
    if size := re.fullmatch(SIZE, name.strip(), re.IGNORECASE):
        return Card(name=name, memory_bytes=float(size[1]) * GIB)
    plain = {_plain(card.name): card for card in table}
    if card := plain.get(_plain(name)):
        return card
    close = near(_plain(name), plain, at_most=3, cutoff=0.4)
    names = [plain[one].name for one in close] or [card.name for card in table]
    raise BenchError(f"no GPU '{name}'; {'the nearest are' if close else 'there are'} {', '.join(names)}; or use a size such as 16GB")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("nvidia"))
