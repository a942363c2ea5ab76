"""MLflow: an experiment for the suite, behind a tracking URI."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from bench.api.trackers import ARM, CONTENT, Run, library
from bench.errors import BenchError

STATUSES = {"done": "FINISHED", "failed": "FAILED"}
"""Status of an arm -> status of its run. The run of an infeasible or skipped arm is KILLED."""

SETTINGS = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_DISABLE_AGENT_HINT": "true"}
"""Environment variables that keep MLflow from calling home. MLflow reads them when it is imported."""

TRIES = "2"
"""Number of times that a failed request is sent again, unless the environment names another one. MLflow's own 7 take minutes."""


class MLflow:
    """An experiment behind a tracking URI: a server, or an SQLite file on this machine."""

    def __init__(self, tracking_uri: str, experiment: str) -> None:
        """Open the experiment, or create it. Raises BenchError where MLflow is not installed, or where nothing answers at the URI."""
        os.environ.update(SETTINGS)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", TRIES)
        self.where, self._mlflow = tracking_uri, library("mlflow")
        with self._faults():
            self._client = self._mlflow.MlflowClient(tracking_uri=tracking_uri)
            known = self._client.get_experiment_by_name(experiment)
            self._experiment = known.experiment_id if known else self._client.create_experiment(experiment)

    def held(self) -> Mapping[str, str]:
        """See Tracker.held."""
        with self._faults():
            return {run.data.tags[ARM]: run.data.tags.get(CONTENT, "") for run in self._runs(f"tags.`{ARM}` LIKE '%'")}

    def write(self, run: Run) -> None:
        """See Tracker.write. Replaced runs are deleted as MLflow does it: they can be restored until its garbage is collected."""
        entities, ended = self._mlflow.entities, _milliseconds(run.ended)
        metrics = [entities.Metric(name, value, ended, 0) for name, value in run.metrics.items()]
        params = [entities.Param(name, str(value)) for name, value in run.params.items()]
        tags = [entities.RunTag(name, value) for name, value in run.tags.items()]
        with self._faults():
            for old in self._runs(f"tags.`{ARM}` = '{run.arm}'"):
                self._client.delete_run(old.info.run_id)
            new = self._client.create_run(self._experiment, _milliseconds(run.started), {ARM: run.arm}, run.arm)
            self._client.log_batch(new.info.run_id, metrics, params, tags)
            self._client.set_tag(new.info.run_id, CONTENT, run.content)
            self._client.set_terminated(new.info.run_id, STATUSES.get(run.status, "KILLED"), ended)

    def _runs(self, which: str) -> Iterator[Any]:
        """Yield the runs of the experiment that a filter finds. Deleted runs are left out."""
        token = None
        while token != "":
            found = self._client.search_runs([self._experiment], which, page_token=token)
            yield from found
            token = found.token or ""

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except self._mlflow.exceptions.MlflowException as error:
            raise BenchError(f"{self.where}: MLflow says: {error}") from error


def _milliseconds(when: str) -> int:
    """Return a time as MLflow wants it: milliseconds since 1970. Now, where the time is not known."""
    return int(1000 * (datetime.fromisoformat(when).timestamp() if when else time.time()))
