import pytest

from bench.data.source_code import DocumentedObject
from bench.tasks.docstrings import Docstrings

BODY = "    total = sum(weights)\n    if total == zero:\n        raise ValueError(message)\n    return [w / total for w in weights]"

SENTENCE = "Make all weights sum to one."  # prose: input data


def pair(name="scale_weights", parameters=("weights", "maxSize"), docstring=SENTENCE, body=BODY):
    return Docstrings().pair(DocumentedObject(name=name, parameters=list(parameters), docstring=docstring, body=body))


def test_the_document_is_the_words_of_name_and_parameters_and_then_the_body():
    code = "total = sum(weights) if total == zero: raise ValueError(message) return [w / total for w in weights]"  # prose: input data
    assert pair() == (f"scale weights (weights, max size): {code}", SENTENCE)  # prose: made from the input data


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [  # prose: made from the input data
        ("Make all weights\n    sum to one. Then stop.", SENTENCE),
        ("Make some, e.g. Two, weights sum to one. Then stop.", "Make some, e.g. Two, weights sum to one."),
        ("Make `weights` sum to 1.0 again.\n\nMore. Text.", "Make weights sum to 1.0 again."),
    ],
)
def test_the_target_is_the_first_sentence(docstring, sentence):
    assert pair(docstring=docstring)[1] == sentence


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "_scale_weights"},
        {"name": "scale"},
        {"parameters": ()},
        {"body": "    return weights"},
        {"docstring": "Make one."},
        {"docstring": "make all weights sum to one."},
        {"docstring": "Make all weights sum to one"},
        {"docstring": "X[i] := f(y_i) + g(z_i) / 3."},
        {"docstring": "Make " + "very " * 30 + "sure."},
        {"docstring": "Make the café weights sum to one."},
        {"body": f"{BODY}  # make all weights sum to one"},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_objects_that_say_too_little_or_too_much_are_left_out(changed):
    assert isinstance(pair(**changed), str)


def test_the_rules_are_the_lead_the_name_and_the_content_words():
    source, _ = pair()
    assert {name: rule(source) for name, rule in Docstrings().trivial_rules(()).items()} == {
        "first 12 words": " ".join(source.split()[:12]),
        "Return the NAME": "Return the scale weights.",
        "first 8 content words": "scale weights weights max size total sum weights",  # prose: made from the input data
    }
    assert next(iter(Docstrings().trivial_rules(()))) == "first 12 words"
