"""Ready-made networks: parameters and values beside the formulas of the papers, hyperparameters, graphs, files."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeops import (
    as_learner,
    as_task_classif,
    as_task_multilabel,
    as_task_regr,
    auto_tuner,
    benchmark,
    benchmark_grid,
    load_learner,
    lrn,
    nn,
    po,
    rsmp,
    t_opt,
    to_tune,
)
from pipeops.errors import ConfigError, DataError, UnknownParameterError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
CITY = RNG.choice(["Aix", "Bern", "Cork"], 60)
GREEN = RNG.random(60) > 0.5
COLUMNS = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2]}
NUMBERS = as_task_classif({**COLUMNS, "y": np.where(X[:, 0] > 0, "p", "q")}, target="y")
THREE = as_task_classif({**COLUMNS, "city": CITY, "green": GREEN, "y": RNG.choice(["u", "v", "w"], 60)}, target="y")
PRICE = as_task_regr({**COLUMNS, "city": CITY, "green": GREEN, "y": X[:, 1]}, target="y")
CODES = torch.tensor(np.stack([np.searchsorted(["Aix", "Bern", "Cork"], CITY), GREEN], 1).astype(np.int64))
KEYS = ["mlp", "tab_resnet", "ft_transformer", "tabm", "torch_featureless"]
SMALL = {
    "mlp": {"neurons": [5, 4]},
    "tab_resnet": {"n_blocks": 2, "d_block": 4, "d_hidden": 6},
    "ft_transformer": {"n_blocks": 2, "d_token": 8, "attention_n_heads": 2},
    "tabm": {"k": 3, "n_blocks": 2, "d_block": 4},
    "torch_featureless": {},
}


def made(key, task_type="classif", epochs=1, **settings):
    return lrn(f"{task_type}.{key}", **{"epochs": epochs, "batch_size": 20, "seed": 1, **SMALL[key], **settings})


def parameters(learner):
    return sum(p.numel() for p in learner.network.parameters())


def linear(i, o):
    return i * o + o


def test_the_perceptron():
    learner = made("mlp", p=0.3).train(NUMBERS)
    assert parameters(learner) == linear(3, 5) + linear(5, 4) + linear(4, 1)
    net = learner.network.eval()
    assert net.dropout_2.p == 0.3
    right = net.head(net.linear_2(net.linear(torch.tensor(X)).relu()).relu())
    torch.testing.assert_close(net(torch.tensor(X)), right)
    assert parameters(made("mlp", neurons=[4], n_layers=3).train(NUMBERS)) == linear(3, 4) + 2 * linear(4, 4) + linear(4, 1)
    assert parameters(made("mlp", neurons=()).train(NUMBERS)) == linear(3, 1)
    tanh = made("mlp", activation=torch.nn.LeakyReLU, activation_args={"negative_slope": 0.3}).train(NUMBERS)
    assert tanh.network.fn.negative_slope == 0.3
    for settings in ({"neurons": [4, 3], "n_layers": 2}, {"neurons": [0]}, {"neurons": "wide"}):
        with pytest.raises(ConfigError, match="mlp"):
            made("mlp", **settings)


def test_the_residual_network():
    """Gorishniy et al. (2021), section 3.2."""
    learner = made("tab_resnet").train(NUMBERS)
    block = 8 + linear(4, 6) + linear(6, 4)
    assert parameters(learner) == linear(3, 4) + 2 * block + 8 + linear(4, 1)
    net = learner.network.eval()
    x = net.linear(torch.tensor(X))
    for i in range(2):
        b = net.get_submodule(f"block.{i}")
        x = x + b.linear_second(b.linear_first(b.batch_norm1d(x)).relu())
    torch.testing.assert_close(net(torch.tensor(X)), net.head(net.batch_norm1d(x).relu()))
    doubled = made("tab_resnet", d_hidden=None, d_hidden_multiplier=1.5).train(NUMBERS).network
    assert doubled.get_submodule("block.0.linear_first").out_features == 6
    with pytest.raises(ConfigError, match="not both"):
        made("tab_resnet", d_hidden_multiplier=1.0)


def test_the_ft_transformer():
    """Gorishniy et al. (2021), section 3.3; the class token is the last one, and the only one that asks in the last block."""
    d, hidden = 8, round(8 * 4 / 3)
    learner = made("ft_transformer").train(THREE)
    block = linear(d, 3 * d) + linear(d, d) + linear(d, 2 * hidden) + linear(hidden, d) + 2 * d
    tokens = 2 * 3 * d + (5 + 2) * d + d
    assert parameters(learner) == tokens + 2 * block + 2 * d + 2 * d + linear(d, 3)
    net = learner.network.eval()
    first, last = (net.get_submodule(f"block.{i}.ft_transformer_block") for i in range(2))
    assert not hasattr(first, "attention_normalization")
    table = net.tokenizer_categ
    rows = table.embeddings.weight[CODES + torch.tensor([0, 3])] + table.bias
    x = torch.cat([net.tokenizer_num(torch.tensor(X)), rows, net.ft_cls.weight.expand(60, 1, d)], 1)
    x = x + first.attention(x)
    x = x + first.ffn(first.ffn_normalization(x))
    normed = last.attention_normalization(x)
    x = x[:, -1:] + last.attention(normed[:, -1:], normed)
    x = x + last.ffn(last.ffn_normalization(x))
    torch.testing.assert_close(net(torch.tensor(X), CODES), net.head(net.layer_norm(x[:, 0]).relu()), rtol=1e-4, atol=1e-5)


def test_the_ft_transformer_takes_what_columns_there_are():
    for task in (NUMBERS, THREE.select(["city"]), PRICE):
        learner = made("ft_transformer", task.task_type).train(task)
        assert len(learner.predict(task)) == 60
    assert made("ft_transformer", n_blocks=0).train(THREE).network(torch.tensor(X), CODES).shape == (60, 3)
    with pytest.raises(DataError, match="no features left"):
        made("ft_transformer").train(NUMBERS.select([]))


@pytest.mark.parametrize("arch", ["tabm", "tabm-mini"])
def test_tabm(arch):
    """Gorishniy et al. (2025), section 3: members with factors r and s of their own, and a head of their own."""
    learner = made("tabm", arch_type=arch).train(THREE)
    width, k = 3 + 5, 3
    shared = 4 * width + 4 * 4
    own = 4 + 4 if arch == "tabm-mini" else k * (width + 4 + 4 + 4 + 4 + 4)
    assert parameters(learner) == shared + own + (k * width if arch == "tabm-mini" else 0) + k * linear(4, 3)
    net = learner.network
    x = torch.cat([torch.tensor(X), functional.one_hot(CODES[:, 0], 3), functional.one_hot(CODES[:, 1], 2)], 1)
    several = []
    for m in range(k):
        h = x * net.member_scale.weight[m] if arch == "tabm-mini" else x
        for layer in ("linear", "linear_2") if arch == "tabm-mini" else ("batch_ensemble", "batch_ensemble_2"):
            one = net.get_submodule(layer)
            h = one(h) if arch == "tabm-mini" else ((h * one.r[m]) @ one.weight.T) * one.s[m] + one.bias[m]
            h = h.relu()
        several.append((h @ net.member_head.weight[m] + net.member_head.bias[m]).softmax(-1))
    right = torch.stack(several).mean(0).detach().numpy()
    learner.predict_type = "prob"
    np.testing.assert_allclose(learner.predict(THREE).prob, right, rtol=1e-4, atol=1e-5)


def test_how_tabm_begins():
    net = made("tabm", epochs=0).train(THREE).network
    first, second = net.batch_ensemble, net.batch_ensemble_2
    assert set(first.r.unique().tolist()) == {-1.0, 1.0}
    assert (first.r[:, 3:6] == first.r[:, 3:4]).all(), "a factor for each column, not for each of its levels"
    assert (second.r == 1).all()
    assert (first.s == 1).all()
    assert (first.bias == first.bias[0]).all()
    for embedding in ("linear_relu", "periodic"):
        embedded = made("tabm", num_embeddings=embedding, d_embedding=2, epochs=0).train(THREE).network.batch_ensemble
        assert embedded.r.shape[1] == 3 * 2 + 5
        assert (embedded.r[:, 0] == embedded.r[:, 1]).all()


def test_pieces_between_quantiles():
    """Gorishniy et al. (2022), section 3.2: full bins are 1, the own bin its share, with the ends open; begins as linear."""
    net = made("tabm", num_embeddings="piecewise_linear", n_bins=4, d_embedding=2, epochs=0).train(NUMBERS).network
    embedding, x = net.piecewise_linear_embedding, torch.tensor(X)
    edges = np.quantile(X.astype(np.float64), np.linspace(0, 1, 5), axis=0)
    shares = (X[:, :, None] - edges.T[None, :, :-1]) / np.diff(edges.T)[None]
    right = np.stack([np.minimum(shares[..., 0], 1), *np.clip(shares[..., 1:3], 0, 1).transpose(2, 0, 1), shares[..., 3]], -1)
    right[..., 3] = np.maximum(right[..., 3], 0)
    np.testing.assert_allclose(embedding.encoded(x).numpy(), right, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(embedding(x), embedding.linear_weight * x[..., None] + embedding.linear_bias)
    short = nn["piecewise_linear_embedding"].torch_module([[0.0, 1.0], [0.0, 1.0, 2.0, 3.0]], 2)
    np.testing.assert_allclose(short.encoded(torch.tensor([[-3.0, 2.5]])), [[[0, 0, -3.0], [1, 1, 0.5]]])
    for task, part in ((NUMBERS.filter(range(4)), "number of rows"), (NUMBERS.select(["a"]).filter([0] * 9), "one value only")):
        with pytest.raises(DataError, match=part):
            made("tabm", num_embeddings="piecewise_linear", n_bins=4).train(task)


def test_members_of_tabm_are_trained_each_by_itself():
    """The loss is the mean over members; two classes and numbers predict the mean of probabilities and of numbers."""
    for task, task_type in ((NUMBERS, "classif"), (PRICE, "regr")):
        learner = made("tabm", task_type, dropout=0.0).train(task)
        net = learner.network
        given = [torch.tensor(X)] if task is NUMBERS else [torch.tensor(X), CODES]
        with torch.no_grad():
            several = net.train()(*given)
            together = net.eval()(*given)
        assert several.shape == (60, 3, 1)
        mean = several.sigmoid().mean(1) if task is NUMBERS else several.mean(1)
        torch.testing.assert_close(together.sigmoid() if task is NUMBERS else together, mean)
    scored = made("tabm", epochs=2, measures_train=["classif.logloss"], predict_type="prob", dropout=0.0).train(THREE)
    assert np.isfinite(scored.history["train.classif.logloss"].to_numpy()).all()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("task_type", ["classif", "regr"])
def test_saved_loaded_and_trained_again(key, task_type, tmp_path):
    task = {"classif": THREE, "regr": PRICE}[task_type]
    task = task if lrn(f"{task_type}.{key}").takes_categories else task.select(["a", "b", "c"])
    learner = made(key, task_type).train(task)
    learner.save(tmp_path / "learner")
    again = load_learner(tmp_path / "learner")
    assert again.params["epochs"] == 1
    assert np.array_equal(again.predict(task).response, learner.predict(task).response)
    assert np.array_equal(again.train(task).predict(task).response, learner.predict(task).response)
    assert as_learner(learner.graph).train(task).graph.ids() == learner.graph.ids()


def test_hyperparameters_are_those_of_the_parts():
    learner = lrn(
        "classif.mlp", optimizer=t_opt("sgd", lr=0.5), callbacks=["history"], **{"loss.reduction": "sum", "batch_size": 7}
    )
    assert learner.params["opt.lr"] == 0.5
    learner.params["neurons"] = [8]
    learner.params["opt.lr"] = 0.1
    learner.params["batch_size"] = 9
    assert learner.graph.params["linear.out_features"] == 8
    assert learner.graph.params["torch_optimizer.lr"] == 0.1
    assert learner.graph.params["torch_loss.reduction"] == "sum"
    assert "torch_callbacks" in learner.graph.ids()
    for address, near in (("opt.lrr", "lr"), ("neuron", "neurons"), ("epoch", "epochs")):
        with pytest.raises(UnknownParameterError, match=near):
            lrn("classif.mlp", **{address: 1})
    with pytest.raises(ConfigError, match=r"\[0, Inf\)"):
        lrn("classif.mlp", **{"opt.lr": -1.0})


def test_what_is_learnt_stays_when_only_predicting_changes():
    learner = made("mlp").train(NUMBERS)
    learner.predict_type = "prob"
    assert learner.is_trained
    assert learner.predict(NUMBERS).prob.shape == (60, 2)
    learner.params["p"] = 0.2
    assert not learner.is_trained


def test_architectures_are_tuned_validated_and_benchmarked():
    learner = made("mlp", neurons=to_tune([[2], [3, 2]]), predict_type="prob")
    tuner = auto_tuner(learner, {}, rsmp("holdout"), "classif.ce", n_trials=2, seed=1).train(NUMBERS)
    assert tuner.best_params["neurons"] in ([2], [3, 2])
    assert lrn("classif.mlp", neurons=to_tune([[2], [3]])).graph.ids()[1] == "head"
    stopped = made("mlp", validate=0.3, epochs=3, measures_valid=["classif.ce"]).train(NUMBERS)
    assert stopped.history.height == 3
    learners = [made("mlp"), made("tabm", predict_type="prob"), as_learner(po("scale") >> made("torch_featureless"), id="none")]
    result = benchmark(benchmark_grid([NUMBERS], learners, [rsmp("cv", folds=2)]), seed=1, progress=False)
    assert np.isfinite(result.score("classif.ce")["classif.ce"].to_numpy()).all()


@pytest.mark.parametrize("key", ["mlp", "tab_resnet", "ft_transformer", "tabm", "torch_featureless"])
def test_a_column_of_tensors_is_the_table(key):
    tensors = as_task_classif({"x": torch.tensor(X), "y": NUMBERS.truth()}, target="y")
    one, other = (made(key, predict_type="prob").train(task).predict(task) for task in (tensors, NUMBERS))
    assert np.array_equal(one.prob, other.prob)


def test_codes_in_a_column_of_tensors():
    frame = {"x": torch.tensor(X), "z": CODES, "y": THREE.truth()}
    tensors, levels = as_task_classif(frame, target="y"), [3, 2]
    names = {"num": "x", "categ": "z"}
    learner = made("ft_transformer", ingress=names, cardinalities=levels, predict_type="prob").train(tensors)
    right = made("ft_transformer", predict_type="prob").train(THREE).predict(THREE)
    assert np.array_equal(learner.predict(tensors).prob, right.prob)
    strange = learner.predict(as_task_classif(frame | {"z": CODES * 9 - 1}, target="y"))
    assert np.isfinite(strange.prob).all(), "codes that training did not see"
    for settings, message in (
        ({"ingress": {"categ": "z"}}, "levels="),
        ({"ingress": {"categ": "z"}, "cardinalities": [2, 2]}, "run from 0 to one less"),
        ({"ingress": {"categ": "x"}, "cardinalities": [3, 2]}, "of whole numbers"),
        ({}, "one column of tensors"),
    ):
        with pytest.raises(DataError, match=message):
            made("ft_transformer", **settings).train(tensors)
    with pytest.raises(ConfigError, match="names columns of tensors"):
        made("ft_transformer", ingress={"cat": "z"})


def test_shapes_of_tensors_are_insisted_on():
    tensors = as_task_classif({"x": torch.tensor(X), "y": NUMBERS.truth()}, target="y")
    assert made("mlp", shape=(None, 3)).train(tensors).is_trained
    for task, part in ((tensors, r"not \(None, 4\)"), (NUMBERS, "takes tensor columns")):
        with pytest.raises(DataError, match=part):
            made("mlp", shape=(None, 4)).train(task)


SEVERAL = {
    "multiregr": as_task_regr({**COLUMNS, "s": X[:, 0], "t": X[:, 1]}, target=["s", "t"]),
    "multilabel": as_task_multilabel({**COLUMNS, "s": X[:, 0] > 0, "t": X[:, 1] > 0}, target=["s", "t"]),
}


@pytest.mark.parametrize("key", [*KEYS, "module"])
@pytest.mark.parametrize("task_type", SEVERAL)
def test_several_targets_and_labels(key, task_type):
    task = SEVERAL[task_type]
    settings = {"module": torch.nn.Linear, "in_features": 3, "out_features": 2} if key == "module" else SMALL[key]
    learner = lrn(f"{task_type}.{key}", epochs=1, batch_size=30, seed=1, **settings).train(task)
    assert learner.task_type == task_type
    assert learner.predict(task).response.shape == (60, 2)


def test_members_predict_the_mean_of_each_label():
    learner = made("tabm", "multilabel", dropout=0.0, predict_type="prob").train(SEVERAL["multilabel"])
    with torch.no_grad():
        members = learner.network.train()(torch.tensor(X)).double().sigmoid()
    np.testing.assert_allclose(learner.predict(SEVERAL["multilabel"]).prob, members.mean(1), rtol=1e-4)


def test_a_graph_is_taken_apart_and_extended():
    learner = made("mlp", neurons=[4])
    wider = as_learner(learner.graph.insert_after("relu", nn("batch_norm1d"))).train(NUMBERS)
    assert "batch_norm1d.weight" in wider.network.state_dict()
    assert "batch_norm1d" not in learner.graph.ids()
    learner.graph.params["linear.out_features"] = 9
    assert learner.graph.params["linear.out_features"] == 4, "what is done to the graph is done to a copy"
    clone = learner.clone()
    clone.params["neurons"] = [7]
    assert (learner.params["neurons"], clone.graph.params["linear.out_features"]) == ([4], 7)


def test_featureless_learns_the_share_of_classes_and_the_mean():
    shares = made("torch_featureless", epochs=300, batch_size=60, predict_type="prob", **{"opt.lr": 0.05}).train(THREE)
    expected = [(THREE.truth() == name).mean() for name in THREE.class_names]
    np.testing.assert_allclose(shares.predict(THREE).prob[0], expected, atol=1e-3)
    holes = as_task_regr({"a": [None, 1.0, 2.0], "y": [1.0, 2.0, 6.0]}, target="y")
    mean = made("torch_featureless", "regr", epochs=300, batch_size=3, **{"opt.lr": 0.1}).train(holes)
    np.testing.assert_allclose(mean.predict(holes).response, 3.0, atol=1e-2)


def test_heads_are_as_wide_as_what_is_predicted():
    wide = {"predict_type": "quantiles", "quantiles": [0.1, 0.5, 0.9], "loss": "pinball"}
    for key in ("mlp", "tabm", "torch_featureless"):
        task = PRICE.select(["a", "b", "c"])
        assert {"q0.1", "q0.9"} <= set(made(key, "regr", **wide).train(task).predict(task).to_frame().columns)


def test_members_use_row_weights():
    """Weight 2 is the row twice, in one full batch."""
    weights = np.array([1.0, 2.0] * 30)
    twice = np.repeat(np.arange(60), weights.astype(int))
    weighted = as_task_regr({**COLUMNS, "w": weights, "y": X[:, 1]}, target="y").with_roles(weight=["w"])
    repeated = as_task_regr({n: v[twice] for n, v in {**COLUMNS, "y": X[:, 1]}.items()}, target="y")
    one, other = (made("tabm", "regr", batch_size=100, dropout=0.0, epochs=3).train(t) for t in (weighted, repeated))
    rows = repeated.filter(range(5))
    np.testing.assert_allclose(one.predict(rows).response, other.predict(rows).response, rtol=1e-4, atol=1e-5)


def test_attention_trains_alone_and_members_together():
    learners = [made("ft_transformer", predict_type="prob"), made("tabm", predict_type="prob", dropout=0.0)]
    result = benchmark(benchmark_grid([THREE], learners, [rsmp("cv", folds=2)]), seed=1, progress=False, store_models=True)
    assert [r.outcome.learner.model["torch_model_classif"].vectorized for r in result.records] == [1, 1, 2, 2]
