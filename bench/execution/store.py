"""The store of artifacts: each is made once and kept with its bill, so that every arm can pay what it would have paid alone.

    store/<where>/<key>/artifact/...    the artifact
    store/<where>/<key>/bill.json       what making it took, the recipe, and checksums; see artifacts.py
    store/<where>/<key>.lease           held by the one process that makes it; others wait
    store/<where>/<key>.<owner>.part    the artifact, while the owner of the lease makes it
    store/<where>/<key>.unfinished/...  the checkpoints of a training that is not finished; see training_checkpoints.py

<where> is the device and a hash of the profilers and checkpoints. Bills and readings hold for that device and those profilers only, and a
checkpoint's name does not show what its folder holds. An artifact is complete or absent: it is made in a separate folder and then moved
into place.

Several machines may share a store. If a lease expires while its holder is only slow, two processes make the same artifact. The
first complete copy stays, and both charge its bill.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol

from bench.contracts import (
    METERS,
    Bill,
    BuildContext,
    Fact,
    Limit,
    Profiler,
    Progress,
    Reading,
    Recipe,
    TrainingCheckpoints,
    Unmetered,
    UsageMeter,
    identify,
)
from bench.errors import BenchError, DamagedError, Stop
from bench.execution import artifacts
from bench.execution.artifacts import ARTIFACT
from bench.execution.defaults import CHECKPOINT_MINUTES
from bench.execution.measurement import StepMeter, window
from bench.execution.training_checkpoints import StoredCheckpoints
from bench.system import leases
from bench.system.files import atomic_write, write_json
from bench.system.leases import Clock, Lease
from bench.system.results_folder import BILL

SCHEMA = 1


class ArtifactBuilder(Protocol):
    """Makes recipes and returns their bills: the store, or a dry run that only forecasts."""

    context: BuildContext

    def bill_for(self, recipe: Recipe, limit: Limit) -> tuple[Bill, bool]:
        """Return the bill, and whether the work had been done before."""
        ...

    def value(self, recipe: Recipe) -> object:
        """Return the content of an artifact as a strategy sees it."""
        ...

    def facts(self, recipe: Recipe) -> tuple[Fact, ...]:
        """Return what making an artifact showed. A forecast knows nothing of it."""
        ...

    def repeated_s(self, recipe: Recipe) -> float:
        """Return the seconds of machine time for repeated work on an artifact, if the arm of this builder finished it; 0 for all others."""
        ...


class Store:
    """Artifacts under one folder, shared by all arms of a results folder."""

    def __init__(
        self,
        folder: Path,
        cache: Path,
        device: str,
        profilers: Mapping[str, Profiler],
        progress: Progress,
        models: str = "",
        before_waiting: Callable[[], object] = lambda: None,
        checkpoint_minutes: float = CHECKPOINT_MINUTES,
        clock: Clock | None = None,
        arm: str = "",
    ) -> None:
        """Open the store. `models` is the fingerprint of the checkpoints that recipes name.

        before_waiting: called where another process makes what is wanted. It may raise, instead of waiting.
        checkpoint_minutes: minutes between two checkpoints of a training; 0 writes one after each step.
        clock: the time by which leases expire.
        arm: id of the arm for which artifacts are made. Their bills name it.
        """
        decides = json.dumps([models, *(identify(profiler) for profiler in profilers.values())], sort_keys=True)
        self.folder = folder / f"{device}-{hashlib.sha256(decides.encode()).hexdigest()[:8]}"
        self.cache, self.device, self.profilers, self.progress = cache, device, profilers, progress
        self.before_waiting, self.checkpoint_minutes = before_waiting, checkpoint_minutes
        self.context = self._context(Unmetered())
        self._clock, self._arm = clock or Clock(), arm
        self._checked: set[str] = set()

    def artifact(self, recipe: Recipe) -> Path:
        """Return the folder of an artifact."""
        return self.folder / recipe.key / ARTIFACT

    def value(self, recipe: Recipe) -> object:
        return recipe.read(self.artifact(recipe))

    def facts(self, recipe: Recipe) -> tuple[Fact, ...]:
        return recipe.facts(self.artifact(recipe))

    def repeated_s(self, recipe: Recipe) -> float:
        kept = artifacts.read_bill(self.folder / recipe.key)
        bill = self._bill(recipe, kept)
        return (bill.measured("repeated_wall") or 0.0) if kept and bill and kept.get("arm") == self._arm else 0.0

    def bill(self, recipe: Recipe) -> Bill | None:
        """Return the bill of an artifact that exists, else None. Its files are not checked."""
        with suppress(DamagedError):
            return self._bill(recipe, artifacts.read_bill(self.folder / recipe.key))
        return None

    def bill_for(self, recipe: Recipe, limit: Limit) -> tuple[Bill, bool]:
        """Make a recipe unless it is made. Return its bill, and whether it was made before.

        An artifact that another machine made is checked by its checksums, once in this process, and one of this machine by the sizes
        of its files. A damaged one is put aside, and made again.

        Raises OverBudget where the work exceeds the limit, and then keeps nothing.
        """
        with suppress(DamagedError):
            if bill := self._intact(recipe, None):
                self._remove_left(recipe)
                return bill, True

        def remove_part(owner: str) -> None:
            shutil.rmtree(self._part(recipe, owner), ignore_errors=True)

        with leases.hold(self._beside(recipe, "lease"), self._busy, clock=self._clock, clean_up=remove_part) as lease:
            try:
                if bill := self._intact(recipe, self._clock):
                    shutil.rmtree(self._beside(recipe, "unfinished"), ignore_errors=True)  # its maker was killed before it did so
                    return bill, True
            except DamagedError as error:
                print(f"{error}; the artifact is made again", file=sys.stderr)
                artifacts.put_aside(self.folder / recipe.key)
            return self._made(recipe, limit, lease)

    def _remove_left(self, recipe: Recipe) -> None:
        """Remove what a process left beside an artifact if it was stopped after the artifact was complete."""
        leases.remove_left(self._beside(recipe, "lease"), self._beside(recipe, "unfinished"))

    def _part(self, recipe: Recipe, owner: str) -> Path:
        return self._beside(recipe, f"{owner}.part")

    def _beside(self, recipe: Recipe, suffix: str) -> Path:
        return self.folder / f"{recipe.key}.{suffix}"

    def _busy(self, lease: Lease) -> None:  # noqa: ARG002
        self.before_waiting()
        self.progress("waiting for an arm that makes the same", 0, 1)

    def _intact(self, recipe: Recipe, clock: Clock | None) -> Bill | None:
        """Return the bill of an artifact after its files are checked; None where it is not made. Raises DamagedError.

        clock: waits for files that another machine has written, and that are not visible yet. None does not wait.
        """
        folder = self.folder / recipe.key
        kept = artifacts.read_bill(folder, clock)
        if kept and recipe.key not in self._checked:
            elsewhere = kept.get("machine") != artifacts.machine()
            artifacts.check(folder, kept, contents=elsewhere, clock=clock if elsewhere else None)
            self._checked.add(recipe.key)
        return self._bill(recipe, kept)

    def _bill(self, recipe: Recipe, kept: Mapping[str, Any] | None) -> Bill | None:
        if kept is None:
            return None
        kept = {"cut_short": recipe.limit is not None, **kept}  # a bill before 2026-12 does not say it
        try:
            readings = tuple(Reading(**reading) for reading in kept["readings"])
            return Bill(**{f.name: kept[f.name] for f in fields(Bill)} | {"readings": readings})
        except (KeyError, TypeError) as error:
            raise DamagedError(f"{self.folder / recipe.key / BILL}: cannot be read ({error})") from error

    def _made(self, recipe: Recipe, limit: Limit, lease: Lease) -> tuple[Bill, bool]:
        """Make a recipe, and return its bill. If another process has taken the lease over and was faster, return that one's, and True."""
        folder, part = self.folder / recipe.key, self._part(recipe, lease.owner)
        try:
            with atomic_write(folder, part) as making:
                bill = self._make(recipe, limit, making, lease)
        except OSError as error:
            if str(error.filename2) != str(folder):  # not the move
                raise
            if found := self._intact(recipe, self._clock):
                return found, True
            raise BenchError(f"{folder}: another process made it, and it cannot be read; run the suite again") from error
        shutil.rmtree(self._beside(recipe, "unfinished"), ignore_errors=True)
        return bill, False

    def _make(self, recipe: Recipe, limit: Limit, making: Path, lease: Lease) -> Bill:
        artifact = making / ARTIFACT
        artifact.mkdir(parents=True)
        with window(self.profilers, self.device) as seen:
            meter = StepMeter(limit=limit, measured=seen.so_far)
            checkpoints = StoredCheckpoints(
                folder=self._beside(recipe, "unfinished"),
                every_s=60 * self.checkpoint_minutes,
                device=self.device,
                meter=meter,
                seen=seen,
                may_write=lambda: lease.is_held,
            )
            try:
                recipe.make(artifact, self._context(meter, checkpoints))
            except Stop:
                checkpoints.remove()
                raise
            checkpoints.end()
        recipe.verify(artifact, self.context)
        if meter.set_up_s is not None:
            seen.readings.append(Reading("set_up", meter.set_up_s, "s", "counter"))
        seen.readings += checkpoints.readings()
        bill = Bill(
            flops=meter.flops,
            wall_s=seen.wall_s,
            kwh=seen.kwh(),
            readings=tuple(seen.readings),
            items=meter.items,
            prompt_tokens=meter.prompt_tokens,
            output_tokens=meter.output_tokens,
            cut_short=meter.cut_short,
        )
        about = {"schema": SCHEMA, "recipe": recipe.identity(), "arm": self._arm, "machine": artifacts.machine()}
        write_json(making / BILL, {**about, "files": artifacts.files(artifact), **asdict(bill)})
        return bill

    def _context(self, usage: UsageMeter, checkpoints: TrainingCheckpoints | None = None) -> BuildContext:
        return BuildContext(
            cache=self.cache, device=self.device, artifact=self.artifact, usage=usage, progress=self.progress, checkpoints=checkpoints
        )


