"""Your own data, from files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from bench.contracts import ContentPath, Example, Progress, Rule, Splits
from bench.data.rows import sift
from bench.data.splitting import divide
from bench.data.tables import Columns, Format, read_table
from bench.errors import DataError
from bench.tasks._capped import Capped
from bench.tasks._trivial_rules import constant, first_sentence, first_words


class Files(Capped):
    """Documents and labels from JSON-lines, CSV, TSV or Parquet files, in UTF-8, `.gz` or not. Relative paths start at the
    current directory.

    Rows of `train` without a target are the unlabelled pool, with those whose labels `pool_fraction` hides. Test and dev are files of
    their own, or are split off the labelled rows of `train` by the hash of the source, so that a row stays where it is when
    others are added. Blank and repeated sources are left out and counted in the notes; no source of test stands in dev, train or the
    pool. Where a cap is set, the examples with the lowest hashes are taken.

    Limits: near duplicates are not looked for. All files are read into memory. CSV and TSV quote with '"'.
    """

    train: ContentPath
    """Path of the training file."""
    dev: ContentPath | None = None
    """Path of the development file. Missing: `dev_fraction` of the labelled rows of `train`."""
    test: ContentPath | None = None
    """Path of the test file. Missing: `test_fraction` of the labelled rows of `train`."""
    source: str
    """Column of the documents."""
    target: str
    """Column of the labels; blank or null where nobody wrote one."""
    id: str | None = None
    """Column of the rows' ids. Missing: made from the source."""
    format: Format | None = None
    """Format of all files. Missing: by suffix."""
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the labelled rows for test, where no file is given."""
    dev_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the labelled rows for dev, where no file is given."""
    pool_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Share of the labelled rows of `train` whose labels are hidden: they join the pool."""
    lead_words: int = Field(default=12, ge=1)
    """Words of the lead baseline."""

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> Self:
        if self.source == self.target:
            raise ValueError("source and target are the same column")
        if self.test_fraction + self.dev_fraction + self.pool_fraction >= 1:
            raise ValueError("test_fraction, dev_fraction and pool_fraction leave nothing to train on")
        return self

    def splits(self, cache: Path, progress: Progress) -> Splits:  # noqa: ARG002 - reading is quick, nothing is kept
        """See Task.splits."""
        columns = Columns(self.source, self.target, self.id)
        given = {name: path for name, path in (("test", self.test), ("dev", self.dev), ("train", self.train)) if path}
        groups = {}
        for done, (name, path) in enumerate(given.items()):
            progress(f"reading {path}", done, len(given))
            groups[name] = read_table(path, self.format, columns)
        progress("reading files", len(given), len(given))
        sifted = sift(groups, pool_from="train")
        for name, path in given.items():
            if not sifted.labelled[name]:
                raise DataError(f"{path}: no row has both a source and a target of its own")
        parts = self._divided(sifted.labelled)
        hidden = [Example(e.id, e.source) for e in parts.pop("hidden")]
        return self.capped(**parts, pool=[*sifted.unlabelled, *hidden], notes=sifted.notes)

    def _divided(self, labelled: Mapping[str, list[Example]]) -> dict[str, list[Example]]:
        shares = (0.0 if self.test else self.test_fraction, 0.0 if self.dev else self.dev_fraction, self.pool_fraction)
        test, dev, hidden, train = divide(labelled["train"], shares)
        parts = {"test": labelled.get("test", test), "dev": labelled.get("dev", dev), "train": train}
        for name, part in parts.items():
            if not part:
                raise DataError(
                    f"{self.train}: of {len(labelled['train'])} labelled rows none fell to {name}; name a {name} file or add rows"
                )
        return parts | {"hidden": hidden}

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """The first `lead_words` words, the first sentence; before them the commonest label, where a tenth of `train` has it."""
        rules = {f"first {self.lead_words} words": first_words(self.lead_words), "first sentence": first_sentence}
        label, count = next(iter(Counter((e.target or "").strip() for e in train).most_common(1)), ("", 0))
        return {"commonest label": constant(label), **rules} if count and 10 * count >= len(train) else rules
