"""The common steps of tasks made from the source code of installed packages."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from bench.contracts import Progress, Splits
from bench.data.source_code import EXTRACTOR, PACKAGES, DocumentedObject, documented_objects, installed
from bench.system.files import build_once
from bench.tasks._made_pairs import MadePairs


class MadeFromSource(MadePairs):
    """Pairs of texts made from documented objects."""

    shares: ClassVar[tuple[float, float, float]] = 0.08, 0.04, 0.40
    packages: ClassVar[tuple[str, ...]] = PACKAGES

    @abstractmethod
    def pair(self, found: DocumentedObject) -> tuple[str, str] | str:
        """Return (source, target), or a short reason why the object gives none."""

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits. The first call takes half a minute on one core, later ones under a second."""
        packages = installed(self.packages)
        made_by = json.dumps([type(self).__qualname__, EXTRACTOR, self.cleaning, self.packages, packages])
        name = f"{type(self).__name__.lower()}-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.jsonl"
        origin = f"documented objects of {', '.join(f'{package} {version}' for package, version in packages.items())}"

        missing = ", ".join(package for package in self.packages if package not in packages)
        notes = (f"Not installed here: {missing}.",) if missing else ()

        def make(path: Path) -> None:
            self.write(path, map(self.pair, documented_objects(packages, cache, progress)), origin, *notes)

        return self.divided(build_once(cache / "source_code" / name, make))
