"""Stage 1: a YAML file -> a suite of real parts -> its arms."""
