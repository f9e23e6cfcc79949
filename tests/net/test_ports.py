"""Rows of the table with several inputs and outputs: edges go to ports in order, one call answers several values."""

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_regr, load_learner, nn, po
from pipeops.errors import ConfigError, DataError
from pipeops.net import Spec, Symbol, compile_network, last, layer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
TASK = as_task_regr({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "d": X[:, 3], "y": X[:, 0] * X[:, 2]}, target="y")


class Weighed(torch.nn.Module):
    """Two values of two inputs: their sum weighed, and their difference."""

    def __init__(self, features: int, out_features: int):
        super().__init__()
        self.weight = torch.nn.Linear(features, out_features)

    def forward(self, x, y):
        return self.weight(x + y), x - y


class Added(torch.nn.Module):
    def forward(self, x, y):
        return x + y


layer("ports_weighed", Weighed, features=last, outputs=["sum", "difference"], example={"out_features": 2})
layer("ports_added", Added)


def side(*columns):
    name = "_".join(columns)
    return po("select", id=f"s_{name}", selector=list(columns)) >> po("torch_ingress_num", id=f"in_{name}")


def trained(network):
    graph = network >> nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer", lr=0.01)
    return as_learner(graph >> po("torch_model_regr", epochs=2, batch_size=8, seed=1)).train(TASK)


def test_two_inputs_as_torch_computes_them(tmp_path):
    made = trained([side("a", "b"), side("c", "d")] >> nn("bilinear", out_features=3))
    x, y = (torch.tensor(X[:, part], dtype=torch.float32) for part in (slice(0, 2), slice(2, 4)))
    with torch.no_grad():
        right = made.network.head(made.network.bilinear(x, y))[:, 0].numpy()
    np.testing.assert_allclose(made.predict(TASK).response, right, rtol=1e-6)
    made.save(tmp_path / "net")
    assert np.array_equal(load_learner(tmp_path / "net").predict(TASK).response, made.predict(TASK).response)


def test_inputs_and_outputs_of_a_module_of_ones_own():
    made = trained([side("a", "b"), side("c", "d")] >> nn("ports_weighed", out_features=2) >> nn("merge_cat"))
    assert made.network.ports_weighed.weight.weight.shape == (2, 2)
    assert made.network.head.in_features == 4
    x, y = (torch.tensor(X[:, part], dtype=torch.float32) for part in (slice(0, 2), slice(2, 4)))
    with torch.no_grad():
        right = made.network.head(torch.cat(made.network.ports_weighed(x, y), -1))[:, 0].numpy()
    np.testing.assert_allclose(made.predict(TASK).response, right, rtol=1e-6)
    assert [c.name for c in nn("ports_weighed").inputs] == ["x", "y"]
    assert [c.name for c in nn("ports_weighed").outputs] == ["sum", "difference"]


def test_ports_are_named_and_in_order():
    descriptors = [side(*c).train(TASK) for c in (("a", "b"), ("c", "d"))]
    outputs, _ = nn("ports_weighed", out_features=3).train(descriptors)
    assert [d.symbol.shape for d in outputs] == [(None, 3), (None, 2)]
    assert [d.symbol.port for d in outputs] == [(0,), (1,)]
    x, y = torch.randn(4, 2), torch.randn(4, 2)
    assert torch.equal(compile_network(outputs[1])(x, y), x - y)


def test_modules_inside_others_have_dotted_paths():
    x = Symbol("x", None, (), (None, 3))
    inner = Symbol("block.0.linear", Spec("linear", torch.nn.Linear, {"in_features": 3, "out_features": 2}), (x,), (None, 2))
    network = compile_network(inner)
    assert list(network.state_dict()) == ["block.0.linear.weight", "block.0.linear.bias"]
    assert network(torch.zeros(5, 3)).shape == (5, 2)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"layer\('ports_ruled'\): a rule for the shape is of one input"):
        layer("ports_ruled", Added, shape="same")
    layer("ports_fewer", Added, outputs=["one", "two"])
    with pytest.raises(DataError, match="ports_fewer: its module must return 2 tensors"):
        nn("ports_fewer").shape_out((None, 2), (None, 2))
    layer("ports_more", Weighed, features=last)
    with pytest.raises(DataError, match=r"ports_more: its module must return one tensor, got 2 values; layer\(\.\.\., outputs="):
        nn("ports_more", out_features=2).shape_out((None, 2), (None, 2))


def test_ports_are_names_not_numbers():
    for wrong in ({"inputs": 2}, {"outputs": 2}, {"inputs": "left"}):
        with pytest.raises(ConfigError, match="lists of names"):
            layer("ports_by_number", Added, **wrong)
