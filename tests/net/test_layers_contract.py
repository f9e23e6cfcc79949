"""Every row of the table against its module: signature, shapes, rules, gradients, repr, docstring, pickle."""

import copy
import doctest
import pickle
from functools import partial

import pytest
import torch

import pipeops.net.layers.table  # noqa: F401 - registers the rows
from pipeops import nn
from pipeops.errors import DataError
from pipeops.net import Symbol, last, layer
from pipeops.net.layers import contract
from pipeops.net.layers.layer import Layer
from pipeops.net.network.shape import traced
from pipeops.params import hyperparameters

ROWS = sorted(k for k in nn if k in nn._holders and (not isinstance(nn[k], type) or issubclass(nn[k], Layer)))

# torch.nn modules that take or give more or less than one tensor, or are no layers
NOT_ROWS = {
    "AdaptiveLogSoftmaxWithLoss", "Bilinear", "Container", "CosineSimilarity", "DataParallel", "EmbeddingBag",
    "GRU", "GRUCell", "LSTM", "LSTMCell", "Module", "ModuleDict", "ModuleList", "PairwiseDistance",
    "ParameterDict", "ParameterList",
    "RNN", "RNNBase", "RNNCell", "RNNCellBase", "Sequential", "SyncBatchNorm", "Transformer", "TransformerDecoder",
    "TransformerDecoderLayer", "TransformerEncoder", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
}  # fmt: skip


@pytest.mark.parametrize("key", ROWS)
def test_contract(key):
    contract.check_layer(key)


@pytest.mark.parametrize("key", ROWS)
def test_docstring_runs(key):
    test = doctest.DocTestParser().get_doctest(nn[key].__doc__, {}, key, None, 0)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


@pytest.mark.parametrize("key", ROWS)
def test_pickle_and_deepcopy(key):
    node, _ = contract.example(key)
    for twin in (pickle.loads(pickle.dumps(node)), copy.deepcopy(node)):
        assert type(twin) is type(node)
        assert repr(twin) == repr(node)


def test_every_layer_of_torch_is_there():
    ours = {nn[key].row.wraps for key in ROWS}
    wanted = [
        name
        for name, value in vars(torch.nn).items()
        if isinstance(value, type) and issubclass(value, torch.nn.Module)
        and not name.startswith("Lazy") and not name.endswith(("Loss", "Loss2d")) and name not in NOT_ROWS
    ]  # fmt: skip
    wrapped = {"Embedding", "MultiheadAttention", "TransformerEncoderLayer"}
    assert len(wanted) > 90
    assert [n for n in wanted if n not in wrapped and getattr(torch.nn, n) not in ours] == []


@pytest.mark.parametrize("key", ROWS)
def test_outdated_arguments_are_hidden(key):
    hidden = {"device", "dtype", "return_indices", "size_average", "reduce", "min_value", "max_value"}
    assert not hidden & hyperparameters(nn[key]).keys()


RULED = sorted(k for k in ROWS if nn[k].row.shape is not None and not nn[k].row.rank)


@pytest.mark.parametrize("key", RULED)
@pytest.mark.parametrize("shape", [(None, 4), (None, 3, 4), (None, None, 4), (None, 2, 3, 4)])
def test_rules_hold_for_other_ranks_and_unknown_sizes(key, shape):
    node, _ = contract.example(key)
    symbol = Symbol("input", None, (), shape)
    if key == "reshape":
        if None in shape[1:]:
            pytest.skip("a reshape needs to know how many values a row has")
        node = nn("reshape", shape=(-1, 2, torch.Size([s for s in shape if s]).numel() // 2))
    arguments = node.arguments(symbol)
    said = node.row.shape(shape, arguments, key)
    assert said == traced(partial(node.row.wraps, **arguments), [(shape, torch.float32)], key)[0]


def test_a_wrong_rule_is_found():
    class Doubled(torch.nn.Module):
        def forward(self, x):
            return torch.cat([x, x], -1)

    layer("doubled", Doubled, shape="same")
    try:
        with pytest.raises(AssertionError, match="said"):
            contract.check_layer("doubled")
        with pytest.raises(AssertionError, match="rule"):
            contract.check_shape_rule("doubled")
    finally:
        del nn._holders["doubled"]


def test_own_layer_with_ranges(tmp_path):
    class Scaled(torch.nn.Module):
        def __init__(self, in_features: int, factor: float = 2.0, name: str = "x"):
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    layer("scaled", Scaled, in_features=last, bounds={"factor": (0, 10)})
    try:
        assert nn("scaled").shape_out((None, 3)) == (None, 3)
        assert repr(nn("scaled", factor=3.0)) == 'nn("scaled", factor=3.0)'
        with pytest.raises(ValueError, match=r"\[0, 10\]"):
            nn("scaled", factor=11.0)
        with pytest.raises(DataError, match="dimension -1"):
            nn("scaled").shape_out((None, None))
        layer("scaled", Scaled, in_features=last)  # the same module again, as in a notebook
        assert nn("scaled", factor=11.0).factor == 11.0
    finally:
        del nn._holders["scaled"]


def test_the_default_dtype_decides_nothing():
    """A layer that is float32 in a network is checked as such, whatever the process has as its default."""
    torch.set_default_dtype(torch.float64)
    try:
        contract.check_layer("layer_norm")
    finally:
        torch.set_default_dtype(torch.float32)
