"""Graphs of layers inside a node: repeated blocks and shared towers, beside the same network written out."""

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_regr, benchmark, benchmark_grid, load_learner, nn, po, rsmp, to_tune
from pipeops.errors import ConfigError, DataError, UnknownParameterError
from pipeops.net import compile_network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
TASK = as_task_regr({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "d": X[:, 3], "y": X[:, 0] - X[:, 3]}, target="y")
NUM = po("torch_ingress_num")
INSIDE = nn("linear", out_features=4) >> nn("batch_norm1d") >> nn("relu")
RESIDUAL = [INSIDE, nn("identity")] >> nn("merge_sum")


def ending(**model):
    settings = {"epochs": 3, "batch_size": 20, "seed": 1} | model
    return nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer", lr=0.01) >> po("torch_model_regr", **settings)


def trained(layers, **model):
    return as_learner(NUM >> layers >> ending(**model)).train(TASK)


def weights(learner):
    return [p.detach().numpy() for p in learner.network.parameters()]


@pytest.mark.parametrize("engine", ["auto", "autograd"])
@pytest.mark.parametrize("inside", [INSIDE, RESIDUAL], ids=["chain", "residual"])
def test_a_block_is_the_same_network_written_out(inside, engine):
    block = trained(nn("block", block=inside, n_blocks=2), engine=engine)
    by_hand = trained(inside >> inside, engine=engine)
    for mine, right in zip(weights(block), weights(by_hand), strict=True):
        np.testing.assert_array_equal(mine, right)
    assert np.array_equal(block.predict(TASK).response, by_hand.predict(TASK).response)
    assert block.model["torch_model_regr"].engine == by_hand.model["torch_model_regr"].engine


def test_names_hyperparameters_and_tuning():
    block = nn("block", block=RESIDUAL, n_blocks=3)
    graph = NUM >> block >> ending()
    assert graph.params["block.linear.out_features"] == 4
    graph.params["block.linear.bias"] = False
    assert block.params["linear.bias"], "a node never changes"
    names = [n for n in as_learner(graph).train(TASK).network.state_dict() if n.endswith("linear.weight")]
    assert names == [f"block.{i}.linear.weight" for i in range(3)]
    assert "block.0.linear.bias" not in names
    graph.params["block.n_blocks"] = to_tune(0, 2)
    with pytest.raises(UnknownParameterError, match="out_features"):
        graph.params["block.linear.out_feature"] = 3


def test_trafo_changes_copies_and_not_the_node():
    seen = []

    def narrower(i, params):
        seen.append((i, params["linear.out_features"]))
        return params | {"linear.out_features": 8 // 2**i, "linear.bias": i > 0}

    block = nn("block", block=nn("linear", out_features=32) >> nn("tanh"), n_blocks=3, trafo=narrower)
    network = trained(block).network
    assert [network.get_submodule(f"block.{i}.linear").out_features for i in range(3)] == [8, 4, 2]
    assert network.get_submodule("block.0.linear").bias is None
    assert seen == [(0, 32), (1, 32), (2, 32)]
    assert block.params["linear.out_features"] == 32
    with pytest.raises(ConfigError, match="must answer a dictionary"):
        trained(nn("block", block=INSIDE, n_blocks=1, trafo=lambda i, params: None))
    with pytest.raises(UnknownParameterError, match="linear: no hyperparameter .outs."):
        trained(nn("block", block=INSIDE, n_blocks=1, trafo=lambda i, params: {"linear.outs": 3}))


def test_nothing_nested_and_shapes():
    assert nn("block", block=INSIDE, n_blocks=0).shape_out((None, 5)) == (None, 5)
    assert list(trained(nn("block", block=INSIDE, n_blocks=0)).network.state_dict()) == ["head.weight", "head.bias"]
    inner = nn("block", id="inner", block=nn("linear", out_features=4), n_blocks=2)
    outer = nn("block", block=inner >> nn("relu"), n_blocks=2)
    names = [n for n in trained(outer).network.state_dict() if n.endswith("weight")]
    assert names[0] == "block.0.inner.0.linear.weight"
    assert len(names) == 5
    assert outer.params["inner.linear.out_features"] == 4
    assert outer.shape_out((None, 3)) == (None, 4)
    with pytest.raises(DataError, match=r"block\.0\.conv1d"):
        nn("block", block=nn("conv1d", out_channels=2, kernel_size=2), n_blocks=1).shape_out((None, 3))


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (None, "needs the graph"),
        (po("scale") >> po("pca"), "made of layers alone"),
        ([nn("relu"), nn("tanh")], "one output"),
    ],
    ids=["nothing", "operators", "two ends"],
)
def test_what_is_no_block_is_refused(given, part):
    with pytest.raises(ConfigError, match=part):
        nn("block", block=given, n_blocks=1)


