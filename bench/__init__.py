"""bench: annotate, distill, or shrink and fine-tune? The best compact model for N labels, a pool of text and B dollars.

From Python: `bench.plan`, `bench.run`, `bench.fit`, `bench.read` and `bench.compare`; see docs/python.md. They are imported when they are
first used.
"""

__version__ = "0.1.0"

__all__ = ["compare", "fit", "plan", "read", "run"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = {"compare": "comparing", "fit": "fitting", "plan": "planning", "read": "results", "run": "running"}[name]
    return getattr(import_module(f"bench.api.{module}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
