"""Tasks that may use a part of their data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import Field

from bench.contracts import Example, Splits, Task, fingerprint
from bench.data.rows import Sifted
from bench.data.splitting import divide, lowest_hashes
from bench.errors import DataError
from bench.system.sequences import joined


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
            tuple(lowest_hashes(train, self.train_examples)),
            lowest_hashes(pool, self.pool_examples),
            tuple(lowest_hashes(dev, self.dev_examples)),
            tuple(lowest_hashes(test, self.test_examples)),
        )
        return Splits(*ordered, fingerprint=fingerprint(*ordered), notes=notes)

    def split_off(self, sifted: Sifted, shares: Sequence[float], empty: Callable[[str], str], notes: Sequence[str] = ()) -> Splits:
        """Return the splits, cut at their caps. Those without rows of their own are split off the labelled rows of `train`.

        `shares` are those of test, dev and of rows whose labels are hidden. Raises DataError, with `empty(name)`, for an empty split.
        """
        test, dev, hidden, train = divide(sifted.labelled["train"], shares)
        parts = {"test": sifted.labelled.get("test", test), "dev": sifted.labelled.get("dev", dev), "train": train}
        for name, part in parts.items():
            if not part:
                raise DataError(empty(name))
        pool = joined((sifted.unlabelled, tuple(Example(e.id, e.source) for e in hidden)))
        return self.capped(**parts, pool=pool, notes=(*notes, *sifted.notes))
