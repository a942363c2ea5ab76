"""What was seen in the rows, in sentences: for the terminal, and for the top of the suite."""

from __future__ import annotations

from collections.abc import Iterator

from bench.init.large_model import Large
from bench.init.lengths import SHARES, Lengths
from bench.init.profile import Look
from bench.init.yaml_text import shown


def figures(look: Look, large: Large) -> list[str]:
    """A sentence each."""
    said = [
        f"{look.rows:,} rows: {look.labelled:,} different documents with a label, {look.unlabelled:,} without.",
        f"Documents: {_spread(look.document_words, 'words')}; {_spread(look.document_tokens, 'tokens')}{_how(look.document_tokens)}.",
        f"Cut off at 512 tokens: {_longer(look.document_tokens, 512)}; at 1,024: {_longer(look.document_tokens, 1024)}.",
        f"Labels: {_spread(look.label_words, 'words')}; {_spread(look.label_tokens, 'tokens')}{_how(look.label_tokens)}.",
    ]
    if not large.tokenizer:
        said.append(f"Tokens are estimates, as the model's tokenizer is not at hand: {' '.join(large.lacking.split())}.")
    return said + list(_oddities(look))


def _oddities(look: Look) -> Iterator[str]:
    if look.repeated:
        others = f"; {look.conflicting:,} of them have another label than the row that is kept" if look.conflicting else ""
        yield f"Left out: {look.repeated:,} rows whose document stands in another row, case and white space aside{others}."
    if look.blank:
        yield f"Left out: {look.blank:,} rows without a document."
    if look.in_document:
        of_all = percent(look.in_document / look.labelled)
        yield f"The label stands word for word in {look.in_document:,} of {look.labelled:,} documents ({of_all})."
    if look.replaced:
        yield f"{look.replaced:,} documents hold U+FFFD, the character that stands for broken ones."
    if look.classes:
        kinds, always = look.classes, shown(look.classes.names[0])
        yield f"The labels are {len(kinds.names)} classes; always saying {always} is right for {percent(kinds.majority)} of them."
        if kinds.spellings:
            yield f"{kinds.spellings:,} more ways of writing them differ in case or white space only, and count as the same."


def _spread(lengths: Lengths, unit: str) -> str:
    named = zip(("half", "90 %", "95 %", "99 %"), SHARES, strict=False)
    told = ", ".join(f"{name} {lengths.percentile(share):,}" for name, share in named)
    return f"{told}, all {lengths.percentile(1.0):,} {unit} or fewer"


def _how(lengths: Lengths) -> str:
    return f" ({lengths.how})" if lengths.how else ""


def _longer(lengths: Lengths, limit: int) -> str:
    about = "about " if lengths.how else ""
    return f"{about}{lengths.longer(limit):,} documents ({percent(1 - lengths.within(limit))})"


def percent(share: float) -> str:
    """To a tenth; never 100 % where it is not all, nor 0 % where it is not none."""
    told = f"{100 * share:.1f}".removesuffix(".0")
    if told == "100" and share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if told == "0" and share > 0 else f"{told} %"
