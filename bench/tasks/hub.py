"""The task over a data set of the Hugging Face Hub at a pinned revision, or a local folder of the same layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from bench.contracts import ContentPath, Example, Progress, Rule, Splits
from bench.data.hub import DataSet
from bench.data.rows import Row, need_columns, sift, text_of
from bench.data.splitting import divide
from bench.errors import DataError
from bench.system.sequences import collect, joined
from bench.tasks._capped import Capped
from bench.tasks._trivial_rules import first_sentence, first_words


class Hub(Capped):
    """Documents and labels from `datasets.load_dataset`, without remote code.

    The places are tried in this order: the folder that `--data` names, bench's cache, a complete snapshot in the hub's cache on this
    machine, the Hub. Data from the last two is kept in bench's cache, so later arms need no network. Blank and repeated sources are left
    out and counted in the notes. No source of test occurs in dev, train or the pool. A cap takes the examples with the lowest hashes.

    Limits: near duplicates are not searched. The owner of a data set can move a tag, but not a commit. A folder has no revision, so nothing
    checks that it holds what `revision` names; the record's fingerprint is that of the examples read. In a local folder of CSV files
    `datasets` reads 'NA' and 'null' as missing values; the task `files` does not.
    """

    path: ContentPath
    """'owner/name' on the Hub, or a folder of data files."""
    name: str | None = None
    """Configuration of the data set, where it has several."""
    revision: str | None = None
    """Commit or tag. Required unless `path` is a folder, where it is not checked."""
    source: str
    """Column of the documents."""
    target: str
    """Column of the labels. Class labels are read as their names."""
    train_split: str = "train"
    """Split for training and the pool."""
    dev_split: str = "validation"
    """Split for dev."""
    test_split: str = "test"
    """Split for test."""
    pool_fraction: float = Field(default=0.5, ge=0, lt=1)
    """Share of the training split, by the hash of the source, whose labels are hidden."""
    lead_words: int = Field(default=12, ge=1)
    """Number of words of the lead baseline."""

    @property
    def hub_datasets(self) -> tuple[str, ...]:
        return (self.path,) if self.revision else ()

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits."""
        progress(f"loading {self.path}", 0, 1)
        names = {"test": self.test_split, "dev": self.dev_split, "train": self.train_split}
        data_set = DataSet(path=self.path, name=self.name, revision=self.revision, splits=tuple(names.items()))
        groups: dict[str, Sequence[Row]] = {}
        for name, split in data_set.load(cache).items():
            where = f"{self.path}, split '{names[name]}'"
            need_columns(where, (self.source, self.target), split.column_names)
            to_name = getattr(split.features[self.target], "int2str", None)  # classes have names; -1 is a hidden label
            try:
                sources = collect(text_of(value) for value in split[self.source])
                targets = collect(
                    text_of(value if to_name is None else to_name(value) if value not in (None, -1) else None)
                    for value in split[self.target]
                )
            except TypeError as e:
                raise DataError(f"{where}: a cell of '{self.source}' or '{self.target}' {e}") from e
            rows = enumerate(zip(sources, targets, strict=True))
            groups[name] = collect(Row(where=f"{where}, row {i}", source=source or "", target=target) for i, (source, target) in rows)
        progress(f"loading {self.path}", 1, 1)
        sifted = sift(groups, pool_from="train")
        for name, shown in names.items():
            if not sifted.labelled[name]:
                raise DataError(f"{self.path}: no row with both a source and a target is left of the split '{shown}'; repeats do not count")
        hidden, train = divide(sifted.labelled["train"], (self.pool_fraction,))
        pool = joined((sifted.unlabelled, tuple(Example(e.id, e.source) for e in hidden)))
        return self.capped(train, pool, sifted.labelled["dev"], sifted.labelled["test"], sifted.notes)

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - these rules learn nothing
        """Return the first `lead_words` words, and the first sentence."""
        return {f"first {self.lead_words} words": first_words(self.lead_words), "first sentence": first_sentence}
