"""A folder of JSON-lines files with `source` and `target`, the format of the data of Kang, Xu, Ritter 2023."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from bench.contracts import ContentPath, Progress, Splits
from bench.data.rows import Row, sift
from bench.data.tables import Columns, TableSettings, read_rows
from bench.system.home import expanded
from bench.system.sequences import changed
from bench.tasks._capped import Capped


class JsonLinesFolder(Capped):
    """Files of one folder, with a JSON object {"source": ..., "target": ...} on each line.

    Test, dev or pool without a file are split off the labelled rows of `train` by the hash of the source. A row stays in its split when
    others are added. One file can serve for everything: name it as `train`, and set `test` to null.

    A blank target counts as none. Rows of `train` without a target join the pool, unless the pool has a file; other such rows are left out.
    Blank and repeated sources are left out, and counted in the notes. No source of test occurs in dev, train or the pool. Test holds no
    source twice, so it may be smaller than the published one. A cap takes the examples with the lowest hashes.
    """

    folder: ContentPath = Field(min_length=1)
    """The folder of the files, absolute or relative to the current directory."""
    train: str
    """File of the labelled examples."""
    dev: str | None = None
    """File of the dev examples. Missing: `dev_fraction` of `train`."""
    test: str | None
    """File of the test examples. Null: `test_fraction` of `train`."""
    pool: str | None = None
    """File of the unlabelled documents; its targets are not read. Missing: `pool_fraction` of `train`, labels hidden."""
    test_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the labelled rows of `train` that become test, where `test` names no file."""
    dev_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the labelled rows of `train` that become dev, where `dev` names no file."""
    pool_fraction: float = Field(default=0.5, ge=0, lt=1)
    """Share of the labelled rows of `train` whose labels are hidden, where `pool` names no file."""
    max_source_tokens: int = Field(default=128, ge=4)
    """Longest source, in the model's own tokens; longer ones are cut. 128 is the default of the authors' script."""

    @model_validator(mode="after")
    def _there_is_something_to_learn(self) -> Self:
        if sum(self._shares()) >= 1:
            raise ValueError("test_fraction, dev_fraction and pool_fraction leave nothing to train on; their sum must be below 1")
        return self

    def splits(self, cache: Path, progress: Progress) -> Splits:  # noqa: ARG002 - reading is quick, so nothing is cached
        """See Task.splits."""
        files = {"test": self.test, "dev": self.dev, "train": self.train, "pool": self.pool}
        groups: dict[str, Sequence[Row]] = {}
        for name, file in files.items():
            if file:
                path = str(expanded(self.folder) / file)
                progress(f"reading {path}", 0, 1)
                target = "source" if name == "pool" else "target"  # a pool may lack targets
                groups[name], _ = read_rows(path, TableSettings(format="jsonl"), Columns("source", target))
                progress(f"reading {path}", 1, 1)
        if "pool" in groups:
            groups["pool"] = changed(groups["pool"], lambda row: replace(row, target=None))
        sifted = sift(groups, pool_from="pool" if self.pool else "train")
        none = f"{self.folder}: no row with a source and a target is left for"
        return self.split_off(sifted, self._shares(), lambda name: f"{none} {name}; repeats do not count. Name a file or add rows")

    def _shares(self) -> list[float]:
        pairs = (self.test, self.test_fraction), (self.dev, self.dev_fraction), (self.pool, self.pool_fraction)
        return [0.0 if file else share for file, share in pairs]