def test_saved_and_loaded(tmp_path):
    learner = trained(nn("block", block=RESIDUAL, n_blocks=2) >> nn("shared", block=nn("linear", out_features=2), n_inputs=1))
    learner.save(tmp_path / "block")
    again = load_learner(tmp_path / "block")
    assert np.array_equal(again.predict(TASK).response, learner.predict(TASK).response)
    assert again.graph.params["block.n_blocks"] == 2
    for mine, right in zip(weights(again.train(TASK)), weights(learner), strict=True):
        np.testing.assert_array_equal(mine, right)


def test_blocks_are_vectorized():
    learner = as_learner(NUM >> nn("block", block=RESIDUAL, n_blocks=2) >> ending(), id="net")
    result = benchmark(benchmark_grid([TASK], [learner], [rsmp("cv", folds=3)]), seed=1, store_models=True, progress=False)
    models = [record.outcome.learner.model["torch_model_regr"] for record in result.records]
    assert [(model.vectorized, model.engine) for model in models] == [(3, "rules")] * 3


def side(*columns):
    name = "_".join(columns)
    return po("select", id=f"s_{name}", selector=list(columns)) >> po("torch_ingress_num", id=f"in_{name}")


def test_shared_towers_have_the_same_weights(tmp_path):
    tower = nn("linear", out_features=3) >> nn("tanh")
    graph = [side("a", "b"), side("c", "d")] >> nn("shared", block=tower) >> nn("merge_cat") >> ending()
    learner = as_learner(graph).train(TASK)
    names = [name for name, _ in learner.network.named_parameters()]
    assert names == ["shared.linear.weight", "shared.linear.bias", "head.weight", "head.bias"]
    left, right = (torch.tensor(X[:, part], dtype=torch.float32) for part in (slice(0, 2), slice(2, 4)))
    with torch.no_grad():
        linear, head = learner.network.shared.linear, learner.network.head
        expected = head(torch.cat([linear(left).tanh(), linear(right).tanh()], -1))[:, 0].numpy()
    np.testing.assert_allclose(learner.predict(TASK).response, expected, rtol=1e-5, atol=1e-6)
    assert learner.summary().parameters == sum(p.numel() for p in learner.network.parameters())
    learner.save(tmp_path / "towers")
    assert np.array_equal(load_learner(tmp_path / "towers").predict(TASK).response, learner.predict(TASK).response)


def test_shared_gradients_are_summed():
    graph = [side("a", "b"), side("c", "d")] >> nn("shared", block=nn("linear", out_features=1)) >> nn("merge_sum")
    network = compile_network(graph.train(TASK))
    left, right = torch.randn(5, 2), torch.randn(5, 2)
    network(left, right).sum().backward()
    torch.testing.assert_close(network.shared.linear.weight.grad, (left + right).sum(0, keepdim=True))
    with pytest.raises(DataError, match="of one kind"):
        ([side("a", "b"), side("c")] >> nn("shared", block=nn("linear", out_features=1))).train(TASK)
