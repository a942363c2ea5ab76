"""Tasks that may use a part of their data."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from bench.contracts import Example, Splits, Task, fingerprint
from bench.data.splitting import lowest_hashes


class Capped(Task):
    """A task with caps. A cap takes the examples with the lowest hashes, whatever the order of the data."""

    train_examples: int | None = Field(default=None, ge=1)
    """Training examples used. Missing: all."""
    pool_examples: int | None = Field(default=None, ge=0)
    """Unlabelled documents used. Missing: all."""
    dev_examples: int | None = Field(default=None, ge=1)
    """Dev examples used. Missing: all."""
    test_examples: int | None = Field(default=None, ge=1)
    """Test examples used. Missing: all."""

    def capped(
        self, train: Sequence[Example], pool: Sequence[Example], dev: Sequence[Example], test: Sequence[Example], notes: tuple[str, ...]
    ) -> Splits:
        """Return the splits, each cut at its cap."""
        ordered = (
            lowest_hashes(train, self.train_examples),
            lowest_hashes(pool, self.pool_examples),
            lowest_hashes(dev, self.dev_examples),
            lowest_hashes(test, self.test_examples),
        )
        return Splits(*ordered, fingerprint=fingerprint(*ordered), notes=notes)
