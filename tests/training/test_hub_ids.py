"""The table of hub ids takes no model for one of another shape."""

import pytest

from bench.errors import CheckpointError
from bench.training.hub_ids import published_shape
from bench.training.shapes import shape_of


@pytest.mark.parametrize(
    "hub_id", ["google/pegasus-anything", "google/pegasus-x-large", "facebook/bart-large-mnli", "facebook/bart-base", "some/t5-small"]
)
def test_an_id_like_a_published_one_has_no_shape(hub_id: str) -> None:
    assert published_shape(hub_id) is None


def test_a_published_id_has_its_shape() -> None:
    assert published_shape("google/pegasus-xsum") == shape_of("pegasus", "large")
    assert published_shape("sshleifer/distilbart-cnn-12-6") == shape_of("bart", "12-6")
    with pytest.raises(CheckpointError):
        published_shape("google/t5-efficient-enormous")
