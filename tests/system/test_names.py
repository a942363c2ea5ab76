"""Which known name a mistyped name was meant to be."""

from __future__ import annotations

from bench.system.names import near, nearest

KNOWN = ("annotate", "distill", "sft", "llm_label")


def test_a_mistyped_name_is_found_and_an_unlike_one_is_not() -> None:
    assert [nearest(name, KNOWN) for name in ("anotate", "stf", "llmlabel", "question")] == ["annotate", "sft", "llm_label", ""]


def test_names_come_in_the_order_of_likeness_and_a_cutoff_leaves_more_or_fewer() -> None:
    cards = ("a100-40gb", "a100-80gb", "h100-80gb", "l4")
    assert near("a100-81gb", cards, at_most=2) == ["a100-80gb", "h100-80gb"]
    assert nearest("h200", cards, cutoff=0.4) == "h100-80gb"
    assert nearest("h200", cards) == ""
