import pytest

from bench.contracts import no_progress
from bench.data.source_code import DocumentedObject, documented_objects, installed

MODULE = '''"""Of the module."""
import no_such_module  # so that importing it would fail

class Stack:
    """A pile of things."""

    def push(self, thing, /, *, twice=False):
        """Put it on top."""
        pattern = "\\d"
        return thing

    def pop(self): return None

if True:
    async def later(cls, x):
        r"""In an if."""

        def inner(y):
            """In a function."""
            return y
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package 'stacks' of version 1.2."""
    (tmp_path / "stacks" / "tests").mkdir(parents=True)
    (tmp_path / "stacks-1.2.dist-info").mkdir()
    (tmp_path / "stacks-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: stacks\nVersion: 1.2\n")
    (tmp_path / "stacks" / "__init__.py").write_text(MODULE)
    (tmp_path / "stacks" / "broken.py").write_text('def f(:\n    """Broken."""\n')
    (tmp_path / "stacks" / "latin.py").write_bytes('def f():\n    """Caf\xe9."""\n'.encode("latin-1"))
    (tmp_path / "stacks" / "generated.py").write_text('# This file was automatically generated from x.\ndef f():\n    """Twice."""\n')
    (tmp_path / "stacks" / "tests" / "test_it.py").write_text('def f():\n    """A test."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "stacks"


def test_objects_are_read_wherever_they_stand_and_nothing_is_imported(package, tmp_path):
    versions = installed(("stacks", "no_such_package"))
    assert versions == {"stacks": "1.2"}
    found = {o.name: o for o in documented_objects(versions, tmp_path / "cache", no_progress)}
    assert list(found) == ["Stack", "push", "later", "inner"]
    assert found["push"] == DocumentedObject(
        name="push", parameters=["thing", "twice"], docstring="Put it on top.", body='        pattern = "\\d"\n        return thing'
    )
    assert found["later"].parameters == ["x"]
    assert found["inner"].body.strip() == "return y"


def test_a_package_is_read_once_and_again_at_another_version(package, tmp_path):
    def read(package_version):
        return [o.name for o in documented_objects({"stacks": package_version}, tmp_path / "cache", no_progress)]

    assert len(read("1.2")) == 4
    (package / "__init__.py").write_text("")
    assert len(read("1.2")) == 4
    assert read("1.3") == []


def test_progress_goes_from_nothing_to_all(package, tmp_path):
    seen = []
    list(documented_objects({"stacks": "1.2"}, tmp_path / "cache", lambda what, done, total: seen.append((done, total))))
    assert seen == [(0, 1), (1, 1)]
