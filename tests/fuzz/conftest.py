from collections.abc import Iterator

import pytest

from tests.fuzz import hostile


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Notes how many cases of which kind a test ran; tests/conftest.py prints the sums."""
    before = hostile.RAN.copy()
    yield
    for kind, count in (hostile.RAN - before).items():
        request.node.user_properties.append((f"cases: {kind}", count))
