"""Entry point of `python -m bench`, the same command as `bench`."""

from bench.cli import main

if __name__ == "__main__":
    main(prog_name="bench")
