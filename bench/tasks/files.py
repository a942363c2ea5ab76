"""The task over your own data files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from bench.contracts import ContentPath, Example, Progress, Rule, Splits
from bench.data.rows import Row, sift
from bench.data.tables import ColumnName, Columns, TableSettings, read_rows
from bench.errors import DataError
from bench.tasks._capped import Capped
from bench.tasks._near_duplicates import near_duplicates_of_test as near_duplicates_of_test
from bench.tasks._trivial_rules import constant, first_sentence, first_words


class Files(TableSettings, Capped):
    """Documents and labels from CSV, TSV, JSON lines, JSON, Parquet or Arrow files, `.gz` or not.

    Relative paths start at the current directory; `~` is the home folder. A large pool stays on the disk, in a
    temporary file (TMPDIR says where).

    The pool consists of the rows of `train` without a target, and of those whose labels `pool_fraction` hides. Test and dev are separate
    files, or are split off the labelled rows of `train` by the hash of the source. A row stays in its split when others are added.

    Blank and repeated sources are left out and counted in the notes. No source of test occurs in dev, train or the pool. Test documents
    with a near duplicate in train or the pool stay in test, and the notes count them. A cap takes the examples with the lowest hashes.

    A column may be a part of one: `references[0]`, `references[*]` (all elements, joined), `answer.text`.
    """

    train: ContentPath
    """Path of the training file."""
    dev: ContentPath | None = None
    """Path of the development file. Missing: `dev_fraction` of the labelled rows of `train`."""
    test: ContentPath | None = None
    """Path of the test file. Missing: `test_fraction` of the labelled rows of `train`."""
    train_field: str | None = None
    """Path of the rows inside a JSON value, such as `data` or `data.train`. Missing: the value holds one list of rows."""
    dev_field: str | None = None
    """The same for dev. Without a path in `dev`, the file of `train` is read."""
    test_field: str | None = None
    """The same for test. Without a path in `test`, the file of `train` is read."""
    source: ColumnName
    """Column of the documents. Several in a list are joined, as in `[instruction, input]`."""
    target: ColumnName
    """Column of the labels. Blank or null means that a document has no label."""
    id: str | None = None
    """Column of the rows' ids. Missing: ids are made from the sources."""
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the labelled rows of `train` that become test, where no file is given."""
    dev_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the labelled rows of `train` that become dev, where no file is given."""
    pool_fraction: float = Field(default=0.0, ge=0, lt=1)
    """Share of the labelled rows of `train` whose labels are hidden; these rows join the pool."""
    lead_words: int = Field(default=12, ge=1)
    """Number of words of the lead baseline."""

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> Self:
        if self.source == self.target:
            raise ValueError("source and target are the same column")
        if self.test_fraction + self.dev_fraction + self.pool_fraction >= 1:
            raise ValueError("test_fraction, dev_fraction and pool_fraction leave nothing to train on; their sum must be below 1")
        return self

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits."""
        groups, notes = self._rows(progress)
        sifted = sift(groups, pool_from="train")
        labelled = sifted.labelled
        for name, (path, _) in self._files().items():
            if not labelled[name]:
                raise DataError(f"{path}: no row with both a source and a target is left; repeats do not count")
        shares = (0.0 if "test" in labelled else self.test_fraction, 0.0 if "dev" in labelled else self.dev_fraction, self.pool_fraction)
        none = f"{self.train}: none of the {len(labelled['train'])} labelled rows falls into"
        found = self.split_off(sifted, shares, lambda name: f"{none} {name}; name a {name} file or add rows", notes)
        return replace(found, notes=(*found.notes, *near_duplicates_of_test(found, cache)))

    def _files(self) -> dict[str, tuple[str, str | None]]:
        """Return name of a part -> (its file, path of the rows in it)."""
        test = self.test or (self.train if self.test_field else None)
        dev = self.dev or (self.train if self.dev_field else None)
        files = {"test": (test, self.test_field), "dev": (dev, self.dev_field), "train": (self.train, self.train_field)}
        return {name: (path, field) for name, (path, field) in files.items() if path}

    def _rows(self, progress: Progress) -> tuple[dict[str, Sequence[Row]], list[str]]:
        """Return the rows of each part, and notes about them. Raises DataError with the faults of all files."""
        columns, files = Columns(self.source, self.target, self.id), self._files()
        groups: dict[str, Sequence[Row]] = {}
        notes: list[str] = []
        faults: list[str] = []
        for done, (name, (path, field)) in enumerate(files.items()):
            progress(f"reading {path}", done, len(files))
            try:
                groups[name], remarks = read_rows(path, self, columns, field)
                notes += remarks
            except DataError as e:
                faults.append(str(e))
        progress("reading files", len(files), len(files))
        if faults:
            raise DataError("\n".join(dict.fromkeys(faults)))
        return groups, notes

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """Return the first `lead_words` words and the first sentence. If a tenth of `train` shares a label, it comes first."""
        rules = {f"first {self.lead_words} words": first_words(self.lead_words), "first sentence": first_sentence}
        label, count = next(iter(Counter((e.target or "").strip() for e in train).most_common(1)), ("", 0))
        return {"commonest label": constant(label), **rules} if count and 10 * count >= len(train) else rules
