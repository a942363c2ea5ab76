import pytest
import torch

from bench.errors import CheckpointError
from bench.published import rows
from bench.training.shapes import Shape, build, config, parameters, shape_of

FAMILY = {"pegasus-large": "pegasus", "bart-large": "bart", "t5-efficient": "t5", "t5-v1.1": "t5_v1_1"}
PUBLISHED = [(FAMILY[row["family"].split()[0]], row["shape"], row["params_m"]) for row in rows("params_by_shape")]


def dimensions(shape):
    return shape.el, shape.dl, shape.dm, shape.ff, shape.kv, shape.nh


@pytest.mark.parametrize(("family", "name", "millions"), PUBLISHED)
def test_a_published_shape_has_the_published_number_of_parameters(family, name, millions):
    """To 0.1 M; the two above a thousand, 2,850 and 11,140, are given to 10 M."""
    digits = 1 if "." in millions else -1
    assert round(parameters(shape_of(family, name)) / 1e6, digits) == float(millions)


@pytest.mark.parametrize(("size", "about"), [("small", "3.0e+08"), ("base", "5.8e+08"), ("large", "1.2e+09"), ("xl", "3.7e+09")])
def test_mt5_is_as_large_as_its_paper_says(size, about):
    """Xue et al. 2021 (arXiv 2010.11934): 300M, 580M, 1.2B, 3.7B."""
    assert f"{parameters(shape_of('mt5', size)):.1e}" == about


@pytest.mark.parametrize(
    ("family", "name", "expected"),
    [
        ("t5", "tiny", (4, 4, 256, 1024, 64, 4)),
        ("t5", "small-nl16", (16, 16, 512, 2048, 64, 8)),
        ("t5", "base-dl2", (12, 2, 768, 3072, 64, 12)),
        ("t5", "large-el2", (2, 24, 1024, 4096, 64, 16)),
        ("t5", "small-el16-dl4", (16, 4, 512, 2048, 64, 8)),
        ("t5", "small-dm768", (6, 6, 768, 2048, 64, 8)),
        ("t5", "base-ff2000", (12, 12, 768, 2000, 64, 12)),
        ("t5", "base-kv16", (12, 12, 768, 3072, 16, 12)),
        ("t5", "small-nh2", (6, 6, 512, 2048, 64, 2)),
        ("t5_v1_1", "base", (12, 12, 768, 2048, 64, 12)),
        ("mt5", "xxl", (24, 24, 4096, 10240, 64, 64)),
        ("pegasus", "large", (16, 16, 1024, 4096, 64, 16)),
        ("pegasus", "16-4", (16, 4, 1024, 4096, 64, 16)),
        ("pegasus", "large-nh8", (16, 16, 1024, 4096, 128, 8)),
        ("bart", "12-6", (12, 6, 1024, 4096, 64, 16)),
    ],
)
def test_a_name_says_what_differs_from_its_size(family, name, expected):
    assert dimensions(shape_of(family, name)) == expected


def test_the_config_is_the_truth_where_the_name_is_not():
    assert dimensions(shape_of("t5", "tiny-el12")) == (12, 12, 256, 1024, 64, 4)
    assert dimensions(shape_of("t5", "tiny-el8")) == (8, 4, 256, 1024, 64, 4)


def test_a_name_can_be_changed_and_a_shape_can_be_ones_own():
    assert shape_of("t5", "small-nl16", dl=4, kv=32) == Shape(family="t5", el=16, dl=4, dm=512, ff=2048, kv=32, nh=8)
    assert shape_of("t5", el=2, dl=1, dm=32, ff=64, nh=2).kv == 64
    assert shape_of("bart", el=2, dl=1, dm=32, ff=64, nh=2).kv == 16


@pytest.mark.parametrize(
    ("family", "name", "told"),
    [
        ("t5", "smal-nl16", "'smal-nl16'.* 'small-nl16'"),
        ("t5", "zzz", "tiny, mini, small, base"),
        ("t5", "small-ell16", "'ell16'; did you mean 'el16'"),
        ("t5", "small-nl", "'nl' without a number"),
        ("t5", "", "there are: tiny, mini"),
        ("t5", "small-", "dl, dm, ff, kv"),
        ("t5", "small-nl8-el4", "el twice"),
        ("t5", "16-4", "no t5 shape '16-4'"),
        ("t5", "small-nl0", "1 or more"),
        ("pegasus", "tiny", "there are: large"),
        ("pegasus", "large-kv16", "heads"),
        ("bart", "large-nh3", "heads"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(family, name, told):
    with pytest.raises(CheckpointError, match=told):
        shape_of(family, name)


@pytest.mark.parametrize("name", ["base-sh", "base-skv"])
def test_shared_heads_are_refused_because_no_config_can_say_them(name):
    with pytest.raises(CheckpointError, match="transformers config"):
        shape_of("t5", name)


def test_without_a_name_missing_dimensions_are_listed():
    with pytest.raises(CheckpointError, match=r"missing: dl, ff$"):
        shape_of("t5", el=2, dm=32, nh=2)


def test_a_config_is_that_of_the_published_architecture():
    pegasus, bart = config(shape_of("pegasus", "large")), config(shape_of("bart", "large"))
    assert (pegasus.activation_function, pegasus.scale_embedding, pegasus.vocab_size) == ("relu", True, 96103)
    assert (bart.activation_function, bart.scale_embedding, bart.vocab_size) == ("gelu", False, 50265)
    t5, v1_1 = config(shape_of("t5", "small")), config(shape_of("t5_v1_1", "small"))
    assert (t5.dense_act_fn, t5.is_gated_act, t5.scale_decoder_outputs) == ("relu", False, True)
    assert (v1_1.dense_act_fn, v1_1.is_gated_act, v1_1.scale_decoder_outputs) == ("gelu_new", True, False)
    assert config(shape_of("mt5", "small")).model_type == "mt5"


@pytest.mark.parametrize("family", ["t5", "t5_v1_1", "mt5", "pegasus", "bart"])
def test_parameters_are_those_of_the_model_with_weights(family):
    shape = shape_of(family, el=2, dl=1, dm=16, ff=24, nh=2)
    seen = {id(p): p for p in build(shape, 512).parameters() if p.requires_grad}  # Pegasus' positions do not
    assert parameters(shape, 512) == sum(p.numel() for p in seen.values())
    assert not any(p.is_meta for p in seen.values())


def test_counting_parameters_leaves_the_default_device_alone():
    parameters(shape_of("t5", "tiny"))
    assert torch.empty(1).device.type == "cpu"
