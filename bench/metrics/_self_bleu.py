"""BLEU of an output against its own source: how much of it is copied."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

WORDS = 4
"""Longest sequence of words that is compared; a text with fewer words has a BLEU of 0, also against itself."""

_SPLITS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),  # punctuation, but for ' , - .
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),  # . and , unless a digit goes before
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),  # . and , unless a digit follows
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),  # a dash after a digit
)


def self_bleu(output: str, source: str) -> float:
    """BLEU-4 of one text against another, with brevity penalty, without smoothing, case kept; 0 to 1.

    0 where output and source share no four tokens in a row; so also where either has fewer than four. As `bleu` of the
    package `evaluate` gives it, by nltk. Source: Papineni et al. 2002 (https://aclanthology.org/P02-1040).
    """
    from nltk.translate.bleu_score import sentence_bleu

    found = sentence_bleu([tokens(source)], tokens(output), smoothing_function=_no_smoothing)
    return float(found) if found > 1e-12 else 0.0


def tokens(text: str) -> list[str]:
    """Tokens of NIST's mteval-v13a, the usual ones of BLEU, without its entities of SGML."""
    text = f" {' '.join(text.split())} "
    for pattern, replacement in _SPLITS:
        text = pattern.sub(replacement, text)
    return text.split()


def _no_smoothing(precisions: Sequence[float], **_: object) -> list[float]:
    """As nltk's own default, which warns at each text: it needs something above 0 to take a logarithm of."""
    return [precision or sys.float_info.min for precision in precisions]
