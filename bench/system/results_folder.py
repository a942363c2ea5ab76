"""Names of files in a results folder that several modules read or write.

results/<suite>/suite.yaml, suite.json
results/<suite>/<arm>/{worker.log, progress.json, ledger.jsonl, predictions.jsonl, outcome.json, record.json, postponed}
results/<suite>/store/<where>/<key>/bill.json
"""

from __future__ import annotations

SUITE_YAML, SUITE_JSON = "suite.yaml", "suite.json"
"""The suite as it was run, and what a report needs of it."""

LOG, PROGRESS = "worker.log", "progress.json"
"""The output of an arm's process, and its current step. The second is removed when the process has ended."""

LEDGER, PREDICTIONS = "ledger.jsonl", "predictions.jsonl"
"""The rows of an arm, and its outputs and scores by example."""

RECORD, OUTCOME = "record.json", "outcome.json"
"""How an arm ended, and what its own process wrote of that."""

POSTPONED = "postponed"
"""Empty file in the folder of an arm that has let others go first."""

BILL = "bill.json"
"""What making an artifact took, with checksums of its files."""
