"""A dataset of the Hugging Face Hub, at a pinned revision, or a local folder of the same layout."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from bench.contracts import Example, Progress, Rule, Splits, Task, fingerprint
from bench.errors import DataError
from bench.once import made_once
from bench.tasks._rows import Row, need_columns, sift, text_of
from bench.tasks._splitting import content_hash, divide
from bench.tasks._trivial_rules import first_sentence, first_words

HUB_TIMEOUT_S = 10
"""How long the Hub may take to answer before it counts as out of reach."""


class Hub(Task):
    """Documents and labels by `datasets.load_dataset`, without remote code.

    What was loaded is kept under the cache and is not asked for again, so later arms need no network. Blank and repeated
    sources are left out and counted in the notes; no source of test stands in dev, train or the pool. Where a cap is
    set, the examples with the lowest hashes are taken: the same ones whatever order the dataset has.

    Limits: near duplicates are not looked for. A tag can be moved by its owner, a commit cannot. In a local folder of
    CSV files `datasets` takes 'NA' and 'null' for missing; the task `files` does not.
    """

    path: str
    """'owner/name' on the Hub, or a folder of data files."""
    name: str | None = None
    """The dataset's configuration."""
    revision: str | None = None
    """Commit or tag. Needed, except for a folder."""
    source: str
    """Column of the documents."""
    target: str
    """Column of the labels; class labels are read as their names."""
    train_split: str = "train"
    """Split for training and the pool."""
    dev_split: str = "validation"
    """Split for dev."""
    test_split: str = "test"
    """Split for test."""
    pool_fraction: float = Field(default=0.5, ge=0, lt=1)
    """Share of the training split, by the hash of the source, whose labels are hidden."""
    train_examples: int | None = Field(default=None, ge=1)
    """Training examples used. Missing: all."""
    pool_examples: int | None = Field(default=None, ge=0)
    """Unlabelled documents used. Missing: all."""
    dev_examples: int | None = Field(default=None, ge=1)
    """Dev examples used. Missing: all."""
    test_examples: int | None = Field(default=None, ge=1)
    """Test examples used. Missing: all."""
    lead_words: int = Field(default=12, ge=1)
    """Words of the lead baseline."""

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits."""
        progress(f"loading {self.path}", 0, 1)
        groups = {name: self._rows(name, split) for name, split in self._load(cache).items()}
        progress(f"loading {self.path}", 1, 1)
        sifted = sift(groups, pool_from="train")
        for name, split in self._split_names().items():
            if not sifted.labelled[name]:
                raise DataError(f"{self.path}: no row of the split '{split}' has both a source and a target of its own")
        hidden, train = divide(sifted.labelled["train"], (self.pool_fraction,))
        pool = sifted.unlabelled + [Example(e.id, e.source) for e in hidden]
        ordered = (
            _lowest_hashes(train, self.train_examples),
            _lowest_hashes(pool, self.pool_examples),
            _lowest_hashes(sifted.labelled["dev"], self.dev_examples),
            _lowest_hashes(sifted.labelled["test"], self.test_examples),
        )
        return Splits(*ordered, fingerprint=fingerprint(*ordered), notes=sifted.notes)

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - these rules learn nothing
        """The first `lead_words` words, the first sentence."""
        return {f"first {self.lead_words} words": first_words(self.lead_words), "first sentence": first_sentence}

    def _split_names(self) -> dict[str, str]:
        return {"test": self.test_split, "dev": self.dev_split, "train": self.train_split}

    def _rows(self, name: str, split: Any) -> list[Row]:
        where = f"{self.path}, split '{self._split_names()[name]}'"
        need_columns(where, (self.source, self.target), split.column_names)
        label = split.features[self.target]
        names = label.int2str if hasattr(label, "int2str") else None  # of classes; -1 is a label that is hidden
        try:
            sources = [text_of(value) for value in split[self.source]]
            targets = [
                text_of(value if names is None else names(value) if value not in (None, -1) else None) for value in split[self.target]
            ]
        except TypeError as e:
            raise DataError(f"{where}: a cell of '{self.source}' or '{self.target}' {e}") from e
        return [Row(f"{where}, row {i}", s or "", t) for i, (s, t) in enumerate(zip(sources, targets, strict=True))]

    def _load(self, cache: Path) -> Mapping[str, Any]:
        if Path(self.path).is_dir():
            scratch = cache / "hub" / "folders"
            return self._load_dataset(scratch, None)
        if self.revision is None:
            raise DataError(
                f"{self.path}: `revision` is needed (a commit or a tag), unless the path is a folder; there is no such folder here"
            )
        what = json.dumps([self.path, self.name, self.revision, self._split_names()])
        kept = cache / "hub" / hashlib.sha256(what.encode()).hexdigest()[:16]
        made_once(kept, self._download)
        from datasets import load_from_disk

        loaded: Mapping[str, Any] = load_from_disk(str(kept))
        return loaded

    def _download(self, folder: Path) -> None:
        from datasets import DatasetDict

        commit = self._commit()
        shutil.rmtree(folder, ignore_errors=True)
        # A cache of its own: where something fails, `datasets` falls back on the latest version in its cache, of whatever revision.
        arrow = folder.with_name(f"{folder.name}.arrow")
        try:
            DatasetDict(self._load_dataset(arrow, commit)).save_to_disk(str(folder))
        finally:
            shutil.rmtree(arrow, ignore_errors=True)

    def _commit(self) -> str:
        """The commit that the revision names. Asked for first, with a time limit: `datasets` alone would try for minutes."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            commit = HfApi().dataset_info(self.path, revision=self.revision, timeout=HUB_TIMEOUT_S).sha
        except HFValidationError as e:
            raise DataError(f"{self.path}: neither a folder here nor a name of the form owner/name") from e
        except HfHubHTTPError as e:
            raise DataError(f"{self.path} at revision {self.revision}: the Hub refuses: {_one_line(e)}") from e
        except Exception as e:  # Which HTTP library raises here has changed between versions of huggingface_hub.
            raise DataError(
                f"{self.path}: the Hugging Face Hub cannot be reached ({_one_line(e)}); the tasks 'docstrings' and 'files' need no network"
            ) from e
        assert commit is not None
        return commit

    def _load_dataset(self, arrow: Path, revision: str | None) -> dict[str, Any]:
        from datasets import load_dataset

        names = self._split_names()
        try:
            loaded = load_dataset(self.path, self.name, revision=revision, split=list(names.values()), cache_dir=str(arrow))
        except Exception as e:  # Data files can fail in any reader that `datasets` has.
            raise DataError(f"{self.path}: {_one_line(e.__cause__ or e)}") from e
        return dict(zip(names, loaded, strict=True))


def _lowest_hashes(examples: Sequence[Example], cap: int | None) -> tuple[Example, ...]:
    if cap is None or len(examples) <= cap:
        return tuple(examples)
    return tuple(sorted(examples, key=lambda e: content_hash(e.source))[:cap])


def _one_line(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__).rstrip(".")
