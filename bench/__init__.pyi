from bench.api.comparing import compare as compare
from bench.api.fitting import fit as fit
from bench.api.planning import plan as plan
from bench.api.results import read as read
from bench.api.running import run as run

__version__: str
__all__ = ["compare", "fit", "plan", "read", "run"]
