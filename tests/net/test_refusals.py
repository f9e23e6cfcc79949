"""What a model refuses rather than to train or predict something else, such as NaN."""

import numpy as np
import pytest
import torch

from pipeops import as_learner, as_task_classif, as_task_regr, lrn, nn, po
from pipeops.errors import DataError
from pipeops.net import StratifiedBatches, WeightedBatches

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype("float32")
TASK = as_task_classif(X, np.arange(80) % 2)


def learner(layer=None, **model):
    graph = po("torch_ingress_num") >> nn("head")
    for node in [layer] if layer else []:
        graph = graph >> node
    graph = graph >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", optimizer="sgd", lr=0.1)
    settings = {"epochs": 2, "predict_type": "prob", "seed": 1, **model}
    return as_learner(graph >> po("torch_model_classif", **settings))


def weighted():
    (task,), _ = po("classweights", minor_weight=20).train([as_task_classif(X, np.arange(80) % 4 == 0)])
    return task


def test_weights_count_in_the_loss_or_in_the_draws():
    plain = learner(batch_size=20).train(weighted().with_roles(weights_learner=[]))
    for settings in (
        {"batch_size": 20},
        {"batch_sampler": StratifiedBatches(min_per_stratum=2)},
        {"batch_sampler": WeightedBatches(batch_size=20)},
    ):
        made = learner(**settings).train(weighted())
        share = [one.predict(weighted()).prob[:, 0].mean() for one in (plain, made)]
        assert share[1] > share[0] + 0.1, settings


def test_nan_from_the_network_is_refused():
    def spoil(x):
        return x * float("nan") if torch.is_inference_mode_enabled() else x

    trained = learner(nn("fn", fn=spoil), batch_size=20).train(TASK)
    with pytest.raises(DataError, match=r"puts out NaN for 80 rows, first for \[0, 1, 2\]"):
        trained.predict(TASK)


def test_predictions_of_networks_carry_the_weights_also_of_new_data():
    frame = {"x": [1.0, 2.0, 3.0, 4.0], "w": [1.0, 2.0, 0.5, 1.0], "y": [1.0, 2.0, 3.0, 5.0]}
    task = as_task_regr(frame, target="y").with_roles(weight="w")
    graph = po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="mse") >> po("torch_optimizer")
    network = as_learner(graph >> po("torch_model_regr", epochs=1, batch_sampler=WeightedBatches(batch_size=2), seed=1))
    for trained in (network.train(task), lrn("regr.lm").train(task)):
        assert trained.predict(task).weights.tolist() == frame["w"]
        assert trained.state.prototype.roles["weight"] == ["w"]
        assert trained.predict_newdata(frame).weights.tolist() == frame["w"]
