"""Records of arms that nobody ran."""

from typing import Any

from bench.execution.record import Record

PLAIN: dict[str, Any] = {
    "arm": "arm",
    "suite": "tiny",
    "task": "own",
    "strategy": "sft",
    "use": "sft",
    "setting": "",
    "settings": {},
    "budget_usd": 1.0,
    "seed": 1,
    "status": "done",
    "reason": "",
    "spent_usd": 1.0,
    "facts": {},
    "data_fingerprint": "",
    "machine": {},
    "started": "",
    "ended": "",
    "student": "",
}


def record(**fields: Any) -> Record:
    """A record of an arm that is done, with some fields of its own."""
    return Record(**{**PLAIN, **fields})
