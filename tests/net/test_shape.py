"""Shapes: rules by hand, the meta device beside real convolutions, merges, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeops import nn
from pipeops.errors import ConfigError, DataError
from pipeops.net.network.shape import broadcast, concatenated, traced


def test_linear_replaces_the_last_dimension():
    assert nn("linear", out_features=7).shape_out((None, 3, 4)) == (None, 3, 7)


@given(
    length=st.integers(8, 40),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
)
def test_convolutions_by_the_formula(length, kernel, stride, padding, dilation):
    node = nn("conv1d", out_channels=3, kernel_size=kernel, stride=stride, padding=padding, dilation=dilation)
    wanted = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    assert node.shape_out((None, 2, length)) == (None, 3, wanted)


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 7])
def test_a_strided_convolution_of_unknown_length_has_unknown_length(stride):
    node = nn("conv1d", out_channels=3, kernel_size=3, stride=stride, padding=1)
    assert node.shape_out((None, 2, None)) == (None, 3, None)


def test_a_large_kernel_on_an_unknown_length():
    assert nn("conv1d", out_channels=3, kernel_size=50).shape_out((None, 2, None)) == (None, 3, None)


def test_cropping_looks_like_the_identity_only_on_small_inputs():
    assert nn("fn", fn=lambda x: x[:, :32]).shape_out((None, None)) == (None, None)
    assert nn("fn", fn=lambda x: x[:, :32]).shape_out((None, 100)) == (None, 32)


def test_many_unknown_sizes_fall_back_to_small_fillings():
    assert nn("conv3d", out_channels=64, kernel_size=1).shape_out((None, 3, None, None, None)) == (None, 64, None, None, None)


def test_types_come_from_the_meta_device():
    shape, dtype = traced(torch.nn.Identity, [((None, 2), torch.int64)], "x")
    assert (shape, dtype) == ((None, 2), torch.int64)


@pytest.mark.parametrize(
    ("call", "shape", "parts"),
    [
        (lambda: nn("conv1d", out_channels=2, kernel_size=3), (None, 60), ["conv1d", "3-dimensional", "(None, 60)"]),
        (lambda: nn("conv1d", out_channels=2, kernel_size=9), (None, 3, 4), ["conv1d", "(None, 3, 4)"]),
        (lambda: nn("conv1d", out_channels=3, kernel_size=1, groups=2), (None, 3, 4), ["conv1d", "groups"]),
        (lambda: nn("linear", out_features=2), (None, None), ["linear", "dimension -1"]),
        (lambda: nn("head"), (None, 3), ["head", "task"]),
        (lambda: nn("glu"), (None, 3), ["glu", "even"]),
        (lambda: nn("glu", dim=4), (None, 4), ["glu", "dimension 4"]),
        (lambda: nn("softmax", dim=2), (None, 4), ["softmax", "dimension 2"]),
        (lambda: nn("flatten", start_dim=2, end_dim=1), (None, 2, 3), ["flatten", "end_dim"]),
        (lambda: nn("reshape", shape=(-1, 3)), (None, 4), ["reshape", "4 values"]),
        (lambda: nn("reshape", shape=(-1, -1)), (None, 4), ["reshape", "one -1"]),
        (lambda: nn("squeeze", dim=3), (None, 1), ["squeeze", "dimension 3"]),
        (lambda: nn("unsqueeze", dim=3), (None, 1), ["unsqueeze", "dimension 3"]),
        (lambda: nn("layer_norm", dims=2), (None, 4), ["layer_norm", "batch"]),
        (lambda: nn("batch_norm1d"), (None, 2, 3, 4), ["batch_norm1d", "2 or 3-dimensional"]),
        (lambda: nn("prelu", num_parameters=3), (None, 4), ["prelu", "num_parameters"]),
        (lambda: nn("embedding", embedding_dim=2), (None, 4), ["embedding", "torch_ingress_categ"]),
        (lambda: nn("fn", fn=lambda x: (x, x)), (None, 4), ["fn", "one tensor"]),
        (lambda: nn("fn", fn=lambda x: x @ x), (None, 4), ["fn", "(None, 4)"]),
        (lambda: nn("linear"), (None, 4), ["linear: set 'out_features' before training"]),
    ],
)  # fmt: skip
def test_bad_shapes(call, shape, parts):
    with pytest.raises((DataError, ConfigError)) as error:
        call().shape_out(shape)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: nn("linear", out_features=0), "out_features"),
        (lambda: nn("linear", out_features=2.5), "integer"),
        (lambda: nn("linear", out_feature=2), "Did you mean 'out_features'"),
        (lambda: nn("dropout", p=1.5), "[0, 1]"),
        (lambda: nn("conv1d", out_channels=1, kernel_size=0), "kernel_size"),
        (lambda: nn("conv1d", out_channels=1, kernel_size=(3, 0)), "kernel_size"),
        (lambda: nn("conv1d", out_channels=1, kernel_size="3"), "kernel_size"),
        (lambda: nn("conv1d", out_channels=1, kernel_size=3, padding="sam"), "padding"),
        (lambda: nn("conv1d", out_channels=1, kernel_size=3, padding_mode="zero"), "Did you mean 'zeros'"),
        (lambda: nn("gelu", approximate="exact"), "approximate"),
        (lambda: nn("batch_norm1d", eps=-1.0), "eps"),
        (lambda: nn("layer_norm", dims=0), "dims"),
        (lambda: nn("linear", out_features=2, id="forward"), "torch.fx.GraphModule"),
        (lambda: nn("linear", out_features=2, id="training"), "torch.fx.GraphModule"),
        (lambda: nn("merge_sum", id="graph"), "torch.fx.GraphModule"),
        (lambda: nn("fn", fn=3), "function"),
        (lambda: nn("liner"), "linear"),
    ],
)  # fmt: skip
def test_bad_hyperparameters(call, part):
    with pytest.raises((ValueError, KeyError)) as error:
        call()
    assert part in str(error.value)


def test_momentum_of_batch_norm_may_be_none():
    assert nn("batch_norm1d", momentum=None).momentum is None


@given(st.data())
def test_broadcast_is_torchs_for_equal_ranks(data):
    full = data.draw(st.lists(st.integers(2, 5), min_size=3, max_size=3))
    shapes = [tuple(data.draw(st.sampled_from([s, 1, None])) for s in full) for _ in range(3)]
    concrete = [tuple(f if s is None else s for s, f in zip(shape, full, strict=True)) for shape in shapes]
    said, wanted = broadcast(shapes, "m"), torch.broadcast_shapes(*concrete)
    assert tuple(w if s is None else s for s, w in zip(said, wanted, strict=True)) == tuple(wanted)
    assert all((s is None) <= any(shape[i] is None for shape in shapes) for i, s in enumerate(said))


def test_sizes_that_do_not_fit_are_not_broadcast():
    for shapes in ([(None, 4), (None, 3)], [(None, 2, 4), (None, 4)]):
        with pytest.raises(DataError, match="merge_sum"):
            nn("merge_sum").shape_out(*shapes)


def test_concatenation():
    assert concatenated([(None, 2, 3), (None, 2, None)], -1, "m") == (None, 2, None)
    assert nn("merge_cat", dim=1).shape_out((None, 2, 3), (None, 5, 3)) == (None, 7, 3)
    for shapes in ([(None, 2, 3), (None, 4, 3)], [(None, 2), (None, 2, 3)]):
        with pytest.raises(DataError, match="merge_cat"):
            nn("merge_cat").shape_out(*shapes)


def test_fn_calls_any_function_with_arguments():
    node = nn("fn", fn=torch.clamp, arguments={"min": 0.0})
    assert repr(node) == 'nn("fn", fn=torch.clamp, arguments={"min": 0.0})'
    assert node.shape_out((None, 3)) == (None, 3)
    module = type(node).torch_module(node.fn, node.arguments)
    assert module(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
