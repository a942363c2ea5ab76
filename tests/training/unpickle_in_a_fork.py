"""Converts pickled weights as `bench.training.unpickle` does, in a fork of a process that has imported torch."""

import torch  # noqa: F401 - imported before the fork
from safetensors.torch import save_file  # noqa: F401

from bench.training.unpickle import main

if __name__ == "__main__":
    main()
