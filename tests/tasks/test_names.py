import pytest

from bench.data.source_code import DocumentedObject
from bench.tasks.names import Names

DOCUMENT = "Ask the server politely for more."  # prose: input data


def named(name, docstring=DOCUMENT):
    return Names().pair(DocumentedObject(name=name, parameters=[], docstring=docstring, body=""))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("load_state_dict", "load state dict"),
        ("HTMLPageLoader", "html page loader"),
        ("_getURLNow", "get url now"),
        ("conv2d_as_matmul", "conv2d as matmul"),
    ],
)
def test_the_target_is_the_words_of_the_name(name, target):
    assert named(name) == (DOCUMENT, target)


@pytest.mark.parametrize("name", ["close", "__getitem__", "a_b_c_d_e_f_g_h_i"])
def test_names_of_one_word_or_nine_and_dunder_names_are_left_out(name):
    assert isinstance(named(name), str)


@pytest.mark.parametrize(
    "docstring", ["Call get_more to get it.", "Used by `GetMore` and others.", "Get More of this, please.", "See getmore for all this."]
)
def test_a_docstring_that_names_its_object_is_left_out(docstring):
    assert "name" in named("get_more", docstring)


def test_words_of_the_name_in_another_order_may_stand_there():
    docstring = "It is more than one can get."
    assert named("get_more", docstring) == (docstring, "get more")


@pytest.mark.parametrize(
    "section", ["Args:\n    x: number.", "Parameters\n----------\nx : int", ">>> f(3)\n4", ":param x: number", ".. note:: x"]
)
def test_the_document_ends_before_sections_and_doctests(section):
    docstring = "Ask for it\nonce again.\n\nReally."
    assert named("get_more", f"{docstring}\n\n{section}") == (" ".join(docstring.split()), "get more")


def test_markup_is_taken_off():
    docstring = "Like :class:`~a.B`, a [`Trainer`] or ``None``; see :ref:`this page <page>`."
    assert named("get_more", docstring) == ("Like a.B, a Trainer or None; see this page.", "get more")  # prose: made from the input data


def test_documents_are_cut_at_sixty_words():
    source, _ = named("get_more", "word " * 100)
    assert len(source.split()) == 60


@pytest.mark.parametrize("docstring", ["Too few words.", "Der Fluss fließt weiter nach Süden."])
def test_short_and_foreign_descriptions_are_left_out(docstring):
    assert isinstance(named("get_more", docstring), str)


def test_the_first_rule_is_the_lead_and_the_second_skips_stop_words():
    rules = Names().trivial_rules(())
    source = "Return the number of open files, if any is there."
    assert {name: rule(source) for name, rule in rules.items()} == {
        "first 5 words": " ".join(source.split()[:5]),
        "first 4 content words": "number open files any",
    }
    assert next(iter(rules)) == "first 5 words"
