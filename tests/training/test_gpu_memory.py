"""Where the GPU's memory does not suffice for a step, the same step is made in smaller parts. Here an objective stands for the GPU."""

import json
from dataclasses import dataclass

import pytest
import torch

from bench.training.objectives import WHOLE, LabelObjective
from bench.training.recipes import Trained
from bench.training.settings import Tuning

one_family = pytest.mark.parametrize("family", ["t5_v1_1"], indirect=True)


@dataclass(frozen=True)
class Small(LabelObjective):
    """Has memory for so many examples."""

    room: int = 2

    def loss(self, model, positions, batch, of=WHOLE):
        if len(positions) > self.room:
            raise torch.OutOfMemoryError
        return super().loss(model, positions, batch, of)


@one_family
@pytest.mark.parametrize(("micro_batch_size", "fits"), [(None, 2), (4, 2), (2, None), (1, None)])
def test_a_step_that_does_not_fit_is_made_in_parts_that_do(run, same, micro_batch_size, fits):
    tuning = Tuning(epochs=2, batch_size=8, micro_batch_size=micro_batch_size)
    model, result, usage = run(tuning, objective=Small())
    assert result.reduced_micro_batch == fits
    expected, parts, counted = run(tuning.model_copy(update={"micro_batch_size": fits or micro_batch_size}))
    assert same(model, expected)
    assert (result.loss, result.steps_made, usage) == (parts.loss, parts.steps_made, counted)


@one_family
def test_an_example_that_does_not_fit_alone_ends_the_training(run):
    with pytest.raises(torch.OutOfMemoryError):
        run(Tuning(epochs=1, batch_size=8), objective=Small(room=0))


@pytest.mark.parametrize(("size", "values"), [(2, [2]), (None, [])])
def test_the_record_gets_the_size_that_fitted(tmp_path, size, values):
    (tmp_path / "training.json").write_text(json.dumps({"reduced_micro_batch": size}))
    assert [fact.value for fact in Trained.facts(None, tmp_path)] == values
