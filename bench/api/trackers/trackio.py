"""trackio: a project in its store on this machine.

Runs are written as trackio's own importers write them. `trackio.init` would start threads, could ask the hub for the user's name, and hides
faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.api.trackers import ARM, CONTENT, Run, library
from bench.errors import BenchError


class Trackio:
    """A project in trackio's store, which lies in the folder TRACKIO_DIR."""

    def __init__(self, project: str) -> None:
        """Open the store. Raises BenchError where trackio is not installed, or where no project may have this name."""
        self._project, self._trackio = project, library("trackio")
        self._store = library("trackio.sqlite_storage").SQLiteStorage
        try:
            self._store.validate_project_name(project)
        except ValueError as error:
            raise BenchError(f"--project {project}: {error}") from None
        self.where = str(self._store.get_project_db_path(project))

    def held(self) -> Mapping[str, str]:
        """See Tracker.held."""
        return {config[ARM]: config.get(CONTENT, "") for run in self._runs() if ARM in (config := run.config or {})}

    def write(self, run: Run) -> None:
        """See Tracker.write."""
        for old in self._runs():
            if (old.config or {}).get(ARM) == run.arm:
                old.delete()
        config = {**run.params, **run.tags, CONTENT: run.content}
        times = [run.ended] if run.ended else None
        self._store.bulk_log(self._project, run.arm, [dict(run.metrics)], steps=[0], timestamps=times, config=config)

    def _runs(self) -> list[Any]:
        try:
            return [*self._trackio.Api().runs(self._project)]
        except ValueError:  # there is no such project yet
            return []
