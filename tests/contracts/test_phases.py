"""A phase is one entry of Phase: suites have a setting of its name."""

import json

from bench.contracts import Phase
from bench.suite.prices import Pays


def test_suites_say_of_every_phase_who_pays() -> None:
    assert Pays().model_dump() == {phase: phase.payers[0] for phase in Phase}
    assert [phase for phase in Phase if "purse" in phase.payers] == [
        "continued_pretraining",
        "teacher_tuning",
        "pseudo_labelling",
        "student_training",
    ]


def test_a_phase_is_stored_by_its_name() -> None:
    assert json.loads(json.dumps([*Phase])) == [phase.value for phase in Phase]
    assert all(Pays().who(phase) == getattr(Pays(), phase.value) for phase in Phase)
