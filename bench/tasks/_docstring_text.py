"""Turns docstrings and names into plain English."""

from __future__ import annotations

import re

_ROLE = re.compile(r":[a-zA-Z:]+:`[~!]?([^`<]*?)\s*(?:<[^`]*>)?`")
_LINK = re.compile(r"\[`+~?([^`]*)`+\](?:\([^)]*\))?")
_SECTION = re.compile(
    r"\s*(?:(?:args?|arguments|keyword arg(?:ument)?s|(?:other )?param(?:eter)?s?|returns?|yields?|raises?|warns|examples?|notes?|see also|"
    r"references|attributes|methods|usage|explanation|shape|inputs?|outputs?|warnings?|options)\s*:{0,2}\s*$"
    r"|>>>|\.\. |:param|:returns?:|:rtype|:raises|[-=~*]{3,}|@|```)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)\s+(?=[A-Z`\"'(\[*:])")
_PROSE = re.compile(r"[\"'(]*[A-Za-z][a-z'-]*[.,:;!?)\"']*")


def words_of(name: str) -> list[str]:
    """Return the words of an identifier in snake or camel case, in lower case: 'loadHTMLPage_now' -> load, html, page, now."""
    spaced = re.sub(r"[^A-Za-z0-9]+", " ", name)
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", spaced)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", spaced).lower().split()


def description(docstring: str) -> str:
    """Return the text before the first section, directive or doctest, on one line, without markup."""
    lines: list[str] = []
    for line in docstring.split("\n"):
        if _SECTION.match(line):
            break
        lines.append(line)
    text = _ROLE.sub(r"\1", "\n".join(lines))
    return " ".join(_LINK.sub(r"\1", text).replace("`", "").split())


def first_sentence(docstring: str) -> str:
    """Return the first sentence of the first paragraph, or the whole paragraph where no sentence ends in it."""
    paragraph = re.split(r"\n\s*\n", docstring.strip(), maxsplit=1)[0]
    return _SENTENCE_END.split(description(paragraph), maxsplit=1)[0]


def is_prose(text: str) -> bool:
    """Return whether at least 60 % of the words are prose and not code."""
    words = text.split()
    return sum(bool(_PROSE.fullmatch(w)) for w in words) >= 0.6 * len(words)


def stands_in(words: list[str], text: str) -> bool:
    """Return whether words occur in this order in a text, without case: with spaces or underscores, in camel case, or joined."""
    plain = re.findall(r"[a-z0-9]+", text.lower())
    answer = " ".join(words)
    return f" {answer} " in f" {' '.join(plain)} " or f" {answer} " in f" {' '.join(words_of(text))} " or "".join(words) in plain
