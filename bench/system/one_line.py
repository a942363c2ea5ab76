"""Shows untrusted texts, errors and shares in one line."""

from __future__ import annotations


def shown(text: str, at_most: int = 40) -> str:
    """Return a text in quotes, on one line, with control characters escaped. A long text is cut."""
    cut = text if len(text) <= at_most else f"{text[: at_most - 3]}..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut) + "'"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class where the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def percent(share: float) -> str:
    """Return a share in percent, to a tenth; but never 100 % for less than all, nor 0 % for more than none."""
    percent = f"{100 * share:.1f}".removesuffix(".0")
    if percent == "100" and share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if percent == "0" and share > 0 else f"{percent} %"
