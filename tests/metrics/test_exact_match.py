import pytest

from bench.metrics.exact_match import ExactMatch


@pytest.mark.parametrize(
    ("settings", "prediction", "points"),
    [
        ({}, "  READ\tfile \n", 100),
        ({}, "read files", 0),
        ({"ignore_case": False}, "read  file", 100),
        ({"ignore_case": False}, "Read file", 0),
        ({"ignore_whitespace": False}, "READ FILE", 100),
        ({"ignore_whitespace": False}, "read file ", 0),
        ({}, "", 0),
    ],
)
def test_case_and_white_space_are_ignored_by_default(settings, prediction, points):
    (score,) = ExactMatch(**settings).score([prediction], ["read file"])
    assert score.value == points


def test_case_is_folded_as_unicode_says():
    assert ExactMatch().score(["STRASSE"], ["straße"])[0].value == 100


def test_the_score_is_the_share_of_matches_in_points():
    (score,) = ExactMatch().score(["a", "b", "c", "d"], ["a", "x", "c", "d"])
    assert (score.value, score.unit, score.per_example) == (75, "points", (100, 0, 100, 100))


def test_texts_are_compared_in_normal_form():
    metric = ExactMatch(ignore_case=False, ignore_whitespace=False)
    assert metric.score(["cafe\u0301\u200b", "cafe"], ["caf\u00e9", "caf\u00e9"])[0].per_example == (100, 0)
