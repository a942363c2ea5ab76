"""A suite planned and run in this process, and what came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import pytest
from rich.console import Console

from bench.contracts import Executor, no_progress
from bench.execution import evaluation, prepare, runner, worker
from bench.execution.job import ArmJob
from bench.execution.prepared_suite import PreparedSuite
from bench.execution.record import Record
from bench.execution.store import DryStore
from bench.forecast import suite as forecasting
from bench.forecast import terminal
from bench.forecast.arm import Forecast
from bench.forecast.output_lengths import expected_length_ratios
from bench.forecast.suite import SuiteForecast
from bench.suite.arms import Arm
from bench.training.recipes import Trained
from tests.execution.fake_worker import in_this_process
from tests.forecast.valid_suites import Draw, write_rows
from tests.training.fake_endpoint import FakeEndpoint, Response, completion, serving

EVERYTHING_USD = 1e9
"""A budget with which an arm does all that a suite asks for."""


class Silent:
    """A screen that shows nothing."""

    def say(self, line: str) -> None: ...

    def planned(self, *_: object) -> None: ...

    def ended(self, *_: object) -> None: ...


class Here(Executor):
    """Does the work of all arms in this process."""

    def run(
        self,
        commands: Mapping[str, Sequence[str]],
        logs: Mapping[str, Path],
        ended: Callable[[str, int], None],
        gpu_bytes: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        in_this_process(commands, logs, ended)


SAYS = {"a class": "Cat.", "nothing": "", "too much": "one two three four"}
"""Model of the fake endpoint -> what it always says; another one says two words of the document."""


def answer(request: dict[str, Any]) -> Response:
    """What the fake endpoint says, by the name of its model; it counts words as tokens."""
    messages = [message["content"] for message in request["messages"]]
    most = request.get("max_tokens") or request["max_completion_tokens"]
    said = SAYS.get(request["model"], " ".join(messages[-1].split()[1:3]))
    tokens = min(most, 1 + len(said.split()))
    return completion(said, sum(len(text.split()) for text in messages), tokens, "length" if request["model"] == "too much" else "stop")


@dataclass
class Ground:
    """Rows, models and an endpoint that all draws share. jobs: those of the arms that ran, by arm id."""

    folder: Path
    endpoint: FakeEndpoint
    jobs: dict[str, ArmJob] = field(default_factory=dict)

    @contextmanager
    def prepared(self, draw: Draw) -> Iterator[PreparedSuite]:
        """A suite with its data, in a folder of its own; its models and texts are there.

        Within the block inference is timed on one document, and the jobs of arms that run are kept.
        """
        with TemporaryDirectory(dir=self.folder) as place, self._quick():
            prepared = self._load(draw, Path(place))
            if draw.sum is not None:
                sums = self.sums_usd(self._load(draw.with_budget(EVERYTHING_USD), Path(place)))
                budget = round(sums[draw.sum % len(sums)] + draw.off_usd, 9) if sums else 0.0
                prepared = self._load(draw.with_budget(budget) if budget > 0 else draw, Path(place))
            yield prepared

    @contextmanager
    def _quick(self) -> Iterator[None]:
        """Change what makes runs slow, for the length of the block: other tests of this process see nothing of it."""
        jobs = self.jobs

        class Kept(ArmJob):
            def __init__(self, suite: Any, arm: Arm, *rest: Any) -> None:
                super().__init__(suite, arm, *rest)
                jobs[arm.id] = self

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(worker, "ArmJob", Kept)
            patch.setattr(evaluation, "TIMED_DOCUMENTS", 1)
            patch.setattr(evaluation, "TIMED_ROUNDS", 1)
            patch.setenv("NO_PROXY", "127.0.0.1")
            yield

    def _load(self, draw: Draw, place: Path) -> PreparedSuite:
        path = place / "suite.yaml"
        path.write_text(draw.text(self.folder, self.endpoint.url), encoding="utf-8")
        return prepare.load(path, results=place, cache=self.folder / "cache", device="cpu", only=None, progress=no_progress)

    def sums_usd(self, prepared: PreparedSuite) -> list[float]:
        """Dollars at which the first arm of a suite comes to a charge, or to the first or the last step of a training."""
        forecast = next(iter(self.plan(prepared).values()))
        paid = [charge for charge in forecast.charges if charge.paid_by == "purse"]
        sums = list(accumulate(charge.usd for charge in paid))
        by_flops = [(before, charge) for before, charge in zip([0.0, *sums], paid, strict=False) if charge.unit == "FLOP"]
        works = [work for work in forecast.works if work.bill.flops and prepared.suite.spec.pays.who(work.phase) == "purse"]
        for (before, charge), work in zip(by_flops, works, strict=False):
            if isinstance(work.recipe, Trained):
                steps = list(accumulate(work.recipe._costs(DryStore(prepared.cache, no_progress).context)))
                sums += [before + flops * charge.unit_price_usd for flops in (steps[0], steps[-1])]
        return sorted(set(sums))

    def plan(self, prepared: PreparedSuite, reuse: bool = False) -> dict[Arm, Forecast]:
        """What `bench plan` foresees of all arms."""
        return forecasting.forecasts(prepared, DryStore(prepared.cache, no_progress), no_progress, reuse=reuse)

    def ahead(
        self, prepared: PreparedSuite, planned: Mapping[Arm, Forecast], records: Mapping[str, Record | None] | None = None
    ) -> SuiteForecast:
        """What `bench plan --no-calibrate` says of it, shown on a screen that nobody sees."""
        ratios = expected_length_ratios(planned.values(), prepared.suite.spec.pays, DryStore(prepared.cache, no_progress).context)
        ahead = forecasting.suite_forecast(prepared.suite, planned, None, 1, records or {}, ratios)
        screen = Console(file=io.StringIO(), width=200)
        for block in terminal.blocks(ahead):
            screen.print(block)
        return ahead

    def run(self, prepared: PreparedSuite) -> dict[str, Record]:
        """Run all arms that have not ended."""
        return {record.arm: record for record in runner.run(prepared, Here(), Silent(), retry=False)}

    def steps(self, arm: Arm) -> int:
        """Steps that the trainings of an arm made."""
        trained = [work.recipe for work in self.jobs[arm.id].works if isinstance(work.recipe, Trained)]
        folders = [self.jobs[arm.id].context.artifact(recipe) for recipe in trained]
        return sum(json.loads((folder / "training.json").read_text(encoding="utf-8"))["steps_made"] for folder in folders)


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """The ground in a folder of its own."""
    write_rows(folder)
    with serving() as endpoint:
        endpoint.otherwise = answer
        yield Ground(folder, endpoint)
