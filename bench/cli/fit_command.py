"""`bench fit`, behind the command line: apart from the other commands, which import more."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.cli import console as screen
from bench.system.garbage import gc_disabled


def fit(model: str, card: str | None, cards: Path | None, batch: int, asked: Mapping[str, Any]) -> None:
    """Print what fits which card."""
    with gc_disabled():
        _fit(model, card, cards, batch, asked)
        gc.freeze()  # nor does it go over all that is still there when the process ends


def _fit(model: str, card: str | None, cards: Path | None, batch: int, asked: Mapping[str, Any]) -> None:
    from bench.forecast import gpus as card_table
    from bench.forecast.fit import search, terminal
    from bench.forecast.memory.architectures import find

    console, table = screen.console(), card_table.cards(cards)
    question = search.question(card_table.find(card, table) if card else None, batch, **asked)
    with search.begun(find(model), question) as finish, screen.preparing(console) as progress:
        found = finish(progress)
    search.refuse_what_never_fits(found, table)
    for block in terminal.blocks(found):
        console.print(block)
