"""A model of the Hugging Face hub at a pinned revision, or a local copy of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pydantic import Field

from bench.contracts import Checkpoint
from bench.errors import CheckpointError
from bench.system.hub_mirror import HUB_ID, MODELS, folder_of, hub_cache, missing_from, snapshot_of
from bench.system.one_line import first_line

FILES = ["*.json", "*.safetensors", "*.model", "*.txt"]
"""Configs, weights that cannot run code, and tokenizers."""

PICKLED_FILES = ["*.json", "pytorch_model*.bin", "*.model", "*.txt", "*.jinja"]
"""Configs, pickled weights and tokenizers, which `bench models convert` reads."""

COMMIT = r"^[0-9a-f]{40}$"
"""Pattern of a commit. Branches and tags can change."""

HUB_TIMEOUT_S = 10
"""Seconds within which the hub has to answer. After that it counts as unreachable."""


class Hub(Checkpoint):
    """A repository of the Hugging Face hub.

    It is taken from the first place that has it: the folder that `--models` names, the hub's cache on this machine, bench's cache.
    Otherwise it is downloaded once into bench's cache. A folder under `--models` has no revision: it is taken as it is, and nothing checks
    that it matches `revision`. Where weights change there, an arm recognises it by their content.
    """

    model: str = Field(pattern=HUB_ID)
    """Repository, such as 'google-t5/t5-small'."""
    revision: str | None = Field(default=None, pattern=COMMIT)
    """Commit of the repository, 40 hex digits. Branches and tags are refused, because they can change.
    Required, except under `--models`, where it is not checked."""

    @property
    def title(self) -> str:
        return self.model

    def folder(self, cache: Path) -> Path:
        from bench.training.model_folder import check_folder

        if copy := folder_of(self.model, MODELS):
            return check_folder(copy)
        if self.revision is None:
            raise CheckpointError(
                f"{self.model}: {missing_from(MODELS)}; pin a commit with `revision` (40 hex digits), or put a copy into DIR/{self.model} "
                f"(`bench models convert {self.model} --models DIR`, where the hub has pickled weights alone) and say --models DIR"
            )
        lacking = [missing_from(MODELS)]
        for place in (hub_cache(), cache / "hub"):
            try:
                return check_folder(self._cached(place, self.revision))
            except CheckpointError as error:
                lacking.append(str(error))
        return check_folder(self._download(cache / "hub", self.revision, "; ".join(lacking)))

    def licence(self, cache: Path) -> str:
        from bench.training.model_folder import licence_in

        places = [folder_of(self.model, MODELS)]
        if self.revision:
            places += [snapshot_of("model", self.model, self.revision, place) for place in (hub_cache(), cache / "hub")]
        return next((found for folder in places if folder and (found := licence_in(folder))), "")

    def _cached(self, place: Path, revision: str) -> Path:
        """Return the snapshot in a cache. Raises CheckpointError where the cache lacks it, or a shard of its weights."""
        snapshot = snapshot_of("model", self.model, revision, place, FILES)
        if snapshot is None:
            raise CheckpointError(f"not in {place}")
        for index in snapshot.glob("*.safetensors.index.json"):
            for shard in sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())):
                if not (snapshot / shard).exists():
                    raise CheckpointError(f"{snapshot}: {shard} is missing")
        return snapshot

    def _download(self, cache: Path, revision: str, lacking: str) -> Path:
        from huggingface_hub import HfApi, snapshot_download

        what = f"{self.model} at {revision[:8]}"
        try:
            HfApi().model_info(self.model, revision=revision, timeout=HUB_TIMEOUT_S)  # a download alone would retry for half a minute
            folder = Path(snapshot_download(self.model, revision=revision, allow_patterns=FILES, cache_dir=cache))
        except Exception as error:  # errors of the hub, the disk and the network, whose library has changed between versions
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise CheckpointError(
                f"{what}: {lacking}; the hub does not give it ({reason}). Without a network, put a copy into DIR/{self.model} "
                "and say --models DIR, or name `flan_t5_small` or a `folder`"
            ) from error
        if not any(folder.glob("*.safetensors")):
            raise CheckpointError(
                f"{what}: {lacking}; the hub holds no *.safetensors of it, and pickled weights, which can run code, are never loaded. "
                f"Convert them once with `bench models convert {self.model} --revision {revision} --models DIR`, and say --models DIR"
            )
        return folder


def pickled_snapshot(model: str, revision: str | None, cache: Path) -> tuple[Path, str]:
    """Return (folder with the pickled weights of a repository, its commit), from a cache or the hub. Nothing is loaded.

    revision: a commit; None for the newest. Raises CheckpointError where the repository has safetensors, or cannot be had.
    """
    from bench.training.model_folder import pickled_files

    if not re.fullmatch(HUB_ID, model):
        raise CheckpointError(f"{model}: no such folder, and no hub id")
    if revision and not re.fullmatch(COMMIT, revision):
        raise CheckpointError(f"{model}: the revision {revision} is no commit of 40 hex digits")
    if revision:
        for place in (hub_cache(), cache / "hub"):
            found = snapshot_of("model", model, revision, place, PICKLED_FILES)
            if found and pickled_files(found):
                return found, revision
    from huggingface_hub import HfApi, snapshot_download

    what = f"{model} at {revision[:8]}" if revision else model
    try:
        about = HfApi().model_info(model, revision=revision, timeout=HUB_TIMEOUT_S)
        names = [file.rfilename for file in about.siblings or ()]
        commit = str(about.sha)
        if not any(name.endswith(".safetensors") for name in names):
            return Path(snapshot_download(model, revision=commit, allow_patterns=PICKLED_FILES, cache_dir=cache / "hub")), commit
    except Exception as error:  # errors of the hub, the disk and the network, whose library has changed between versions
        raise CheckpointError(
            f"{what}: the hub does not give it ({first_line(error)}). Without a network, put pytorch_model.bin, config.json and the "
            "tokenizer into a folder, and say `bench models convert FOLDER`"
        ) from error
    raise CheckpointError(f"{what}: the hub has safetensors of it, so there is nothing to convert; use it with `revision: {commit}`")
