import pytest

from bench.metrics.entity_types import EntityTypes
from tests.facts import missing

GOLD = "Add [Action] NaCl [Reagent] 5 ml [Amount]"


def points(prediction, reference=GOLD, **settings):
    return {score.name: score.value for score in EntityTypes(**settings).score([prediction], [reference])}


def test_a_text_against_itself_scores_one_hundred():
    assert points(GOLD) == {"entity_type_f1": 100, "entity_type_macro_f1": 100, "span_f1": 100, "unparsed_rate": 0}


def test_entities_that_are_not_there_cost_the_strict_score_alone():
    found = points(f"{GOLD} the best tube [Location] 3 mins [Time] very fast [Speed]")
    assert found["entity_type_f1"] == 100
    assert found["span_f1"] == pytest.approx(100 * 6 / 9)


def test_entities_that_are_missing_are_an_amount_to_the_published_score():
    found = points("")
    # The reference has two keys: '' for Add and NaCl, of which NaCl came last, and '5' for '5 ml'. Of these Amount is right.
    assert found["entity_type_f1"] == 50
    assert found["entity_type_macro_f1"] == pytest.approx((100 * 2 / 3 + 0) / 2)
    assert found["span_f1"] == 0


def test_the_published_score_does_not_see_the_last_word_of_an_entity():
    found = points("Stir [Action] gold [Reagent] 5 kg [Amount]")
    assert found["entity_type_f1"] == 100
    assert found["span_f1"] == 0


def test_the_published_score_sees_the_last_entity_of_one_word_alone():
    assert points("Add [Time] NaCl [Reagent] 5 ml [Amount]")["entity_type_f1"] == 100
    assert points("Add [Action] NaCl [Time] 5 ml [Amount]")["entity_type_f1"] == 50


def test_the_strict_score_counts_repeated_entities_as_often_as_they_stand_there():
    gold = "mix well [Action] mix well [Action]"
    assert points(gold, gold)["span_f1"] == 100
    assert points("mix well [Action]", gold)["span_f1"] == pytest.approx(100 * 2 / 3)
    assert points("mix well [Action]", gold)["entity_type_f1"] == 100


def test_a_wrong_type_is_wrong_to_both():
    found = points("Add [Action] NaCl [Location] 5 ml [Time]")
    assert found["entity_type_f1"] == 0
    assert found["span_f1"] == pytest.approx(100 / 3)


def test_sums_over_the_texts_are_compared_and_not_means():
    score = {s.name: s for s in EntityTypes().score(["a b [Time]", "c d [Size] e f [Size]"], ["a b [Time]", "c d [Time] e f [Time]"])}
    assert score["entity_type_f1"].value == score["span_f1"].value == pytest.approx(100 / 3)
    assert sum(score["span_f1"].per_example) / 2 == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("output", "unparsed"),
    [
        ("", 0),
        ("NaCl [reagent]", 0),  # a label in another case
        ("NaCl [Salt] solution [Reagent]", 0),  # other words in brackets belong to the entity
        ("NaCl [Reagent] and water", 100),  # words after the last label
        ("[Reagent] NaCl [Reagent]", 100),  # a label without an entity
        ("NaCl[Reagent]", 100),  # a label that is no word of its own
        ("NaCl [Reagent", 100),
    ],
)
def test_outputs_of_another_form_are_counted(output, unparsed):
    assert points(output)["unparsed_rate"] == unparsed


def test_labels_can_be_others():
    gold = "Ada Lovelace [Person] London [Place]"
    assert points(gold, gold, labels=("Person", "Place"))["span_f1"] == 100
    assert points("Ada [Place] Lovelace [Person]", gold, labels=("Person", "Place"))["span_f1"] == 0


def test_without_any_entity_nothing_was_measured_and_there_is_a_reason():
    by_type, macro, span, unparsed = EntityTypes().score([""], ["wait"])
    assert (by_type.value, macro.value, span.value, unparsed.value) == (None, None, None, 0)
    assert by_type.reason == macro.reason
    assert missing(macro.reason, "no reference", "entity") == []
    assert missing(span.reason, "outputs", "references") == []