class DryStore:
    """A store that forecasts and makes nothing, for `bench plan`.

    It knows the amounts of meters that are known in advance. All others count as 0. Over a real store, bills and artifacts that already
    exist are used instead of forecasts.
    """

    def __init__(self, cache: Path, progress: Progress, made: Store | None = None, bills: dict[str, Bill] | None = None) -> None:
        """`made` is a real store below this one. `bills` are those that are already forecast, by the key of the recipe."""
        self.context = BuildContext(
            cache=cache, device="cpu", artifact=lambda recipe: Path(recipe.key), usage=Unmetered(), progress=progress
        )
        self._made = made
        self._bills = {} if bills is None else bills

    def over(self, made: Store | None) -> DryStore:
        """Return a dry store over another store. Both share the bills that are already forecast."""
        return DryStore(self.context.cache, self.context.progress, made, self._bills)

    def bill_for(self, recipe: Recipe, limit: Limit) -> tuple[Bill, bool]:  # noqa: ARG002
        if self._made and (bill := self._made.bill(recipe)):
            return bill, True
        if recipe.key not in self._bills:
            prompt_tokens, output_tokens = recipe.forecast_tokens(self.context)
            self._bills[recipe.key] = Bill(
                flops=recipe.forecast_flops(self.context),
                wall_s=0.0,
                kwh=0.0,
                readings=tuple(Reading(meter.name, 0.0, meter.unit, "assumed") for meter in METERS.values() if meter.needs_reading),
                items=recipe.forecast_items(self.context),
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
            )
        return self._bills[recipe.key], False

    def value(self, recipe: Recipe) -> object:
        if self._made and self._made.bill(recipe):
            return self._made.value(recipe)
        return recipe.placeholder(self.context)

    def facts(self, recipe: Recipe) -> tuple[Fact, ...]:  # noqa: ARG002
        return ()

    def repeated_s(self, recipe: Recipe) -> float:  # noqa: ARG002
        return 0.0
