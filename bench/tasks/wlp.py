"""The task of finding and typing the entities in a sentence of a wet-lab protocol."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from bench.contracts import Example, Rule
from bench.tasks._json_lines_folder import JsonLinesFolder

_ENTITY = re.compile(r"(\S.*?) \[([\w-]+)\](?!\S)")
_TOKEN = re.compile(r"\w+|[^\w\s]")
Words = tuple[str, ...]


class Wlp(JsonLinesFolder):
    """'Prepare 4 M NaCl.' -> 'Prepare [Action] 4 M [Concentration] NaCl [Reagent]': named entities.

    The data is wet-lab protocols (WLP, Kulkarni et al. 2018) with entities of 18 types as text, as Kang, Xu,
    Ritter 2023 use them. The metric `entity_types` scores it.

    Limits: an entity is identified by its text alone. Its position in the sentence is lost, and nested entities cannot be expressed. T5's
    vocabulary lacks some characters of this domain, so a T5 cannot write every target (see the metric).

    There are three traps:

    - The authors' train file has 14,271 rows, but their total cost implies 11,966. It has 9,931 distinct
      sources. 125 of these occur in the test file, and are left out of train.
    - 3,454 of the 3,562 test rows have distinct sources.
    - 139 train and 21 test sentences have no entity, so their target is blank and counts as none. No model is
      trained to answer with nothing.
    """

    prefix: str = "wlp: "
    """Text before every source that a model reads."""
    max_target_tokens: int = Field(default=192, ge=2)
    """Longest label and output, in the model's own tokens; longer ones are cut. 99 % of targets have 123 of
    T5's tokens or fewer in train, 166 in test. The default of the authors' script, 8, is two entities."""
    label_usd: float | None = Field(default=0.260, ge=0)
    """Price of one label, which is a whole sentence, in dollars, as the authors estimate it."""
    train: str = "wlp_train_all.json"
    """File of the labelled examples."""
    test: str | None = "wlp_test_all.json"
    """File of the test examples. Null: `test_fraction` of `train`."""

    def trivial_rules(self, train: Sequence[Example]) -> Mapping[str, Rule]:
        """Return a dictionary of the entities of `train`, and every word as an entity of the most common type.

        On the test file the dictionary of the first 100, 1,000 and 3,865 sentences of the train split has an
        `entity_type_f1` of 22.2, 39.1 and 46.1 and a `span_f1` of 32.8, 52.5 and 54.6. T5-Small on 100, 1,000
        and 5,000 labels is published at 9.1, 40.7 and 67.3 (digitised).
        """
        seen: dict[Words, Counter[str]] = defaultdict(Counter)
        for example in train:
            for entity, label in _ENTITY.findall(example.target or ""):
                seen[tuple(_TOKEN.findall(entity.lower()))][label] += 1
        types = sum(seen.values(), Counter[str]())
        commonest = types.most_common(1)[0][0] if types else "Action"
        dictionary = {words: labels.most_common(1)[0][0] for words, labels in seen.items()}
        return {
            "dictionary": lambda source: " ".join(f"{entity} [{label}]" for entity, label in _known(source, dictionary)),
            "commonest type": lambda source: " ".join(f"{word} [{commonest}]" for word in re.findall(r"\w+", source)),
        }


def _known(source: str, dictionary: Mapping[Words, str]) -> Iterator[tuple[str, str]]:
    """Yield (entity, type) for the dictionary's entities in a source, without case. They are found from the left, the longest first."""
    tokens = list(_TOKEN.finditer(source))
    words = [token.group().lower() for token in tokens]
    longest = max(map(len, dictionary), default=0)
    start = 0
    while start < len(tokens):
        ends = range(min(start + longest, len(tokens)), start, -1)
        end = next((end for end in ends if tuple(words[start:end]) in dictionary), None)
        if end is not None:
            yield source[tokens[start].start() : tokens[end - 1].end()], dictionary[tuple(words[start:end])]
        start = end or start + 1
