"""Parts are found by file name; every part on every shelf keeps the contract of all parts."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench import registry
from bench.contracts import Part, Task, identify
from bench.errors import BenchError

REQUIRED = {
    "files": {"train": "none.csv", "source": "a", "target": "b", "path": "none.csv"},
    "hub": {"path": "owner/data", "revision": "0" * 40, "source": "a", "target": "b", "model": "owner/model"},
    "folder": {"path": "none"},
    "evaluate": {"path": "none"},
    "shape": {"name": "tiny"},
    "classification": {"classes": ("yes", "no")},
    "llm_label": {"teacher": "llm"},
    **{name: {"folder": "none"} for name in ("wlp", "stanceosaurus", "fever", "multipit_id", "natural_questions", "multipit_gen")},
}
EVERY_PART = [(shelf, name) for shelf in registry.SHELVES for name in registry.names(shelf)]


def construct(kind: type[Part], name: str) -> Part:
    given = {key: value for key, value in REQUIRED.get(name, {}).items() if key in kind.model_fields}
    return kind(**given)


def test_a_part_is_found_by_its_file_name_and_named_by_it() -> None:
    for shelf, name in EVERY_PART:
        kind = registry.find(shelf, name)
        assert issubclass(kind, registry.SHELVES[shelf])
        assert registry.name_of(construct(kind, name)) == name


def test_the_kind_of_a_part_holds_no_folder_but_its_shelf_and_no_two_parts_share_one() -> None:
    kinds = {registry.find(shelf, name).kind() for shelf, name in EVERY_PART}
    assert len(kinds) == len(EVERY_PART)
    for shelf, name in EVERY_PART:
        kind = registry.find(shelf, name)
        assert kind.kind() == f"bench/{shelf}/{name}.{kind.__name__}"


def test_a_part_that_moves_inside_its_package_keeps_its_kind_and_one_of_another_package_has_its_own() -> None:
    rouge = registry.find("metrics", "rouge")
    moved = type("Rouge", (rouge,), {"__module__": "bench.somewhere.else_.rouge", "__qualname__": "Rouge"})
    theirs = type("Rouge", (rouge,), {"__module__": "other_people.rouge", "__qualname__": "Rouge"})
    assert identify(moved()) == identify(rouge())
    assert identify(theirs()) != identify(rouge())


def test_a_name_that_is_not_there_brings_the_nearest() -> None:
    with pytest.raises(registry.UnknownPart, match="did you mean 'distill'"):
        registry.find("strategies", "destil")
    with pytest.raises(registry.UnknownPart, match="there are: "):
        registry.find("metrics", "zzzzzz")


@pytest.mark.parametrize(("shelf", "name"), EVERY_PART)
def test_a_part_is_frozen_strict_and_documented(shelf: str, name: str) -> None:
    kind = registry.find(shelf, name)
    part = construct(kind, name)
    with pytest.raises(ValidationError, match="Extra inputs"):
        kind(**{**part.model_dump(), "no_such_setting": 1})
    for field, info in kind.model_fields.items():
        assert info.description, f"{shelf}/{name}: {field} has no docstring"
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, getattr(part, field))
    assert kind.__doc__


def test_constructing_every_part_imports_nothing_heavy() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
from tests.test_registry import EVERY_PART, construct
from bench import registry
for shelf, name in EVERY_PART:
    if shelf != "strategies":
        construct(registry.find(shelf, name), name)
print([m for m in ("torch", "transformers", "datasets", "evaluate", "codecarbon", "matplotlib", "onnx", "pandas") if m in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


@pytest.mark.parametrize("name", registry.names("tasks"))
def test_a_task_brings_trivial_rules_and_where_they_are_leads_the_lead_first(name: str) -> None:
    task = construct(registry.find("tasks", name), name)
    assert isinstance(task, Task)
    rules = task.trivial_rules(())
    document = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen. Another sentence."
    assert rules
    if any(rule.startswith("first") for rule in rules):
        assert document.startswith(next(iter(rules.values()))(document).rstrip("."))
    assert all(isinstance(rule(document), str) and isinstance(rule(""), str) for rule in rules.values())


def test_a_part_of_another_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "other_people.py").write_text(
        "from bench.contracts import Metric, Score\n\n\nclass Length(Metric):\n"
        "    @property\n    def score_names(self):\n        return ('words',)\n\n"
        "    def score(self, predictions, references):\n        return [Score('words', 1.0, 'words', 'none')]\n"
    )
    info = tmp_path / "other_people-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-people\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.metrics]\nlength = other_people:Length\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from bench import registry; print(registry.find('metrics', 'length').__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "Length", found.stderr


def test_a_file_that_holds_no_part_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "names", lambda shelf: ("__init__",))
    with pytest.raises(BenchError, match=r"exactly one Metric.* 0"):
        registry.find("metrics", "__init__")
