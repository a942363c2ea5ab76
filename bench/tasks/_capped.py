"""Tasks over other people's data, of which one may use a part."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from bench.contracts import Example, Splits, Task, fingerprint
from bench.data.splitting import lowest_hashes


class Capped(Task):
    """Where a cap is set, the examples with the lowest hashes are taken: the same ones whatever order the data has."""

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
        """The splits, each cut at its cap."""
        ordered = (
            lowest_hashes(train, self.train_examples),
            lowest_hashes(pool, self.pool_examples),
            lowest_hashes(dev, self.dev_examples),
            lowest_hashes(test, self.test_examples),
        )
        return Splits(*ordered, fingerprint=fingerprint(*ordered), notes=notes)
