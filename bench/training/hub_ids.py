"""The hub ids whose published configs have the dimensions of a known shape.

`bench fit` and `bench init` look up models here, so that neither needs a network for these ids.
"""

from __future__ import annotations

import re

from bench.training.shapes import Family, Shape, shape_of

PEGASUS_TASKS = "aeslc|arxiv|big_patent|billsum|cnn_dailymail|gigaword|multi_news|newsroom|pubmed|reddit_tifu|wikihow|xsum"
"""Tasks for which Google published a Pegasus, all of one shape (Zhang et al. 2020, PEGASUS, table 1)."""

HUB_IDS: tuple[tuple[str, Family, str], ...] = (
    (r"google/t5-efficient-(.+)", "t5", r"\1"),
    (r"google/t5-v1_1-(small|base|large|xl|xxl)", "t5_v1_1", r"\1"),
    (r"google/flan-t5-(small|base|large|xl|xxl)", "t5_v1_1", r"\1"),
    (r"google/mt5-(small|base|large|xl|xxl)", "mt5", r"\1"),
    (r"(?:google-t5/)?t5-(small|base|large)", "t5", r"\1"),
    (r"(?:google-t5/)?t5-3b", "t5", "large-ff16384-kv128-nh32"),
    (r"(?:google-t5/)?t5-11b", "t5", "large-ff65536-kv128-nh128"),
    (r"flan_t5_small", "t5_v1_1", "small"),
    (rf"google/pegasus-(?:large|{PEGASUS_TASKS})", "pegasus", "large"),
    (r"sshleifer/distill-pegasus-\w+-(\d+-\d+)", "pegasus", r"\1"),
    (r"facebook/bart-large(?:-cnn|-xsum)?", "bart", "large"),
    (r"sshleifer/distilbart-\w+-(\d+-\d+)", "bart", r"\1"),
)
"""(Pattern of hub ids, family, name of the shape). Ids that a pattern does not match exactly may have any other shape."""


def published_shape(hub_id: str) -> Shape | None:
    """Return the shape of a published model, or None where the id is not in the table. Raises CheckpointError where the id has the form of
    a T5 shape that does not exist."""
    for pattern, family, name in HUB_IDS:
        if found := re.fullmatch(pattern, hub_id):
            return shape_of(family, found.expand(name))
    return None
