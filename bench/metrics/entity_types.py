"""Scores for entities and types written as 'entity [Label] entity [Label]': the published score, and a strict one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self

from bench.contracts import Form, Metric, Score
from bench.metrics._ratio_of_sums import f1, score

LABELS = (
    *("Amount", "Reagent", "Device", "Time", "Speed", "Action", "Mention", "Location", "Numerical", "Method", "Temperature"),
    *("Modifier", "Concentration", "Size", "Generic-Measure", "Seal", "Measure-Type", "Misc", "pH", "Unit"),
)
"""The labels of wet-lab protocols in run_t5.py. The data of Kang, Xu, Ritter 2023 hold all but Misc and Unit."""

FALLBACK = "amount"
"""The type that the published score assumes for an entity that the output lacks: class 0."""

NO_ENTITY = "no reference names an entity"


class EntityTypes(Metric):
    """Scores for entities with types, written as text, 0 to 100 points.

    An example is 'Prepare [Action] 4 M [Concentration] NaCl [Reagent]'. A label is a whole word '[Label]', one of `labels` in any case. The
    words since the previous label are its entity. Other bracketed words belong to entities. Words after the last label are not an entity.

    - `span_f1`: the strict score. An entity is correct if its text and label equal those of a reference entity that is not yet matched.
      Extra entities lower precision, missing ones lower recall: F1 = 2 x correct / (entities of outputs + of references).
    - `entity_type_f1`, `entity_type_macro_f1`: the micro and macro F1 of Kang, Xu, Ritter 2023 (run_t5.py, ner_parse and ner_postprocess).
      Use them only for comparison with their tables, for the reasons below. They look up each reference entity in the output by a key, and
      compare the types. Micro F1 is therefore accuracy over reference keys. Macro F1 is over the labels that occur.
    - `unparsed_rate`: share of outputs that break this form: words after the last label, or a label without an entity. An empty output
      keeps this form. Lower is better.

    The published scores have three faults:

    - The key is the entity without its last word, because a slice is one too short. All entities of one word share the key '', and only the
      last one in a sentence counts. 10,368 of the 22,946 entities of the WLP test file count.
    - An entity that the output lacks counts as Amount, and is correct if the reference is Amount. Empty outputs score 9.25 on the WLP test
      file. The lowest published cell (100 labels, no distillation) is 9.1.
    - Extra entities in the output cost nothing.

    F1 scores have linearised values per example (see _ratio_of_sums). Those of the published kind are missing where no reference names an
    entity, `span_f1` where no output does either.

    A trap: T5's vocabulary lacks characters of this domain, such as '~', '<' and the Greek mu. The references of the WLP test file, encoded
    in T5's tokens and decoded, have an `entity_type_f1` of 99.4, a `span_f1` of 95.9 and an `unparsed_rate` of 3.3. No T5 can do better.
    The authors encode and decode references before they compare. This metric uses them unchanged.
    """

    labels: tuple[str, ...] = LABELS
    """Names of the entity types. A label '[NAME]' ends an entity."""

    score_names: ClassVar[tuple[str, ...]] = ("entity_type_f1", "entity_type_macro_f1", "span_f1", "unparsed_rate")
    not_means: ClassVar[tuple[str, ...]] = ("entity_type_f1", "entity_type_macro_f1", "span_f1")

    def in_form(self, form: Form) -> Self:
        return self.model_copy(update={"labels": tuple(map(form, self.labels))})

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        labels = frozenset(label.casefold() for label in self.labels)
        pairs = [(_parse(p, labels), _parse(r, labels)) for p, r in zip(predictions, references, strict=True)]
        typed = []  # (type in the output, type in the reference) for every key of a reference; the last entity with a key counts
        for pair in pairs:
            found, wanted = ({words[:-1]: label for words, label in parsed.entities} for parsed in pair)
            typed.append([(found.get(key, FALLBACK), label) for key, label in wanted.items()])
        seen = sorted({label for types in typed for pair in types for label in pair})
        right = [2.0 * (Counter(p.entities) & Counter(r.entities)).total() for p, r in pairs]
        named = [float(len(p.entities) + len(r.entities)) for p, r in pairs]
        unparsed = tuple(100.0 * p.malformed for p, _ in pairs)
        return [
            score("entity_type_f1", [f1(typed, seen)], NO_ENTITY),
            score("entity_type_macro_f1", [f1(typed, [label]) for label in seen], NO_ENTITY),
            score("span_f1", [(right, named)], "neither outputs nor references name an entity"),
            Score("unparsed_rate", sum(unparsed) / len(unparsed), "points", "lower", unparsed),
        ]


class _Parsed(NamedTuple):
    entities: list[tuple[tuple[str, ...], str]]  # (words, label) of each entity, in order
    malformed: bool


def _parse(text: str, labels: frozenset[str]) -> _Parsed:
    entities, words = [], list[str]()
    for word in text.split():
        label = word[1:-1].casefold()
        if word[0] == "[" and word[-1] == "]" and label in labels:
            entities.append((tuple(words), label))
            words = []
        else:
            words.append(word)
    return _Parsed(entities, malformed=bool(words) or any(not entity for entity, _ in entities))
