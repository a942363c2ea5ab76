"""Name, parameters and body of a function -> the first sentence of its docstring."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from bench.contracts import Example, Rule
from bench.data.source_code import DocumentedObject
from bench.tasks._docstring_text import first_sentence, is_prose, stands_in, words_of
from bench.tasks._made_from_source import MadeFromSource
from bench.tasks._near_duplicates import first_of_their_kind
from bench.tasks._trivial_rules import first_content_words, first_words

MOST_CHARACTERS = 800
"""Documents are cut here: twice what fits into 96 tokens."""


class Docstrings(MadeFromSource):
    """Words of a function's name and parameters, then its body -> the first sentence of its docstring, about 11,000 pairs.

    Only public functions and methods that say something about themselves: a name of two words or more, a parameter, a body of
    twelve words or more, and a first sentence of 4 to 30 words that begins with a capital, ends with a full stop and is prose.
    Left out where the sentence stands in the code, and where the code or the sentence is a near duplicate of another.

    Limits. Pretrained models may have read these very files. ASCII English about software, much of it by few authors, and
    stock phrases that one can guess without reading. What is there depends on the installed versions, so results
    compare only where the fingerprint is the same. Long bodies are cut, and comments in them are read with the code.
    """

    max_source_tokens: int = Field(default=96, ge=4)
    """Sources are cut here, counted in the model's own tokens."""
    max_target_tokens: int = Field(default=40, ge=2)
    """Labels are cut, and generation stops, here."""

    cleaning: ClassVar[int] = 1

    def pair(self, found: DocumentedObject) -> tuple[str, str] | str:
        """See MadeFromSource.pair."""
        name, sentence, body = words_of(found.name), first_sentence(found.docstring), " ".join(found.body.split())
        if found.name.startswith("_"):
            return "private objects"
        if len(name) < 2 or not found.parameters:
            return "with a name of one word or no parameter"
        if len(re.findall(r"[A-Za-z]+", body)) < 12:
            return "with less than twelve words of code"
        if not (sentence.isascii() and body.isascii() and found.name.isascii()):
            return "not in ASCII"
        if not (4 <= len(sentence.split()) <= 30 and re.fullmatch(r"[A-Z].*\.", sentence) and is_prose(sentence)):
            return "without a sentence of 4 to 30 words"
        parameters = ", ".join(" ".join(words_of(p)) for p in found.parameters)
        document = f"{' '.join(name)} ({parameters}): {body}"[:MOST_CHARACTERS]
        if stands_in(re.findall(r"[a-z0-9]+", sentence.lower()), document):
            return "with the sentence in the code"
        return document, sentence

    def distinct(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """No near duplicate of an earlier one, neither in the code nor in the sentence."""
        pairs = super().distinct(pairs)
        return [pairs[i] for i in first_of_their_kind([sentence for _, sentence in pairs])]

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - these rules learn nothing
        """Over the 400 test pairs, rouge-score with stemmer, mean F of ROUGE-1/2/L x100, packages as of November 2026:

        24.7 / 5.6 / 21.7, 34.1 / 8.8 / 28.5 and 27.3 / 6.2 / 24.7.
        """
        return {"first 12 words": first_words(12), "Return the NAME": return_the_name, "first 8 content words": first_content_words(8)}


def return_the_name(source: str) -> str:
    """'Return the <words of the name>.'"""
    return f"Return the {source.split(' (', 1)[0]}."
