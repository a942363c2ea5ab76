"""The task of writing the first sentence of a docstring from the code of a function."""

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
"""Most characters of a document; longer ones are cut. This is twice the length of 96 tokens."""


class Docstrings(MadeFromSource):
    """Code of a function -> the first sentence of its docstring, about 11,000 pairs.

    The source consists of the words of the function's name and parameters, then its body. Only public
    functions and methods count, with a name of two words or more, a parameter, and a body of twelve words or
    more. The sentence has 4 to 30 words, begins with a capital, ends with a full stop and is prose. A pair is
    left out where the sentence occurs in the code, and where code or sentence is a near duplicate of another.

    Limits: pretrained models may have read these same files. The text is ASCII English about software, much of it by few authors, with
    stock phrases that need no reading to guess. The data depends on the installed versions, so results are comparable only with equal
    fingerprints. Long bodies are cut, and their comments are part of the source.
    """

    max_source_tokens: int = Field(default=96, ge=4)
    """Longest source, in the model's own tokens; longer ones are cut."""
    max_target_tokens: int = Field(default=40, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut."""

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
        """Return the pairs without near duplicates, neither in the code nor in the sentence."""
        pairs = super().distinct(pairs)
        return [pairs[i] for i in first_of_their_kind([sentence for _, sentence in pairs])]

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - these rules learn nothing
        """Return three rules that use the words of the source. They reach ROUGE-1/2/L of 24.7 / 5.6 / 21.7, 34.1 / 8.8 / 28.5 and 27.3 /
        6.2 / 24.7. These are mean F x100 over the 400 test pairs (rouge-score with stemmer, packages of November 2026)."""
        return {"first 12 words": first_words(12), "Return the NAME": return_the_name, "first 8 content words": first_content_words(8)}


def return_the_name(source: str) -> str:
    """Predict 'Return the <words of the name>.'"""
    return f"Return the {source.split(' (', 1)[0]}."
