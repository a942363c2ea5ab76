"""BLEU of an output against its own source, which measures copying."""

from __future__ import annotations

import re
import sys

WORDS = 4
"""Longest word sequence that is compared. A text with fewer words has a BLEU of 0, even against itself."""

_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),  # punctuation except ' , - .
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),  # . and , unless a digit precedes
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),  # . and , unless a digit follows
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),  # a dash after a digit
)


def self_bleu(output: str, source: str) -> float:
    """Return the BLEU-4 of one text against another, from 0 to 1, with brevity penalty, without smoothing, case-sensitive.

    It is 0 where the texts share no four consecutive tokens, hence also where either has fewer than four. It equals `bleu` of the package
    `evaluate`, and uses nltk. Source: Papineni et al. 2002 (https://aclanthology.org/P02-1040).
    """
    from nltk.translate.bleu_score import sentence_bleu

    # as nltk's default, without its warning for each text: nltk takes logarithms, which need a value above 0
    unsmoothed = lambda precisions, **_: [precision or sys.float_info.min for precision in precisions]  # noqa: E731
    found = sentence_bleu([tokens(source)], tokens(output), smoothing_function=unsmoothed)
    return float(found) if found > 1e-12 else 0.0


def tokens(text: str) -> list[str]:
    """Return the tokens of NIST's mteval-v13a, the usual ones of BLEU, but without its SGML entities."""
    text = f" {' '.join(text.split())} "
    for pattern, replacement in _SPLITS:
        text = pattern.sub(replacement, text)
    return text.split()
