"""Values of a part's settings, drawn from the constraints that pydantic keeps of each field."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as at
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Drawn = st.SearchStrategy[Any]
Field = tuple[type[BaseModel], str]
"""A class and one of its settings; a setting that a class inherits is found under the class that declares it."""

MOST_AT_ONCE = 4
"""Settings of one part that differ from their defaults in one draw, so that most suites are not odd in every way."""

SMALL = 1e-9
WIDTH = 4
"""A number without an upper bound is drawn up to so much above its lower one."""


class Draws:
    """Draws parts. given: what some settings are drawn from instead. left_out: settings that keep their value, and the reason."""

    def __init__(self, given: Mapping[Field, Drawn], left_out: Mapping[Field, str]) -> None:
        self.given, self.left_out = given, left_out

    @functools.cache  # noqa: B019 - there is one of these as long as there are tests
    def settings(self, part: type[BaseModel], always: tuple[str, ...] = ()) -> st.SearchStrategy[dict[str, Any]]:
        """Settings of a part under their names in YAML: those that it needs, `always`, and a few of the others."""
        free = {name: info for name, info in part.model_fields.items() if not self.is_left_out(part, name)}
        drawn = {info.alias or name: self.field(part, name) for name, info in free.items()}
        must = {info.alias or name for name, info in free.items() if info.is_required() or name in always}
        may = sorted(drawn.keys() - must)
        some = st.sets(st.sampled_from(may), max_size=MOST_AT_ONCE) if may else st.just(set[str]())
        return some.flatmap(lambda chosen: st.fixed_dictionaries({name: drawn[name] for name in (*sorted(must), *sorted(chosen))}))

    def is_left_out(self, part: type[BaseModel], name: str) -> bool:
        return any((kind, name) in self.left_out for kind in part.__mro__)

    def field(self, part: type[BaseModel], name: str) -> Drawn:
        """Values of one setting. Raises TypeError where neither its type nor `given` says what to draw."""
        for kind in part.__mro__:
            if (kind, name) in self.given:
                return self.given[kind, name]
        info = part.model_fields[name]
        try:
            return self._of_type(info.annotation, info.metadata)
        except TypeError as error:
            raise TypeError(f"{part.__name__}.{name}: {error}; say in settings_drawn.py what is drawn, or why nothing is") from None

    def _of_type(self, kind: Any, limits: Sequence[Any] = ()) -> Drawn:
        if get_origin(kind) is Annotated:
            inner, *more = get_args(kind)
            flat = [limit for one in more for limit in (one.metadata if isinstance(one, FieldInfo) else [one])]
            return self._of_type(inner, [*limits, *flat])
        if get_origin(kind) in (Union, types.UnionType):
            return st.one_of(*(self._of_type(inner, limits) for inner in get_args(kind)))
        if get_origin(kind) is Literal:
            return st.sampled_from(get_args(kind))
        if get_origin(kind) is tuple:
            return st.lists(self._of_type(get_args(kind)[0]), min_size=1, max_size=3)
        if kind is type(None):
            return st.none()
        if kind is bool:
            return st.booleans()
        if kind in (int, float):
            return _numbers(kind, limits)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return self.settings(kind)
        raise TypeError(f"no values are known for {kind}")


def _numbers(kind: type[int] | type[float], limits: Sequence[Any]) -> Drawn:
    """Numbers within their bounds, the bounds themselves and their neighbours more often than others."""
    low, high, step = _bounds(limits)
    near = SMALL if kind is float else 1
    least = -WIDTH if low is None else low[0] + near * low[1]
    most = least + WIDTH if high is None else high[0] - near * high[1]
    edges = sorted({value for value in (least, least + near, (least + most) / 2, most - near, most) if least <= value <= most})
    if kind is float:
        return st.one_of(st.sampled_from([float(value) for value in edges]), st.floats(least, most))
    whole = st.one_of(st.sampled_from([math.floor(value) for value in edges]), st.integers(least, min(most, least + WIDTH)))
    return whole.map(lambda value: math.ceil(value / step) * step) if step else whole


def _bounds(limits: Sequence[Any]) -> tuple[tuple[float, bool] | None, tuple[float, bool] | None, int | None]:
    """(lower bound, whether it is excluded), the same of the upper one, and what it is a multiple of."""
    low = high = step = None
    for limit in limits:
        low = (limit.ge, False) if isinstance(limit, at.Ge) else (limit.gt, True) if isinstance(limit, at.Gt) else low
        high = (limit.le, False) if isinstance(limit, at.Le) else (limit.lt, True) if isinstance(limit, at.Lt) else high
        step = limit.multiple_of if isinstance(limit, at.MultipleOf) else step
    return low, high, step
