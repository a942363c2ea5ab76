import pytest
from pydantic import ValidationError

from bench.errors import BenchError
from bench.metrics.classification import Classification

CLASSES = ("no", "yes", "maybe")


def points(predictions, references, **settings):
    return {score.name: score.value for score in Classification(**{"classes": CLASSES, **settings}).score(predictions, references)}


def test_an_output_that_names_no_class_is_wrong_and_never_class_0():
    found = points(["gibberish", ""], ["no", "no"])
    assert found == {"accuracy": 0, "micro_f1": 0, "macro_f1": 0, "invalid_rate": 100}


def test_a_constant_output_scores_its_share_and_a_macro_f1_that_gives_it_away():
    found = points(["no"] * 4, ["no", "no", "no", "yes"])
    assert found["accuracy"] == found["micro_f1"] == 75
    assert found["macro_f1"] == pytest.approx((100 * 6 / 7 + 0) / 2)  # `maybe`, which nothing names, is left out


def test_a_class_that_only_outputs_name_counts_in_macro_f1_as_0():
    assert points(["no", "maybe"], ["no", "yes"])["macro_f1"] == pytest.approx(100 / 3)


def test_an_invalid_output_costs_recall_but_no_precision_in_micro_f1():
    found = points(["no", "?", "?", "?"], ["no", "no", "yes", "yes"])
    assert found["accuracy"] == 25
    assert found["micro_f1"] == pytest.approx(100 * 2 / 5)
    assert found["invalid_rate"] == 75


def test_a_worked_example_of_three_classes():
    # no: 2 right of 3 outputs and 2 references; yes: 1 of 1 and 2; maybe: 0 of 0 and 1. One output is invalid.
    found = points(["no", "no", "yes", "no", "?"], ["no", "no", "yes", "yes", "maybe"])
    assert found["accuracy"] == 60
    assert found["micro_f1"] == pytest.approx(100 * 6 / 9)
    assert found["macro_f1"] == pytest.approx(100 * (4 / 5 + 2 / 3 + 0) / 3)


def test_scores_for_each_example_are_points_and_the_invalid_rate_is_better_low():
    accuracy, _, _, invalid = Classification(classes=CLASSES).score(["no", "x"], ["no", "yes"])
    assert (accuracy.per_example, accuracy.unit, accuracy.direction) == ((100, 0), "points", "higher")
    assert (invalid.per_example, invalid.unit, invalid.direction) == ((0, 100), "points", "lower")


def test_case_and_white_space_at_the_ends_are_ignored_by_default():
    assert points([" NO\n"], ["no"])["accuracy"] == 100
    assert points(["NO"], ["no"], ignore_case=False)["invalid_rate"] == 100
    assert points(["no way"], ["no"])["invalid_rate"] == 100


def test_a_reference_that_is_no_class_is_refused():
    with pytest.raises(BenchError, match=r"'perhaps' .*classes no, yes, maybe"):
        points(["no"], ["perhaps"])


def test_a_class_named_twice_is_refused():
    with pytest.raises(ValidationError, match="named twice"):
        Classification(classes=("Yes", "yes"))
    assert Classification(classes=("Yes", "yes"), ignore_case=False)


def test_a_reference_of_no_class_is_refused_before_anything_is_spent():
    metric = Classification(classes=("REFUTE", "SUPPORTS"))
    with pytest.raises(BenchError, match=r"'REFUTES' .*classes REFUTE, SUPPORTS"):
        metric.check(["SUPPORTS", "REFUTES"])
    metric.check(["supports"])


def test_a_class_is_itself_in_whatever_normal_form_it_is_spelt():
    for spelt in ("caf\u00e9", "cafe\u0301", "\ufeffCaf\u00e9\u200b"):
        for named in ("caf\u00e9", "cafe\u0301"):
            metric = Classification(classes=(named, "cafe"))
            assert metric.score([spelt, "cafe"], ["cafe\u0301", "cafe"])[0].value == 100
    with pytest.raises(ValidationError, match="named twice"):
        Classification(classes=("caf\u00e9", "cafe\u0301"))


def test_a_class_of_nothing_that_can_be_seen_is_refused():
    for name in ("", "\u200b", " \u200d"):
        with pytest.raises(ValidationError, match="blank"):
            Classification(classes=("yes", name))


def test_classes_follow_the_texts_into_another_form():
    metric = Classification(classes=("m\u00b2", "km"), ignore_case=False)
    assert metric.in_form(str.upper).model_dump() == {"classes": ("M\u00b2", "KM"), "ignore_case": False}
