"""Labels are classes where they are few, short and often written."""

import pytest

from bench.data.classes import CLASSES_AT_MOST, classes


def test_spellings_of_a_class_are_counted_together_under_the_commonest_in_normal_form() -> None:
    found = classes(["cafe\u0301"] * 12 + ["Caf\u00e9 "] * 3 + ["tea"] * 25)
    assert found is not None
    assert (found.names, found.counts, found.spellings) == (("tea", "caf\u00e9"), (25, 15), 1)
    assert found.majority == 25 / 40


@pytest.mark.parametrize(
    "labels",
    [
        [],
        [f"label {i}" for i in range(30)],
        [f"{i % (CLASSES_AT_MOST + 1)}" for i in range(20 * CLASSES_AT_MOST)],
        ["one two three four five six seven eight nine ten eleven", "a"] * 20,
    ],
)
def test_rare_many_and_long_labels_are_texts(labels: list[str]) -> None:
    assert classes(labels) is None
