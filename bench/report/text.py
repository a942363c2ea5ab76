"""Plain text of a report: one line from anything, rounded numbers, dollars, lists of names."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence

DASH = "–"
"""Stands for a missing value."""
NAMED = 10
"""Largest number of names in a sentence. The leaderboard has all."""
NAMED_IN_SHORT = 3
"""The same for a short sentence."""


def plain(text: object) -> str:
    """Return one line without control, format or surrogate characters. No text can then move the cursor or turn the reading direction."""
    line = str(text)
    if line.isascii() and line.isprintable():  # fast path: nearly all texts are ASCII, and a report of thousands of arms has very many
        return " ".join(line.split())
    return " ".join("".join(" " if unicodedata.category(c)[0] == "C" else c for c in line).split())


def number(value: float | None, digits: int = 2) -> str:
    """Return a rounded number with thousands separators, or a dash where it is missing."""
    return DASH if value is None or value != value else f"{value:,.{digits}f}"


def dollars(usd: float | None, *, computed: bool = False) -> str:
    """Return dollars with the digits that are known, or a dash where they are missing.

    A charge is exact and is shown in cents, or with two significant digits below ten cents. A computed cost has three significant digits.
    """
    if usd is None or math.isnan(usd):
        return number(usd)
    if abs(usd) < 1e-9:  # the ledger rounds to a billionth; less is a rounding error
        return number(0.0)
    if not computed and abs(usd) >= 0.095:
        return number(usd)
    digits = 3 if computed else 2
    rounded = float(f"{usd:.{digits}g}")
    return number(rounded, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))


def interval(low: float, high: float, least: float, most: float) -> str:
    """Return an interval of computed dollars such as '[0.04, 0.2]', or a dash where an end is NaN.

    An end that is infinite is open. It is shown as under or over the limit of what was run, which is `least` or `most`, and as never where
    that is infinite.
    """
    if math.isnan(low) or math.isnan(high):
        return DASH
    start = f"under {dollars(least, computed=True)}" if low == -math.inf else dollars(low, computed=True)
    beyond = "never" if most == math.inf else f"over {dollars(most, computed=True)}"
    return f"[{start}, {beyond if high == math.inf else dollars(high, computed=True)}]"


def two_digits(value: float) -> str:
    """Return a number with two significant digits, such as '0.23', '4.7', '120'."""
    return f"{float(f'{value:.2g}'):,g}"


def ended(statuses: Mapping[str, int]) -> str:
    """Return text such as '2 done, 1 failed'."""
    return ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))


def count(number: int, what: str) -> str:
    """Return text such as '1 seed', '2 seeds'."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], at_most: int = NAMED) -> str:
    """Return text such as 'a, b and c' or 'a, b and 7 more'; '' for no names."""
    more = [f"{len(names) - at_most:,} more"] if len(names) > at_most else []
    return conjoined([*names[:at_most], *more])


def named(names: Sequence[str]) -> str:
    """Return text such as 'a, b and c', or '4 settings' where a sentence has no room for the names of so many settings."""
    return conjoined(names) if len(names) <= NAMED_IN_SHORT else count(len(names), "setting")


def cheaper(names: Sequence[str], usd: Sequence[float]) -> str:
    """Return the name with the fewest dollars; '' where dollars are unknown (NaN), or several have the fewest."""
    first, *others = sorted(zip(usd, names, strict=True))
    return "" if any(map(math.isnan, usd)) or (others and others[0][0] == first[0]) else first[1]


def conjoined(texts: Sequence[str]) -> str:
    """Return text such as 'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
