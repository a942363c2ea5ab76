"""Shows untrusted texts, errors and shares in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def shown(text: str, at_most: int = 40) -> str:
    """Return a text in quotes, on one line, with control characters escaped. A long text is cut."""
    return f"'{printable(text if len(text) <= at_most else f'{text[: at_most - 3]}...')}'"


def printable(text: str, kept: str = "") -> str:
    """Return a text with control, format and other invisible characters escaped, except those in `kept`. No text can then move the cursor
    of a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class where the message is empty."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def first_fault(error: ValidationError) -> str:
    """Return the place and the message of the first fault that pydantic found, such as 'prices.label_usd: Input should be ...'."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def percent(share: float) -> str:
    """Return a share in percent, to a tenth; but never 100 % for less than all, nor 0 % for more than none."""
    percent = f"{100 * share:.1f}".removesuffix(".0")
    if percent == "100" and share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if percent == "0" and share > 0 else f"{percent} %"
