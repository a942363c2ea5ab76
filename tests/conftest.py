"""One thread for torch and BLAS in every test and every process that a test starts.

Two busy threads that share a core wait for one another, and pytest runs on as many processes as there are cores.
This module is imported before torch and numpy, which read these variables once.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
