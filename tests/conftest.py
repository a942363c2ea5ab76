"""One thread for torch and BLAS in every test and every process that a test starts.

Pytest runs on as many processes as there are cores; two busy threads that share a core wait for one another.
torch and numpy read these variables once, and this module is imported before them.
"""

import os

from bench.system.processes import ONE_THREAD

os.environ.update(ONE_THREAD)
