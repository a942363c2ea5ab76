"""The store of artifacts: each is made once and kept with its bill, so that every arm can pay what it would
have paid alone.

    store/<where>/<key>/artifact/...    the artifact
    store/<where>/<key>/bill.json       what making it took, and the recipe
    store/<where>/<key>.lock            held by the one process that makes it; others wait
    store/<where>/<key>.unfinished/...  the checkpoints of a training that is not finished; see training_checkpoints.py

<where> is the device and a hash of the profilers and checkpoints. Bills and readings hold for that device and
those profilers only, and a checkpoint's name does not show what its folder holds. An artifact is complete or
absent: it is made in a separate folder and then moved into place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Protocol

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
from bench.errors import Stop
from bench.execution.measurement import StepMeter, window
from bench.execution.training_checkpoints import MINUTES, StoredCheckpoints
from bench.system.files import atomic_write, exclusive_lock, write_json

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
        checkpoint_minutes: float = MINUTES,
    ) -> None:
        """Open the store. `models` is the fingerprint of the checkpoints that recipes name.

        before_waiting: called where another process makes what is wanted. It may raise, instead of waiting.
        checkpoint_minutes: minutes between two checkpoints of a training; 0 writes one after each step.
        """
        decides = json.dumps([models, *(identify(profiler) for profiler in profilers.values())], sort_keys=True)
        self.folder = folder / f"{device}-{hashlib.sha256(decides.encode()).hexdigest()[:8]}"
        self.cache, self.device, self.profilers, self.progress = cache, device, profilers, progress
        self.before_waiting, self.checkpoint_minutes = before_waiting, checkpoint_minutes
        self.context = self._context(Unmetered())

    def artifact(self, recipe: Recipe) -> Path:
        """Return the folder of an artifact."""
        return self.folder / recipe.key / "artifact"

    def value(self, recipe: Recipe) -> object:
        return recipe.read(self.artifact(recipe))

    def facts(self, recipe: Recipe) -> tuple[Fact, ...]:
        return recipe.facts(self.artifact(recipe))

    def bill(self, recipe: Recipe) -> Bill | None:
        """Return the bill of an artifact that exists, else None."""
        path = self.folder / recipe.key / "bill.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        readings = tuple(Reading(**reading) for reading in kept["readings"])
        return Bill(**{f.name: kept[f.name] for f in fields(Bill)} | {"readings": readings})

    def bill_for(self, recipe: Recipe, limit: Limit) -> tuple[Bill, bool]:
        """Make a recipe unless it is made. Return its bill, and whether it was made before.

        Raises OverBudget where the work exceeds the limit, and then keeps nothing.
        """
        if bill := self.bill(recipe):
            return bill, True

        def held_elsewhere() -> None:
            self.before_waiting()
            self.progress("waiting for an arm that makes the same", 0, 1)

        with exclusive_lock(self.folder / f"{recipe.key}.lock", held_elsewhere):
            if bill := self.bill(recipe):
                return bill, True
            return self._make(recipe, limit), False

    def _make(self, recipe: Recipe, limit: Limit) -> Bill:
        with atomic_write(self.folder / recipe.key) as making:
            (making / "artifact").mkdir(parents=True)
            with window(self.profilers, self.device) as seen:
                meter = StepMeter(limit=limit, measured=seen.so_far)
                checkpoints = StoredCheckpoints(
                    folder=self.folder / f"{recipe.key}.unfinished",
                    every_s=60 * self.checkpoint_minutes,
                    device=self.device,
                    meter=meter,
                    seen=seen,
                )
                try:
                    recipe.make(making / "artifact", self._context(meter, checkpoints))
                except Stop:
                    checkpoints.remove()
                    raise
                about_checkpoints = checkpoints.readings()
            recipe.verify(making / "artifact", self.context)
            if meter.set_up_s is not None:
                seen.readings.append(Reading("set_up", meter.set_up_s, "s", "counter"))
            seen.readings += about_checkpoints
            bill = Bill(
                flops=meter.flops,
                wall_s=seen.wall_s,
                kwh=seen.kwh(),
                readings=tuple(seen.readings),
                items=meter.items,
                prompt_tokens=meter.prompt_tokens,
                output_tokens=meter.output_tokens,
            )
            write_json(making / "bill.json", {"schema": SCHEMA, "recipe": recipe.identity(), **asdict(bill)})
        checkpoints.remove()
        return bill

    def _context(self, usage: UsageMeter, checkpoints: TrainingCheckpoints | None = None) -> BuildContext:
        return BuildContext(
            cache=self.cache, device=self.device, artifact=self.artifact, usage=usage, progress=self.progress, checkpoints=checkpoints
        )


class DryStore:
    """A store that forecasts and makes nothing, for `bench plan`.

    It knows the amounts of meters that are known in advance. All others count as 0. Over a real store, bills
    and artifacts that already exist are used instead of forecasts.
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
        if self._made and self._made.artifact(recipe).exists():
            return self._made.value(recipe)
        return recipe.placeholder(self.context)

    def facts(self, recipe: Recipe) -> tuple[Fact, ...]:  # noqa: ARG002
        return ()
