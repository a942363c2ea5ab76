"""The question: YAML -> a suite of real parts -> its arms."""
