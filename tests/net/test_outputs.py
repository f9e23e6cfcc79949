"""What the outputs of a network mean: standard errors, quantiles, counts; losses of ranks for more than two classes."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from pipeops import as_learner, as_task_classif, as_task_regr, load_learner, nn, po, resample, rsmp, t_loss, tsk
from pipeops.errors import ConfigError
from pipeops.net.losses.imbalanced import focal, focal_classes, logistic_classes
from pipeops.net.losses.numbers import gaussian_nll, pinball
from pipeops.net.network.unseen import answer
from pipeops.net.training import model as training_model

RNG = np.random.default_rng(0)
X = RNG.uniform(0, 4, 300)
TASK = as_task_regr({"x": X, "y": X + RNG.normal(size=300) * (0.1 + 0.2 * X)}, target="y")
COUNTS = as_task_regr({"x": X, "y": RNG.poisson(np.exp(X / 2)).astype(float)}, target="y")


def learner(loss, hidden=(), end=None, **model):
    graph = po("torch_ingress_num")
    for size in hidden:
        graph = graph >> nn("linear", out_features=size) >> nn("tanh")
    graph = graph >> (end or nn("head")) >> po("torch_loss", loss=loss) >> po("torch_optimizer", optimizer="adam", lr=0.02)
    return as_learner(graph >> po("torch_model_regr", **{"epochs": 3, "batch_size": 64, "seed": 1, **model}))


def test_quantiles_hold_their_share_of_the_rows(tmp_path):
    made = learner("pinball", (8,), epochs=60, predict_type="quantiles", quantiles=[0.9, 0.1, 0.5]).train(TASK)
    prediction = made.predict(TASK)
    assert prediction.probs == (0.1, 0.5, 0.9)
    assert np.allclose([(prediction.truth < q).mean() for q in prediction.quantiles.T], prediction.probs, atol=0.1)
    assert np.array_equal(prediction.response, prediction.quantiles[:, 1])
    assert (np.diff(prediction.quantiles) >= 0).all()
    made.save(tmp_path / "quantiles.pipeops")
    assert np.array_equal(load_learner(tmp_path / "quantiles.pipeops").predict(TASK).quantiles, prediction.quantiles)
    made.predict_type = "response"
    assert made.predict(TASK).predict_types == ["response"]


def test_the_pinball_loss_is_that_of_scikit_learn():
    output, truth = torch.tensor(RNG.normal(size=(20, 3))), torch.tensor(RNG.normal(size=(20, 1)))
    levels = (0.1, 0.5, 0.8)
    each = [mean_pinball_loss(truth.numpy()[:, 0], column, alpha=q) for column, q in zip(output.numpy().T, levels, strict=True)]
    assert pinball(output, truth, levels).item() == pytest.approx(np.mean(each))
    assert pinball(output, truth, levels, reduction="sum").item() == pytest.approx(20 * np.mean(each))


def test_one_quantile_is_the_response():
    made = learner(t_loss("pinball", quantiles=[0.9]), (8,), epochs=60).train(TASK).predict(TASK)
    assert made.predict_types == ["response"]
    assert (made.truth < made.response).mean() == pytest.approx(0.9, abs=0.08)


def test_standard_errors_follow_the_noise():
    prediction = learner("gaussian_nll", (8,), epochs=60, predict_type="se").train(TASK).predict(TASK)
    assert prediction.predict_types == ["response", "se"]
    assert np.corrcoef(prediction.se, 0.1 + 0.2 * X)[0, 1] > 0.9


def test_the_gaussian_loss_is_that_of_torch():
    output, truth = torch.tensor(RNG.normal(size=(20, 2))), torch.tensor(RNG.normal(size=(20, 1)))
    wanted = torch.nn.GaussianNLLLoss()(output[:, 0], truth[:, 0], output[:, 1].exp())
    assert torch.allclose(gaussian_nll(output, truth), wanted)


@pytest.mark.parametrize("loss", ["poisson_nll", torch.nn.PoissonNLLLoss])
def test_a_poisson_loss_predicts_the_exponential(loss):
    made = learner(loss).train(COUNTS)
    with torch.no_grad():
        rate = made.network(torch.tensor(X, dtype=torch.float32).unsqueeze(1)).exp()[:, 0]
    assert np.allclose(made.predict(COUNTS).response, rate.numpy(), rtol=1e-6)


def test_a_loss_of_ones_own_gets_what_is_asked_for():
    seen = []

    def own(input, target):
        seen.append(tuple(input.shape))
        return ((input - target) ** 2).mean()

    learner(own, predict_type="se", epochs=1, batch_size=300).train(TASK)
    learner(own, quantiles=[0.2, 0.5, 0.7], epochs=1, batch_size=300).train(TASK)
    learner(own, epochs=1, batch_size=300).train(TASK)
    assert seen == [(300, 2), (300, 3), (300, 1)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "mse", "predict_type": "se"}, 'loss="gaussian_nll"'),
        ({"loss": "mse", "quantiles": [0.5]}, 'loss="pinball"'),
        ({"loss": "pinball", "predict_type": "quantiles"}, "say which quantiles"),
        ({"loss": "pinball", "quantiles": [0.1, 0.9]}, "0.5 must be among"),
        ({"loss": "pinball", "quantiles": [0.5, 1.5]}, "in \\(0, 1\\)"),
        ({"loss": t_loss("pinball", quantiles=[0.5]), "quantiles": [0.1, 0.5]}, "give them once"),
        ({"loss": "gaussian_nll", "end": nn("linear", out_features=1)}, "mean and the logarithm"),
    ],
)
def test_what_does_not_go_together_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        learner(**given).train(TASK)


def test_what_was_not_learnt_is_not_predicted():
    made = learner("mse").train(TASK)
    made.predict_type = "se"
    with pytest.raises(ConfigError, match="has no se"):
        made.predict(TASK)


def test_folds_of_quantiles_go_together():
    made = learner("pinball", predict_type="quantiles", quantiles=[0.1, 0.5, 0.9])
    result = resample(TASK, made, rsmp("cv", folds=3), seed=1)
    assert result.prediction().quantiles.shape == (300, 3)


FEATURES = RNG.normal(size=(90, 2))
LABELS = np.array(["r", "s", "t"])[(FEATURES[:, 0] > 0).astype(int) + (FEATURES[:, 1] > 0.5)]
CLASSES = as_task_classif(FEATURES, LABELS)


@pytest.mark.parametrize(
    "loss",
    ["aum", "hinge_pairs", "square_pairs", "focal", "multi_margin", t_loss("logistic", class_weight={"r": 2.0})],
    ids=str,
)
def test_losses_for_unbalanced_classes_take_more_than_two(loss):
    graph = (
        po("torch_ingress_num")
        >> nn("linear", out_features=8)
        >> nn("tanh")
        >> nn("head")
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer="adam", lr=0.02)
        >> po("torch_model_classif", epochs=60, batch_size=90, predict_type="prob", seed=1)
    )
    assert as_learner(graph).train(CLASSES).predict(CLASSES).score("classif.mauc_aunu") > 0.9


def test_a_loss_of_ranks_is_the_mean_over_each_against_the_rest():
    scores, labels = torch.tensor(RNG.normal(size=(30, 3))), torch.tensor(RNG.integers(0, 3, 30))
    for key in ("aum", "hinge_pairs", "square_pairs"):
        two = t_loss(key).build(as_task_classif(FEATURES, LABELS == "r"))
        each = [two(scores[:, [k]], (labels == k).unsqueeze(1)) for k in range(3)]
        assert torch.allclose(t_loss(key).build(CLASSES)(scores, labels), sum(each) / 3)


def test_focal_and_logistic_for_more_classes_by_hand():
    scores, labels = torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]), torch.tensor([0, 2])
    p = torch.softmax(scores, 1)[[0, 1], labels]
    assert torch.allclose(focal_classes(scores, labels, gamma=1.5), (-(p.log()) * (1 - p) ** 1.5).mean())
    assert torch.allclose(logistic_classes(scores, labels, (2.0, 1.0, 3.0)), -(2 * p[0].log() + 3 * p[1].log()) / 2)
    two = torch.tensor([[0.3], [-0.7]])
    pair = torch.cat([two, torch.zeros(2, 1)], 1)
    assert torch.allclose(focal_classes(pair, torch.tensor([0, 1])), focal(two, torch.tensor([[1], [0]])))
    with pytest.raises(ConfigError, match="alpha"):
        t_loss("focal", alpha=0.3).build(CLASSES)


@pytest.mark.parametrize("own", [False, True])
def test_a_table_is_predicted_in_whole_fours_of_rows(monkeypatch, own):
    """Most products of matrices round whole fours of rows alike; layers of one's own see the rows that there are."""

    class Own(torch.nn.Module):
        def forward(self, x):
            return x

    seen, task = [], tsk("breast_cancer")
    layers = nn("module", module=Own()) if own else nn("relu")
    graph = po("torch_ingress_num") >> layers >> nn("head") >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
    model = po("torch_model_classif", epochs=1, batch_size=64, seed=1, predict_type="prob", batch_size_predict=10)
    learner = as_learner(po("scale") >> graph >> model).train(task)
    whole = learner.predict(task).prob
    monkeypatch.setattr(training_model, "answer", lambda net, x, levels: seen.append(len(x[0])) or answer(net, x, levels))
    part = learner.predict(task.filter(range(23)))
    assert seen == ([10, 10, 3] if own else [12, 12, 4])
    np.testing.assert_allclose(part.prob, whole[:23], atol=1e-6)
