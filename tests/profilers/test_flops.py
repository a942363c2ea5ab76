import pytest
import torch

from bench.contracts import Decoding
from bench.engines.torch import Torch, TorchModel
from bench.models.random import Random
from bench.profilers.flops import Flops
from bench.training.checkpoints import load
from tests.engines.reference import SOURCES


def executed(measure, work):
    return measure(Flops(), work)["executed_flops"].value


def test_a_matrix_product_takes_two_operations_for_each_of_its_products(measure):
    left, right = torch.ones(7, 11), torch.ones(11, 13)
    assert executed(measure, lambda: left @ right) == 2 * 7 * 11 * 13


def test_training_a_linear_layer_takes_three_products_where_the_input_needs_a_gradient(measure):
    layer, inputs = torch.nn.Linear(16, 32), torch.ones(4, 16, requires_grad=True)
    assert executed(measure, lambda: layer(inputs).sum().backward()) == 3 * (2 * 4 * 16 * 32)


def test_padding_is_counted_too(measure):
    layer = torch.nn.Linear(16, 32)
    short, padded = torch.ones(1, 3, 16), torch.zeros(1, 12, 16)
    assert executed(measure, lambda: layer(padded)) == 4 * executed(measure, lambda: layer(short))


@pytest.mark.parametrize(("gradient", "products"), [(False, 2), (True, 2 + 5)])
def test_fused_attention_on_a_cpu_counts_as_what_it_computes(measure, gradient, products):
    heads, words, width = 2, 16, 8
    query = torch.ones(1, heads, words, width, requires_grad=gradient)

    def work():
        out = torch.nn.functional.scaled_dot_product_attention(query, query, query)
        if gradient:
            out.sum().backward()

    assert executed(measure, work) == products * 2 * heads * words * words * width


def test_nothing_is_counted_after_the_window(measure):
    product = torch.ones(2, 3) @ torch.ones(3, 5)
    instrument = Flops().instrument()
    instrument.start()
    (counted,) = instrument.stop()
    assert counted.value == 0
    assert torch.equal(product, torch.full((2, 5), 3.0))


def test_failed_work_leaves_no_counter_behind(measure):
    with pytest.raises(RuntimeError):
        measure(Flops(), lambda: torch.ones(2, 3) @ torch.ones(2, 3))
    assert executed(measure, lambda: torch.ones(2, 3) @ torch.ones(3, 5)) == 2 * 2 * 3 * 5


def test_an_engine_executes_the_same_operations_whichever_layout_its_output_layer_has(measure, new_cache):
    folder = Random(family="t5_v1_1").folder(new_cache())
    packed = Torch().load(folder, SOURCES, decoding=Decoding(), precision="fp32", device="cpu", cache=folder)
    plain = TorchModel(*load(folder), decoding=Decoding(), precision="fp32", device="cpu")
    generated = [executed(measure, lambda model=model: model.generate(SOURCES, 4, 4)) for model in (packed, plain)]
    assert generated[0] == generated[1] > 0
