"""Every error that bench raises on purpose.

BenchError                  base: its message is one clear line for the user, never a traceback
├── SuiteError              the suite file is wrong; carries every fault at once
├── DataError               a task's data is missing, empty, ragged, or too small for what the suite asks
├── CheckpointError         a pretrained model is missing, pickled, needs remote code, or has an unknown family
├── MeasureError            an instrument that the suite pays by gives no number here
├── DamagedError            a file of an artifact is missing, or differs from what its checksum says
└── Stop                    an arm ends without a score, and that is a result
    ├── OverBudget          a charge does not fit into the purse                   -> record `infeasible`
    └── NotEnough           the data cannot supply what the money would buy        -> record `skipped`
"""


class BenchError(Exception):
    """Base of all errors whose message is meant for the user."""


class SuiteError(BenchError):
    """A suite that cannot run. `faults` has one line each: `file:line: path: what was expected`."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class DataError(BenchError):
    """The data of a task cannot be used."""


class CheckpointError(BenchError):
    """A pretrained checkpoint is not available, or may not be loaded."""


class MeasureError(BenchError):
    """The meter that the suite pays by cannot be read on this machine."""


class DamagedError(BenchError):
    """An artifact in the store is damaged."""


class Stop(BenchError):
    """An arm ends here without a score. This is a result, not a failure."""


class OverBudget(Stop):
    """A charge is higher than what is left in the purse."""


class NotEnough(Stop):
    """The data cannot supply what the money would buy, such as labels."""


FIRST_DOES_NOT_FIT = "the remaining budget does not pay for the first step"
"""Why an arm is infeasible whose work may stop early, in a forecast and in a run."""
