"""Suite files: size, depth, numbers of arms, and whatever else can be wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import SuiteError
from bench.suite import arms, parse_yaml, suite_file
from bench.suite.build import CELLS_AT_MOST
from tests.facts import missing
from tests.fuzz import hostile

SUITES = [Path("suites") / name for name in ("smoke.yaml", "pegasus.yaml", "shapes.yaml", "papers/llm-endpoint.yaml", "smollm2.yaml")]
TEXTS = [path.read_bytes() for path in SUITES]
TREES = [parse_yaml.parse(text.decode()).value for text in TEXTS]
SMALL: dict[str, Any] = {
    "suite": "tiny",
    "question": "Which?",
    "large": {"use": "random", "with": {"family": "t5"}},
    "tasks": {"own": {"use": "files", "with": {"train": "a.csv", "source": "a", "target": "b"}}},
    "strategies": {"annotate": {"use": "annotate", "with": {"label_share": [0.5, 0.9], "student": {"epochs": 1}}}},
    "start_labels": 10,
    "budgets_usd": [1, 2.5],
    "seeds": [1],
    "prices": {"label_usd": 0.1},
}

like_small = hostile.files_of(SMALL) | hostile.raw(hostile.as_json(SMALL))  # to parse a larger one takes ten times as long
like_suites = st.one_of(*[like_small] * 15, *map(hostile.files_of, TREES), *map(hostile.raw, TEXTS))


@hostile.cases(640)
@given(content=like_suites)
def test_a_suite_file_gives_arms_or_one_error(content: bytes, folder: Path) -> None:
    path = folder / "suite.yaml"
    path.write_bytes(content)
    with hostile.survived("suites", folder):
        arms.arms(suite_file.read(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suites")


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SuiteError) as caught:
        suite_file.read(path)
    return [fault.removeprefix(f"{path}") for fault in caught.value.faults]


def test_a_suite_of_more_than_a_megabyte_is_not_parsed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    comment = f"# {'x' * 97}\n"
    assert len(faults(folder, 10_000 * comment)) > 1
    monkeypatch.setattr(parse_yaml, "parse", lambda text: pytest.fail("it was parsed"))
    (fault,) = faults(folder, 10_000 * comment + " ")
    assert missing(fault, "1 MB") == []


def test_line_ends_of_windows_are_read_as_before(folder: Path) -> None:
    path = folder / "suite.yaml"
    path.write_bytes(TEXTS[0].replace(b"\n", b"\r\n"))
    assert suite_file.read(path).text == TEXTS[0].decode()


@pytest.mark.parametrize("value", ["!!bool maybe", "!!float ''", "!!int ''", "!!int x", "!!float {a: b}", f"{'1' * 5000}"])
def test_a_value_that_contradicts_its_tag_is_a_fault_on_its_line(value: str) -> None:
    found = parse_yaml.parse(f"a: 1\nb: {value}\n")
    if found.faults:
        assert [line for line, _ in found.faults] == [2]
    else:  # the tag of a mapping or a list says nothing
        assert found.value["b"] == {"a": "b"}


def test_aliases_cannot_nest_values_without_end(folder: Path) -> None:
    lines = ["a0: &a0 [1]"] + [f"a{n}: &a{n} [[[[[[[[*a{n - 1}]]]]]]]]" for n in range(1, 200)]
    assert [line for line, _ in parse_yaml.parse("\n".join(lines)).faults] == [1]
    assert parse_yaml.parse("\n".join(lines[:6])).faults == []


def test_the_grid_of_a_strategy_and_the_arms_of_a_suite_are_limited(folder: Path) -> None:
    def suite(changes: dict[str, Any], settings: dict[str, Any]) -> str:
        strategies = {"annotate": {"use": "annotate", "with": settings}}
        return hostile.as_json({**SMALL, "strategies": strategies, **changes}).decode()

    learning = {"student": {"learning_rate": [n * 1e-6 for n in range(1, 102)]}}
    (fault,) = faults(folder, suite({}, {"label_share": [n / 200 for n in range(1, 101)], **learning}))
    assert missing(fault, "10,100", f"{CELLS_AT_MOST:,}") == []
    (fault,) = faults(folder, suite({"budgets_usd": [*range(1, 1001)], "seeds": [*range(101)]}, {"label_share": 0.5}))
    assert missing(fault, "101,000", f"{suite_file.ARMS_AT_MOST:,}") == []
