"""The suites that are drawn hold every setting that a suite can have, but for those that say why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, seed, settings
from pydantic import BaseModel

from bench import registry
from bench.suite.suite_file import SuiteText, Use
from tests.forecast.settings_drawn import DRAWS, GIVEN, LEFT_OUT, PARTS_LEFT_OUT, names_drawn, parts_drawn


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Classes with settings of their own that a type such as `Tuning | None` names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def kinds_drawn() -> set[type[BaseModel]]:
    """All classes whose settings a suite holds."""
    found, waiting = {Use}, list[type[BaseModel]](parts_drawn())
    while waiting:
        kind = waiting.pop()
        if kind not in found:
            found.add(kind)
            waiting += [inner for info in kind.model_fields.values() for inner in models_in(info.annotation)]
    return found - {Use}


FIELDS = [(kind, name) for kind in sorted(kinds_drawn(), key=str) for name in kind.model_fields if not DRAWS.is_left_out(kind, name)]


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_a_setting_takes_several_values_or_says_why_not(kind: type[BaseModel], name: str) -> None:
    values = list[str]()

    @seed(0)
    @settings(max_examples=12, database=None)
    @given(value=DRAWS.field(kind, name))
    def draw(value: object) -> None:
        values.append(repr(value))

    draw()
    assert len(set(values)) > 1


def test_what_is_left_out_or_given_is_there_and_is_not_both() -> None:
    for kind, name in (*LEFT_OUT, *GIVEN):
        assert name in kind.model_fields, (kind, name)
    assert all([*LEFT_OUT.values(), *PARTS_LEFT_OUT.values()])
    assert not LEFT_OUT.keys() & GIVEN.keys()
    for shelf, name in PARTS_LEFT_OUT:
        assert name in registry.names(shelf)


def test_every_strategy_metric_and_profiler_is_drawn_or_says_why_not() -> None:
    for shelf in ("strategies", "metrics", "profilers"):
        assert names_drawn(shelf) == [name for name in registry.names(shelf) if (shelf, name) not in PARTS_LEFT_OUT]
    assert names_drawn("strategies") == list(registry.names("strategies"))


def test_a_setting_of_a_type_that_nobody_knows_is_asked_for() -> None:
    class Odd(SuiteText):
        name: str = ""

    with pytest.raises(TypeError, match=r"Odd\.name"):
        DRAWS.settings(Odd)
