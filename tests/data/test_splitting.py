import hashlib

from hypothesis import given
from hypothesis import strategies as st

from bench.contracts import Example
from bench.data.splitting import content_hash, divide


def test_the_hash_is_sha256_case_and_white_space_aside():
    assert content_hash(" Hello\n WORLD ") == hashlib.sha256(b"hello world").hexdigest()


def test_the_first_eight_hex_digits_are_the_place_between_nought_and_one():
    ids = ("00000000", "3fffffff", "40000000", "7fffffff", "80000000", "ffffffff")
    groups = divide([Example(i, "") for i in ids], (0.25, 0.25), hash_of=lambda e: e.id)
    assert [[e.id for e in g] for g in groups] == [["00000000", "3fffffff"], ["40000000", "7fffffff"], ["80000000", "ffffffff"]]


def test_hello_world_lies_at_0_72():
    """Its sha256 begins with b94d27b9."""
    example = Example("1", "hello world")
    assert divide([example], (0.72, 0.01)) == [[], [example], []]


def test_a_share_of_nought_gets_nothing():
    examples = [Example(str(i), str(i)) for i in range(50)]
    assert divide(examples, (0.0, 0.0)) == [[], [], examples]


@given(st.sets(st.text(), max_size=30), st.text())
def test_where_an_example_goes_depends_on_nothing_else(sources, other):
    def place(sources):
        return {e.source: i for i, group in enumerate(divide([Example(s, s) for s in sources], (0.3, 0.2))) for e in group}

    before, after = place(sources), place(sources | {other})
    assert all(after[s] == before[s] for s in sources)
