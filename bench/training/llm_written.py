"""Labels that an LLM wrote elsewhere: their price, their order, and their audit against the labels owned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Self

from pydantic import Field, model_validator

from bench.contracts import Example, Fact, Part, TextLabel, content_hash, normal_form
from bench.data.classes import classes
from bench.system.one_line import shown

PAIRS_AT_MOST = 10
"""Most pairs of confused classes that an audit lists."""

AUDITED, AGREEMENT, USABLE_USD = "llm_labels_audited", "llm_label_agreement", "usd_per_usable_llm_label"
"""Names of the facts of an audit."""

CONFUSED = "llm label "
"""Begins the name of a fact that counts a pair of confused classes: 'llm label A where B is owned'."""


class Written(Part):
    """Labels that an LLM wrote elsewhere, and their price."""

    text: TextLabel
    """A text under `texts` with a `target`. Its labels are bought in its order. Those of documents whose label is owned come first."""
    usd_per_label: float | None = Field(default=None, ge=0, le=1e6)
    """Dollars for each label, usable or not. 0 means that the labels are free. It may be missing where tokens are counted."""
    prompt_tokens_per_label: int = Field(default=0, ge=0)
    """Mean number of tokens that were sent for a label. They need a price in the suite."""
    output_tokens_per_label: int = Field(default=0, ge=0)
    """Mean number of tokens that were generated for a label, thoughts included. They need a price in the suite."""

    @model_validator(mode="after")
    def _has_a_price(self) -> Self:
        if self.usd_per_label is None and not self.needed_prices():
            raise ValueError("the labels have no price: set usd_per_label (0 if they are free), or the tokens per label")
        return self

    def needed_prices(self) -> dict[str, str]:
        """Return field of the suite's `prices` -> the setting that is paid by it."""
        counted = {"prompt": self.prompt_tokens_per_label, "output": self.output_tokens_per_label}
        return {f"usd_per_1m_{kind}_tokens": f"{kind}_tokens_per_label" for kind, count in counted.items() if count}


def in_order(written: Sequence[Example], owned: Mapping[str, str]) -> list[Example]:
    """Return the documents, those with a label in `owned` first. `owned` maps `content_hash` to a label."""
    return sorted(written, key=lambda example: content_hash(example.source) not in owned)


def audit(bought: Sequence[Example], owned: Mapping[str, str], cost_usd: float) -> list[Fact]:
    """Return how far an LLM's labels agree with the labels owned for the same documents.

    `bought` are its valid labels, and `cost_usd` is what all of its labels cost, whoever pays. Case and white space at the ends do not
    count. A label is usable if it agrees; their share is taken from the audit. Without one the price of a usable label is missing. Confused
    classes are counted for at most ten pairs.
    """
    pairs = [(_form(one.target), _form(owned[key])) for one in bought if (key := content_hash(one.source)) in owned]
    if not pairs:
        return [Fact(name=AUDITED, value=0, unit="labels")]
    agree = sum(found == wanted for found, wanted in pairs)
    facts = [
        Fact(name=AUDITED, value=len(pairs), unit="labels"),
        Fact(name=AGREEMENT, value=100 * agree / len(pairs), unit="%"),
    ]
    if agree:
        facts.append(Fact(name=USABLE_USD, value=cost_usd * len(pairs) / (len(bought) * agree), unit="USD"))
    if classes([wanted for _, wanted in pairs]):
        confused = Counter((found, wanted) for found, wanted in pairs if found != wanted)
        ranked = sorted(confused.items(), key=lambda item: (-item[1], item[0]))[:PAIRS_AT_MOST]
        facts += [Fact(name=f"{CONFUSED}{shown(a)} where {shown(b)} is owned", value=count, unit="labels") for (a, b), count in ranked]
    return facts


def _form(label: str | None) -> str:
    return normal_form(label or "").strip().casefold()
