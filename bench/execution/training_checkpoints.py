"""Training checkpoints: the state of an unfinished training, from which another process continues.

    store/<where>/<key>.unfinished/step-<n>/...                the state after step n, as the training wrote it
    store/<where>/<key>.unfinished/step-<n>/checkpoint.json    versions, sha256 of the files, and what was used so far
    store/<where>/<key>.unfinished/reached.json                the last step before a kill, and what repeated work and writing took

The folder lies beside the unfinished artifact. It is removed once the artifact is made, and found by its key when the same recipe
is made again. A new checkpoint replaces the one before only after it is complete.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import __version__
from bench.contracts import Reading
from bench.errors import BenchError
from bench.execution.measurement import StepMeter, Window
from bench.system import machine
from bench.system.files import atomic_write, sha256, write_json
from bench.system.one_line import first_line

SCHEMA = 2

NOTED_S = 1.0
"""Seconds after which the last step is noted again."""

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes")
"""Packages that, beside bench, decide the bits of a training. A checkpoint of other versions is not used."""

CONTENT = "checkpoint.json"


@dataclass(kw_only=True)
class StoredCheckpoints:
    """The TrainingCheckpoints of one unfinished artifact in a store.

    The time and energy of a write do not count for the work. Neither does what this process took before it continued: how often a
    machine writes, and how often it is interrupted, changes no charge.
    """

    folder: Path
    every_s: float
    device: str
    meter: StepMeter
    seen: Window
    may_write: Callable[[], bool] = lambda: True
    """Whether this process still is the one that makes the artifact. If another one has taken over, that one writes the checkpoints."""
    writing_s: float = 0.0
    """Seconds in which checkpoints were written, of all processes that worked on the artifact."""
    _written: float = field(default_factory=time.monotonic)
    _noted: float = field(default_factory=time.monotonic)
    _reached: int = 0
    """Steps that another process had done when it was interrupted."""
    _before: dict[str, float] = field(default_factory=dict)
    """Quantity -> amount that repeated work of earlier processes took."""
    _writes: dict[str, float] = field(default_factory=dict)
    """Quantity -> amount that this process took to write checkpoints."""
    _repeated: dict[str, float] | None = None
    """Quantity -> amount that all repeated work took; None while this process repeats."""

    def restore(self, read: Callable[[Path], None]) -> None:
        self._read_reached()
        restored = 0
        for path in sorted(self.folder.glob("step-*[0-9]"), reverse=True):
            try:
                found = self._intact(path)
                read(path)
            except BenchError:
                shutil.rmtree(path, ignore_errors=True)  # the next try does without it
                raise
            except Exception as error:  # it may hold anything
                print(f"{path.name}: the training starts without this checkpoint: {first_line(error)}", file=sys.stderr)
                shutil.rmtree(path, ignore_errors=True)
                continue
            self.seen.interrupted = True
            self.writing_s = max(self.writing_s, found["writing_s"])
            machine.synchronise(self.device)
            self._continue_from(found)
            restored = int(path.name.removeprefix("step-"))
            break
        if restored >= self._reached:
            self._repeated = self._repeated_so_far()
        self._written = self._noted = time.monotonic()

    def step_done(self, steps: int, write: Callable[[Path], None]) -> None:
        if self._repeated is None and steps >= self._reached:
            self._repeated = self._repeated_so_far()
        now = time.monotonic()
        if now - self._noted >= min(NOTED_S, self.every_s):
            self._note(steps)
            self._noted = now
        if now - self._written >= self.every_s:
            if self.may_write():
                self._save(steps, write)
            self._written = time.monotonic()

    def end(self) -> None:
        """Note what repeated work took, while the instruments still run: the work is done."""
        self._repeated = self._repeated_until_now()

    def readings(self) -> tuple[Reading, ...]:
        """Return what repeated work took, and the seconds of writing. Empty where nothing was repeated and nothing written.

        The window has to be closed, because an instrument states its source at its end.
        """
        repeated = self._repeated_until_now()
        energy = [reading for reading in self.seen.readings if reading.quantity == "energy"]
        found = (
            Reading("repeated_wall", repeated.get("wall"), "s", "counter"),
            *(Reading("repeated_energy", repeated.get("energy"), reading.unit, reading.source) for reading in energy),
            Reading("checkpoint_writing", self.writing_s, "s", "counter"),
        )
        return tuple(reading for reading in found if reading.value)

    def remove(self) -> None:
        """Remove all checkpoints, because the artifact will not be made. If another process has taken over, its checkpoints stay."""
        if self.may_write():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _save(self, steps: int, write: Callable[[Path], None]) -> None:
        """Write a checkpoint, and remove those before it. What cannot be written is reported in one line."""
        machine.synchronise(self.device)
        before, raw, begun = self._used(), self.seen.measured(), time.monotonic()
        path = self.folder / f"step-{steps:09}"
        try:
            with atomic_write(path) as part:
                part.mkdir(parents=True)
                write(part)
                hashes = {one.name: sha256(one) for one in part.iterdir()}
                write_json(part / CONTENT, {**self._identity(), "sha256": hashes, **before})
        except OSError as error:
            print(f"{path.name}: this checkpoint cannot be written: {first_line(error)}", file=sys.stderr)
        else:
            for other in self.folder.glob("step-*"):
                if other != path:
                    shutil.rmtree(other, ignore_errors=True)
        self._continue_from(before)
        self.writing_s += time.monotonic() - begun
        for name, value in self.seen.measured().items():
            self._writes[name] = self._writes.get(name, 0.0) + value - raw.get(name, value)
        self._note(steps)

    def _intact(self, path: Path) -> dict[str, Any]:
        """Return the content of a checkpoint. Raises an Exception where it is damaged or of another version."""
        found: dict[str, Any] = json.loads((path / CONTENT).read_text(encoding="utf-8"))
        for name, value in self._identity().items():
            if found[name] != value:
                raise ValueError(f"it has {name} {found[name]}, expected {value}")
        for name, digest in found["sha256"].items():
            if sha256(path / name) != digest:
                raise ValueError(f"{name} is damaged")
        used = self._used()
        if not isinstance(found["writing_s"], float) or found["meter"].keys() != used["meter"].keys() or "wall" not in found["window"]:
            raise ValueError(f"{CONTENT} lacks what was used")
        return found

    def _identity(self) -> dict[str, Any]:
        packages = {"bench": __version__, **{name: machine.version(name) for name in PACKAGES}}
        return {"schema": SCHEMA, "work": self.folder.stem, "packages": packages}

    def _used(self) -> dict[str, Any]:
        return {"meter": self.meter.amounts(), "window": self.seen.amounts(), "writing_s": self.writing_s}

    def _continue_from(self, used: dict[str, Any]) -> None:
        self.seen.continue_from(used["window"])
        self.meter.continue_from(used["meter"])

    def _read_reached(self) -> None:
        """Read how far an earlier process came. Nothing is known of it where it noted nothing, or the file is damaged."""
        try:
            found = json.loads((self.folder / "reached.json").read_text(encoding="utf-8"))
            self._reached, self._before, self.writing_s = int(found["steps"]), dict(found["repeated"]), float(found["writing_s"])
        except (OSError, ValueError, TypeError, LookupError):
            self._reached, self._before = 0, {}

    def _repeated_until_now(self) -> dict[str, float]:
        return self._repeated_so_far() if self._repeated is None else self._repeated

    def _repeated_so_far(self) -> dict[str, float]:
        """Return what all repeated work took, where this process has repeated steps until now. Writing checkpoints is no part of it."""
        if not self._reached:
            return {}
        taken = {name: value - self._writes.get(name, 0.0) for name, value in self.seen.measured().items()}
        return {name: value + self._before.get(name, 0.0) for name, value in taken.items()}

    def _note(self, steps: int) -> None:
        """Note the last step without waiting for the disk, because this happens often. A full disk ends no training."""
        repeated = self._repeated_until_now()
        text = json.dumps({"steps": max(steps, self._reached), "repeated": repeated, "writing_s": self.writing_s})
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / "reached.json.part"
            part.write_text(text, encoding="utf-8")
            part.replace(self.folder / "reached.json")
