"""The task of naming an object from its docstring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from bench.contracts import Example, Rule
from bench.data.source_code import DocumentedObject
from bench.tasks._docstring_text import description, stands_in, words_of
from bench.tasks._made_from_source import MadeFromSource
from bench.tasks._trivial_rules import first_content_words, first_words

MOST_WORDS = 60
"""Most words of a document; longer ones are cut."""


class Names(MadeFromSource):
    """Docstring -> the words of the object's name, about 34,000 pairs.

    This is the *extreme summarisation* of Allamanis, Peng, Sutton 2016 (arXiv 1602.03001), from descriptions instead of bodies. The source
    is the docstring before its first section or doctest, at most 60 words. The target is the name in two to eight lower-case words. Dunder
    names are left out, and a leading underscore is dropped. A docstring that contains the name, in any spelling, is left out. Removing the
    name from it would show where the answer was.

    Limits: pretrained models may have read these same files. The text is ASCII English about software, much of it by few authors. The data
    depends on the installed versions, so results are comparable only with equal fingerprints. Several names would suit an object, so no
    model comes near 100. Names of private objects (a quarter) are terser than public ones.
    """

    max_source_tokens: int = Field(default=64, ge=4)
    """Longest source, in the model's own tokens; longer ones are cut."""
    max_target_tokens: int = Field(default=16, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut."""

    cleaning: ClassVar[int] = 1

    def pair(self, found: DocumentedObject) -> tuple[str, str] | str:
        """See MadeFromSource.pair."""
        name = words_of(found.name)
        text = " ".join(description(found.docstring).split()[:MOST_WORDS])
        if found.name.startswith("__"):
            return "dunder names"
        if not 2 <= len(name) <= 8:
            return "names of one word or more than eight"
        if not (text.isascii() and found.name.isascii()):
            return "not in ASCII"
        if len(text.split()) < 4:
            return "descriptions under four words"
        if stands_in(name, text):
            return "with the name in the description"
        return text, " ".join(name)

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - these rules learn nothing
        """Return two rules that use the first words of the source. They reach ROUGE-1/2/L of 27.6 / 4.6 / 25.2 and 35.8 / 7.4 / 31.9. These
        are mean F x100 over the 400 test pairs (rouge-score with stemmer, packages of November 2026)."""
        return {"first 5 words": first_words(5), "first 4 content words": first_content_words(4)}
