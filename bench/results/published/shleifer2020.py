"""Shleifer & Rush 2020, Pre-trained Summarization Distillation: the model cards of BART and its students on two data sets.

Every model is an arm, including the teacher. Students carry the scores of their teacher, as in a run. No dollars were published.
"""

from __future__ import annotations

from collections.abc import Mapping

from bench.contracts import Fact
from bench.published import rows
from bench.results.published._write import Cell, Work

SOURCE = (
    "Shleifer and Rush 2020, Pre-trained Summarization Distillation (arXiv 2010.13002): the figures printed on the model cards of"
    " sshleifer/distilbart-*"
)

TOLD = (
    "Printed: parameters (to a million), milliseconds, ROUGE-2 and ROUGE-L. Derived: the speed-up, from the milliseconds.",
    "No dollars were published: a budget of 0 USD stands for what is not known.",
    "How many runs a figure is the mean of is not known here: each stands as one, without an interval.",
)


def work() -> Work:
    """Return the published work: 2 tasks, each with a teacher and its students."""
    cards = rows("shleifer2020_cards")
    teachers = {card["dataset"]: card for card in cards if _is_teacher(card)}
    return Work(
        source=SOURCE,
        told=TOLD,
        suite={
            "question": "How small and fast may a summariser be, and what does it lose against the teacher that it was cut from?",
            "primary_metric": "rouge2",
            "seeds": [0],
            "large": "bart-large",
        },
        cells=tuple(_cell(card, teachers[card["dataset"]]) for card in cards),
    )


def _is_teacher(card: Mapping[str, str]) -> bool:
    return not card["model"].startswith("distil")


def _cell(card: Mapping[str, str], teacher: Mapping[str, str]) -> Cell:
    scores = {"student": _rouge(card)} if _is_teacher(card) else {"student": _rouge(card), "teacher": _rouge(teacher)}
    return Cell(
        task=card["dataset"],
        strategy="teacher" if _is_teacher(card) else "student",
        setting=card["model"],
        budget_usd=0.0,
        charges=None,
        scores=scores,
        facts=(
            Fact(name="student_parameters", value=1e6 * float(card["params_m"]), unit="parameters"),
            Fact(name="teacher_parameters", value=1e6 * float(teacher["params_m"]), unit="parameters"),
            Fact(name="student_ms", value=float(card["inference_ms"]), unit="ms"),
            Fact(name="large_ms", value=float(teacher["inference_ms"]), unit="ms"),
        ),
    )


def _rouge(card: Mapping[str, str]) -> dict[str, float]:
    return {name: float(card[name]) for name in ("rouge2", "rougeL")}
