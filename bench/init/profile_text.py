"""The figures as sentences, for the terminal and for the top of the suite."""

from __future__ import annotations

from collections.abc import Iterator

from bench.init.large_model import Large
from bench.init.lengths import SHARES, Lengths
from bench.init.profile import Look
from bench.system.one_line import percent, shown

REFUSED = "; `bench plan` and `bench run` refuse this: choose another --model, such as smollm2, or other labels"
"""Added where a model cannot read most of the text, or cannot write the names of classes."""


def figures(look: Look, large: Large) -> list[str]:
    """Return the figures, a sentence each."""
    sentences = [
        f"{look.rows:,} rows: {look.labelled:,} different documents with a label, {look.unlabelled:,} without.",
        f"Documents: {_spread(look.document_words, look.word)}; {_spread(look.document_tokens, 'tokens')}{_how(look.document_tokens)}.",
        f"Cut off at 512 tokens: {_longer(look.document_tokens, 512)}; at 1,024: {_longer(look.document_tokens, 1024)}.",
        f"Labels: {_spread(look.label_words, look.word)}; {_spread(look.label_tokens, 'tokens')}{_how(look.label_tokens)}.",
    ]
    if not large.tokenizer:
        sentences.append(f"Tokens are estimates, because the model's tokenizer is not available: {' '.join(large.lacking.split())}.")
    return sentences + list(_oddities(look)) + list(_losses(look, large))


def _oddities(look: Look) -> Iterator[str]:
    if look.repeated:
        others = f"; {look.conflicting:,} of them have another label than the row that is kept" if look.conflicting else ""
        yield f"Left out: {look.repeated:,} rows that repeat a document, ignoring case, white space and Unicode form{others}."
    if look.blank:
        yield f"Left out: {look.blank:,} rows without a document."
    if look.invisible:
        yield f"{look.invisible:,} labels hold only invisible characters and count as missing."
    if look.spellings:
        yield f"{look.spellings:,} spellings of labels differ from others in Unicode normal form only, and count as the same."
    if look.in_document:
        of_all = percent(look.in_document / look.labelled)
        yield f"The label occurs word for word in {look.in_document:,} of {look.labelled:,} documents ({of_all})."
    if look.replaced:
        yield f"{look.replaced:,} documents hold U+FFFD, the character that stands for broken ones."
    if not look.classes:
        yield f"ROUGE uses the tokenizer {rouge_tokenizer(look)}."
    if look.classes:
        kinds, always = look.classes, shown(look.classes.names[0])
        yield f"The labels are {len(kinds.names)} classes; always answering {always} is right for {percent(kinds.majority)} of them."
        if kinds.spellings:
            yield f"{kinds.spellings:,} more spellings differ only in case or white space, and count as the same."


def _losses(look: Look, large: Large) -> Iterator[str]:
    """Yield what the model cannot read and write, and whether `bench run` refuses such a suite."""
    read, written = look.document_loss, look.label_loss
    if read and read.holding:
        yield f"{large.title}: {read.sentence('documents')}{REFUSED if read.mostly_unknown else ''}."
    if written and written.lost:
        yield f"{large.title}: {written.sentence()}{REFUSED if look.classes or written.mostly_lost else ''}."


def rouge_tokenizer(look: Look) -> str:
    """Return the ROUGE tokenizer that suits the labels, and why."""
    found = look.label_letters
    if found.suited == "characters":
        spaceless = percent(found.spaceless / found.letters)
        return f"`characters`: {spaceless} of the letters of the labels are of scripts without spaces between words"
    published = ", as published" if found.suited == "latin" else ""
    return f"`{found.suited}`{published}: {percent(found.damaged_share)} of the words of the labels hold letters outside a to z"


def _spread(lengths: Lengths, unit: str) -> str:
    named = zip(("half", "90 %", "95 %", "99 %"), SHARES, strict=False)
    shares = ", ".join(f"{name} {lengths.percentile(share):,}" for name, share in named)
    return f"{shares}, all {lengths.percentile(1.0):,} {unit} or fewer"


def _how(lengths: Lengths) -> str:
    return f" ({lengths.how})" if lengths.how else ""


def _longer(lengths: Lengths, limit: int) -> str:
    about = "about " if lengths.how else ""
    return f"{about}{lengths.longer(limit):,} documents ({percent(1 - lengths.within(limit))})"
