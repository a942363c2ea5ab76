"""The columns of `Results.by_arm`, which has one row for each arm. Readers look columns up by these names."""

from __future__ import annotations

SPENT_USD = "usd spent"
"""Dollars from the purse."""
FREE_USD = "usd not from the purse"
"""Dollars of work that the suite has nobody pay for."""
SPEED_UP = "speed_up"
"""How many times faster the student is than the large model."""

LABELS_OWNED = "labels_owned"
LABELS_BOUGHT = "labels_bought"
PSEUDO_LABELS = "pseudo_labels"
LLM_AUDITED, LLM_AGREEMENT, LLM_USABLE_USD = "llm_labels_audited", "llm_label_agreement", "usd_per_usable_llm_label"
"""The audit of an LLM's labels: their number, the percentage that agrees with the labels owned, and the dollars for one of these."""
LLM_CONFUSED = "llm label "
"""Begins the column that counts a pair of confused classes."""
STUDENT_PARAMETERS = "student_parameters"
STUDENT_FLOPS = "student_flops"
"""FLOPs of one answer; likewise LARGE_FLOPS."""
STUDENT_MS = "student_ms"
"""Milliseconds of one answer; likewise LARGE_MS."""
TEACHER_PARAMETERS = "teacher_parameters"
LARGE_FLOPS = "large_flops"
LARGE_MS = "large_ms"


def paid_usd(purpose: str) -> str:
    """Return the column of the dollars that the purse paid for labels, or for a phase of compute."""
    return f"usd {purpose}"


def score(subject: str, metric: str) -> str:
    """Return the column of a score. Subjects are student, teacher, 'floor: NAME' and 'baseline on dev: NAME'."""
    return f"{subject} {metric}"


def reading(quantity: str, unit: str) -> str:
    """Return the column of a reading."""
    return f"{quantity} ({unit})"


LABELS_USD = paid_usd("labels")
WALL_S = reading("wall", "s")
ENERGY_KWH = reading("energy", "kWh")
