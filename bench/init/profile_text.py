"""The figures as sentences, for the terminal and for the top of the suite."""

from __future__ import annotations

from collections.abc import Iterator

from bench.init.large_model import Large
from bench.init.lengths import SHARES, Lengths
from bench.init.profile import DatasetProfile
from bench.system.one_line import percent, shown

REFUSED = "; `bench plan` and `bench run` refuse this: choose another --model, such as smollm2, or other labels"
"""Added where a model cannot read most of the text, or cannot write the names of classes."""


def figures(profile: DatasetProfile, large: Large) -> Iterator[str]:
    """Yield the figures, a sentence each."""
    documents, labels = profile.document_tokens, profile.label_tokens
    yield f"{profile.rows:,} rows: {profile.labelled:,} different documents with a label, {profile.unlabelled:,} without."
    yield f"Documents: {_spread(profile.document_words, profile.word)}; {_spread(documents, 'tokens')}{_how(documents)}."
    yield f"Cut off at 512 tokens: {_longer(documents, 512)}; at 1,024: {_longer(documents, 1024)}."
    yield f"Labels: {_spread(profile.label_words, profile.word)}; {_spread(labels, 'tokens')}{_how(labels)}."
    if not large.tokenizer:
        yield f"Tokens are estimates, because the model's tokenizer is not available: {' '.join(large.lacking.split())}."
    if profile.repeated:
        others = f"; {profile.conflicting:,} of them have another label than the row that is kept" if profile.conflicting else ""
        yield f"Left out: {profile.repeated:,} rows that repeat a document, ignoring case, white space and Unicode form{others}."
    if profile.blank:
        yield f"Left out: {profile.blank:,} rows without a document."
    if profile.invisible:
        yield f"{profile.invisible:,} labels hold only invisible characters and count as missing."
    if profile.spellings:
        yield f"{profile.spellings:,} spellings of labels differ from others in Unicode normal form only, and count as the same."
    if profile.in_document:
        of_all = percent(profile.in_document / profile.labelled)
        yield f"The label occurs word for word in {profile.in_document:,} of {profile.labelled:,} documents ({of_all})."
    if profile.replaced:
        yield f"{profile.replaced:,} documents hold U+FFFD, the character that stands for broken ones."
    if not profile.classes:
        yield f"ROUGE uses the tokenizer {rouge_tokenizer(profile)}."
    if profile.classes:
        kinds, always = profile.classes, shown(profile.classes.names[0])
        yield f"The labels are {len(kinds.names)} classes; always answering {always} is right for {percent(kinds.majority)} of them."
        if kinds.spellings:
            yield f"{kinds.spellings:,} more spellings differ only in case or white space, and count as the same."
    read, written = profile.document_loss, profile.label_loss
    if read and read.holding:
        yield f"{large.title}: {read.sentence('documents')}{REFUSED if read.mostly_unknown else ''}."
    if written and written.lost:
        yield f"{large.title}: {written.sentence()}{REFUSED if profile.classes or written.mostly_lost else ''}."


def rouge_tokenizer(profile: DatasetProfile) -> str:
    """Return the ROUGE tokenizer that suits the labels, and why."""
    found = profile.label_letters
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
