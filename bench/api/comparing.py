"""Two results -> what changed from one to the other: scores, costs, and arms that are new, gone or ended in another status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import InstanceOf, validate_call
from rich.console import RenderableType

from bench.api import places
from bench.api.results import Results
from bench.api.shown import Shown
from bench.contracts import Progress, no_progress
from bench.report.analysis import compare as analysis
from bench.report.analysis.compare import Comparison
from bench.report.blocks import Section
from bench.report.render import terminal
from bench.report.sections import comparison
from bench.results import folders, table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class Changes(Shown):
    """What changed from results A to results B."""

    before: str
    """Name of A, for readers."""
    after: str
    """Name of B, for readers."""
    found: Comparison

    @property
    def got_worse(self) -> bool:
        """Whether a score is significantly worse, or an arm that was done is not done any more."""
        return self.found.got_worse

    @property
    def table(self) -> pd.DataFrame:
        """One row for each metric and setting that both sides have, each budget by itself.

        `before` and `after` are means in the unit of the metric, and `difference_mean` is `after` - `before` with its 95 % interval. The
        table is empty where no setting has a score in the same metric on both sides.
        """
        import pandas as pd

        rows = [
            {
                **asdict(one.cell),
                "metric": one.metric.name,
                "unit": one.metric.unit,
                "direction": one.metric.direction,
                "before": one.before,
                "after": one.after,
                **{f"difference_{name}": value for name, value in asdict(one.difference).items()},
                "verdict": one.verdict,
                "worse": one.worse,
            }
            for one in self.found.changes
        ]
        return pd.DataFrame(rows)

    @property
    def sections(self) -> list[Section]:
        """The tables for readers."""
        return comparison.sections(self.found, self.before, self.after)

    def document(self) -> dict[str, Any]:
        return self.found.document()

    def blocks(self, width: int) -> Iterator[RenderableType]:
        yield terminal.page(self.sections, width)


@validate_call
def compare(
    before: Path | InstanceOf[Results],
    after: Path | InstanceOf[Results],
    *,
    metrics: Sequence[str] = (),
    parent: Path = places.RESULTS,
    progress: Progress = no_progress,
) -> Changes:
    """Return what changed from `before` to `after`: results, results folders, or the suite files that wrote them.

    metrics: names of the metrics to compare; by default all that both sides have. parent: folder of all results folders, for suite files.
    progress: called with (what, done, total). Results at other prices are compared at those prices.

    Raises BenchError where no arm has ended, where the two share no setting, and for a metric that is not on both sides.
    """
    progress("reading results", 0, 2)
    first, a = _read(before, parent)
    progress("reading results", 1, 2)
    second, b = _read(after, parent)
    return Changes(before=a, after=b, found=analysis.compare(first, second, metrics, progress))


def _read(results: Path | Results, parent: Path) -> tuple[table.Results, str]:
    """Return what is compared, and its name."""
    if isinstance(results, Results):
        return results.priced, str(results.folder)
    return folders.read(places.results_folder(results, parent)), str(results)
