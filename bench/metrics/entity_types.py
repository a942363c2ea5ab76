"""Entities and their types, written out as 'entity [Label] entity [Label]': the published score, and a strict one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

from bench.contracts import Form, Metric, Score
from bench.metrics._ratio_of_sums import Ratio, f1, score

LABELS = (
    *("Amount", "Reagent", "Device", "Time", "Speed", "Action", "Mention", "Location", "Numerical", "Method", "Temperature"),
    *("Modifier", "Concentration", "Size", "Generic-Measure", "Seal", "Measure-Type", "Misc", "pH", "Unit"),
)
"""The labels of wet-lab protocols that run_t5.py knows. The data of Kang, Xu, Ritter 2023 hold all but Misc and Unit."""

FALLBACK = "amount"
"""What the published score takes an entity for that the output does not name: class 0."""

NO_ENTITY = "no reference names an entity"


class EntityTypes(Metric):
    """Entities with their types, as text such as 'Prepare [Action] 4 M [Concentration] NaCl [Reagent]'. 0 to 100 points.

    A label is a whole word '[Label]', one of `labels` in any case; the words since the label before it are its entity. Other
    words in brackets belong to entities. Words after the last label are no entity.

    - `span_f1`: strict. An entity is right if text and label are both those of a reference entity not yet used up. One
      too many costs precision, one missing costs recall: F1 = 2 x right / (entities of outputs + of references).
    - `entity_type_f1`, `entity_type_macro_f1`: what Kang, Xu, Ritter 2023 call micro and macro F1 (run_t5.py, ner_parse and
      ner_postprocess), to hold against their tables, and for nothing else. Entities of the reference are looked up in
      the output by a key, and their types compared, so that micro F1 is accuracy over reference keys. Macro F1 is over the
      labels that occur. What is wrong with it:
        - the key is the entity without its last word (a slice one too short), so all entities of one word share the
          key '', of which the last one of a sentence counts: of the 22,946 entities of the WLP test file 10,368 count;
        - an entity that the output lacks counts as Amount, and so is right where it is one: empty outputs score 9.25
          on the WLP test file. The smallest published cell (100 labels, no distillation) is 9.1;
        - entities that are not there cost nothing.
    - `unparsed_rate`: share of outputs that are not wholly of this form: words after the last label, or a label without
      an entity. An empty output is of this form. Lower is better.

    F1 scores have linearised values for each example (see _ratio_of_sums). They are missing where nothing names an entity.

    A trap: T5's vocabulary lacks characters of this domain, such as '~', '<' and the Greek mu. The references of the WLP test
    file, written in T5's tokens and read back, have an `entity_type_f1` of 99.4, a `span_f1` of 95.9 and an `unparsed_rate`
    of 3.3: no T5 can do better. The authors read references back so before they compare; here they are as they are.
    """

    labels: tuple[str, ...] = LABELS
    """Labels that end an entity."""

    @property
    def score_names(self) -> tuple[str, ...]:
        return "entity_type_f1", "entity_type_macro_f1", "span_f1", "unparsed_rate"

    def in_form(self, form: Form) -> Self:
        return self.model_copy(update={"labels": tuple(map(form, self.labels))})

    def score(self, predictions: Sequence[str], references: Sequence[str]) -> list[Score]:
        labels = frozenset(label.casefold() for label in self.labels)
        pairs = [(_parse(p, labels), _parse(r, labels)) for p, r in zip(predictions, references, strict=True)]
        typed = [_published(p, r) for p, r in pairs]
        seen = sorted({label for types in typed for pair in types for label in pair})
        unparsed = tuple(100.0 * p.malformed for p, _ in pairs)
        return [
            score("entity_type_f1", [f1(typed, seen)], NO_ENTITY),
            score("entity_type_macro_f1", [f1(typed, [label]) for label in seen], NO_ENTITY),
            score("span_f1", [_spans(pairs)], "neither outputs nor references name an entity"),
            Score("unparsed_rate", sum(unparsed) / len(unparsed), "points", "lower", unparsed),
        ]


class _Parsed(NamedTuple):
    entities: list[tuple[tuple[str, ...], str]]
    """Words and label, in order."""
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


def _published(prediction: _Parsed, reference: _Parsed) -> list[tuple[str, str]]:
    """(type in the output, type in the reference) of every key of the reference; of a key that stands twice the last counts."""
    found, wanted = ({words[:-1]: label for words, label in parsed.entities} for parsed in (prediction, reference))
    return [(found.get(key, FALLBACK), label) for key, label in wanted.items()]


def _spans(pairs: Sequence[tuple[_Parsed, _Parsed]]) -> Ratio:
    right = [2.0 * (Counter(p.entities) & Counter(r.entities)).total() for p, r in pairs]
    named = [float(len(p.entities) + len(r.entities)) for p, r in pairs]
    return right, named
