"""The phases of an arm: what each piece of work is for. One entry of Phase is everything that is known of a phase."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Payer = Literal["purse", "free"]


class Phase(StrEnum):
    """What work is for. A phase equals its name, as it stands in ledgers and under `pays` in a suite.

    To add a phase, add one entry. `Pays` then has a setting of its name, so that every arm has a new id.
    """

    heading: str
    """Head of its column of dollars in `bench plan`; empty where there is none."""
    work: str
    """The work in words, as in 'Who pays for fine-tuning the large model.'"""
    payers: tuple[Payer, ...]
    """Who may pay for it. The first one does by default."""
    priced: str
    """What a price per item buys, for suites that pay by items; empty where it has no such price."""

    def __new__(cls, name: str, heading: str, work: str, payers: tuple[Payer, ...] = ("purse", "free"), priced: str = "") -> Phase:
        phase = str.__new__(cls, name)
        phase._value_ = name
        phase.heading, phase.work, phase.payers, phase.priced = heading, work, payers, priced
        return phase

    CONTINUED_PRETRAINING = "continued_pretraining", "pretraining $", "continued pretraining of a checkpoint"
    TEACHER_TUNING = (
        "teacher_tuning",
        "teacher $",
        "fine-tuning the large model",
        ("purse", "free"),
        "to tune the teacher on 1,000 labels",
    )
    PSEUDO_LABELLING = (
        "pseudo_labelling",
        "pseudo $",
        "generating labels with the large model",
        ("purse", "free"),
        "to have it label 1,000 documents",
    )
    STUDENT_TRAINING = (
        "student_training",
        "student $",
        "training the compact model",
        ("purse", "free"),
        "to train the student on 1,000 examples",
    )
    EVALUATION = "evaluation", "", "scoring on the test split, which is not part of making a model", ("free",)
    HYPERPARAMETER_SEARCH = "hyperparameter_search", "", "the search for the suite's settings, which were found beforehand", ("free",)

    @property
    def words(self) -> str:
        """The name in words, such as 'teacher tuning'."""
        return self.value.replace("_", " ")


def phase_named(name: str) -> Phase:
    """Return the phase of this name. Raises KeyError."""
    return {phase.value: phase for phase in Phase}[name]
