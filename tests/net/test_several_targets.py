"""Networks with several targets and with labels: numbers beside torch, engines, weights, folds, files."""

import numpy as np
import polars as pl
import pytest
import torch

from pipeops import as_learner, as_task_multilabel, as_task_regr, load_learner, nn, po, resample, rsmp, t_loss
from pipeops.errors import ConfigError, DataError

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = np.column_stack([X[:, 0] - X[:, 1], 2 * X[:, 2]]).astype("float32")
FRAME = pl.DataFrame({"u": X[:, 0], "v": X[:, 1], "w": X[:, 2]})
NUMBERS = as_task_regr(FRAME.with_columns(a=pl.Series(Y[:, 0]), b=pl.Series(Y[:, 1])), target=["a", "b"], id="numbers")
LABELS = as_task_multilabel(
    FRAME.with_columns(a=pl.Series(Y[:, 0] > 0), b=pl.Series(Y[:, 1] > 1)), target=["a", "b"], id="labels"
)
TASKS = {"multiregr": NUMBERS, "multilabel": LABELS}
LOSSES = {"multiregr": "mse", "multilabel": "cross_entropy"}


def graph(kind, loss=None, end=None, **settings):
    more = {"epochs": 3, "batch_size": 40, "shuffle": False, "seed": 1, **settings}
    ends = [end or nn("head"), po("torch_loss", loss=loss or LOSSES[kind]), po("torch_optimizer", optimizer="sgd", lr=0.1)]
    made = po("torch_ingress_num") >> nn("linear", out_features=5) >> nn("relu")
    for node in ends:
        made = made >> node
    return made >> po(f"torch_model_{kind}", **more)


def learner(kind, validate=None, **settings):
    return as_learner(graph(kind, **settings), validate=validate)


def by_hand(kind, loss, epochs=3):
    """The same network trained in a plain loop."""
    start = learner(kind, epochs=0).train(TASKS[kind]).network
    net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    net.load_state_dict(dict(zip(net.state_dict(), start.state_dict().values(), strict=True)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    target = torch.tensor(TASKS[kind].truth().astype("float32"))
    for _ in range(epochs):
        optimizer.zero_grad()
        loss(net(torch.tensor(X)), target).backward()
        optimizer.step()
    with torch.no_grad():
        return net(torch.tensor(X)).double()


OF_TORCH = {
    "mse": ("multiregr", torch.nn.MSELoss()),
    "l1": ("multiregr", torch.nn.L1Loss()),
    "huber": ("multiregr", torch.nn.HuberLoss()),
    "smooth_l1": ("multiregr", torch.nn.SmoothL1Loss()),
    "cross_entropy": ("multilabel", torch.nn.BCEWithLogitsLoss()),
    torch.nn.MSELoss: ("multiregr", torch.nn.MSELoss()),
    torch.nn.BCEWithLogitsLoss: ("multilabel", torch.nn.BCEWithLogitsLoss()),
    torch.nn.MultiLabelSoftMarginLoss: ("multilabel", torch.nn.MultiLabelSoftMarginLoss()),
}


@pytest.mark.parametrize("loss", OF_TORCH, ids=str)
@pytest.mark.parametrize("engine", ["auto", "autograd"])
def test_training_is_that_of_a_plain_loop(loss, engine):
    kind, function = OF_TORCH[loss]
    prob = {"predict_type": "prob"} if kind == "multilabel" else {}
    prediction = learner(kind, loss=loss, engine=engine, **prob).train(TASKS[kind]).predict(TASKS[kind])
    expected = by_hand(kind, function)
    if kind == "multilabel":
        np.testing.assert_allclose(prediction.prob, torch.sigmoid(expected), rtol=1e-5)
        assert prediction.response.tolist() == (expected >= 0).tolist()
    else:
        np.testing.assert_allclose(prediction.response, expected, rtol=1e-4, atol=1e-5)
    assert prediction.target_names == ["a", "b"]
    assert prediction.truth.tolist() == TASKS[kind].truth().tolist()


@pytest.mark.parametrize("kind", TASKS)
def test_rules_make_the_steps(kind):
    assert learner(kind).train(TASKS[kind]).model[f"torch_model_{kind}"].engine == "rules"


def test_a_poisson_loss_predicts_rates():
    counts = as_task_regr(FRAME.with_columns(a=pl.Series(RNG.poisson(2, 40)), b=pl.Series(RNG.poisson(5, 40))), target=["a", "b"])
    made = learner("multiregr", loss="poisson_nll").train(counts)
    with torch.no_grad():
        rates = made.network(torch.tensor(X)).double().exp()
    np.testing.assert_allclose(made.predict(counts).response, rates, rtol=1e-6)
    with pytest.raises(DataError, match="negative"):
        learner("multiregr", loss="poisson_nll").train(NUMBERS)


@pytest.mark.parametrize("loss", ["mse", "cross_entropy", torch.nn.MultiLabelSoftMarginLoss], ids=str)
def test_a_weight_of_two_is_the_row_twice(loss):
    kind = "multiregr" if loss == "mse" else "multilabel"
    task, twice = TASKS[kind], TASKS[kind].filter([*range(40), *range(10)])
    table = task.data().with_columns(q=pl.Series([2.0] * 10 + [1.0] * 30))
    make = as_task_regr if kind == "multiregr" else as_task_multilabel
    weighted = make(table, target=["a", "b"]).with_roles(weight="q")
    one, other = learner(kind, loss=loss).train(weighted), learner(kind, loss=loss, batch_size=50).train(twice)
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", TASKS)
def test_validation_folds_and_vectorizing(kind):
    task, key = TASKS[kind], {"multiregr": "multiregr.rsq", "multilabel": "multilabel.acc"}[kind]
    made = learner(kind, validate=0.3, measures_valid=[key, "loss"], batch_size=8, shuffle=True)
    made.train(task)
    assert len(made.history[f"valid.{key}"]) == 3
    folds = rsmp("cv", folds=3).instantiate(task, seed=1)
    plain = learner(kind, batch_size=8, shuffle=True)
    together = resample(task, plain, folds, seed=3, vectorized=True, store_models=True)
    alone = resample(task, plain, folds, seed=3, vectorized=False)
    assert [r.outcome.learner.model[f"torch_model_{kind}"].vectorized for r in together.records] == [3, 3, 3]
    np.testing.assert_allclose(together.score()[:, -1], alone.score()[:, -1], rtol=1e-4)


@pytest.mark.parametrize("kind", TASKS)
def test_saved_and_new_data(kind, tmp_path):
    made = as_learner(po("scale") >> graph(kind)).train(TASKS[kind])
    made.save(tmp_path / "net.pipeops")
    again = load_learner(tmp_path / "net.pipeops")
    new = again.predict_newdata(FRAME.head(4))
    np.testing.assert_array_equal(new.response, made.predict(TASKS[kind]).response[:4])
    assert new.truth_is_missing.all()
    turned = TASKS[kind].with_roles(target=["b", "a"])
    np.testing.assert_array_equal(again.predict(turned).truth, TASKS[kind].truth())
    assert again.task_type == kind


@pytest.mark.parametrize("end", ["head", "constant"])
@pytest.mark.parametrize("kind", TASKS)
def test_heads_are_as_wide_as_the_targets(kind, end):
    made = nn(end)
    assert made.shape_out((None, 4), task=TASKS[kind]) == (None, 2)


def test_members_of_an_ensemble_predict_their_mean():
    made = (
        po("torch_ingress_num")
        >> nn("linear", out_features=4)
        >> nn("members", k=3)
        >> nn("member_head")
        >> po("torch_loss", loss="cross_entropy")
        >> po("torch_optimizer")
        >> po("torch_model_multilabel", epochs=1, batch_size=10, seed=1, predict_type="prob")
    )
    prediction = as_learner(made).train(LABELS).predict(LABELS)
    assert prediction.prob.shape == (40, 2)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("multiregr", {"loss": "cross_entropy"}, "is for classif or multilabel"),
        ("multilabel", {"loss": "mse"}, "is for regr or multiregr"),
        ("multilabel", {"loss": torch.nn.MSELoss}, "labels have one each"),
        ("multilabel", {"loss": torch.nn.BCELoss}, "no sigmoid"),
        ("multiregr", {"loss": torch.nn.BCEWithLogitsLoss}, "several targets have a number each"),
        ("multilabel", {"loss": "focal"}, "is for classif"),
        ("multiregr", {"end": nn("linear", out_features=3)}, "2 targets need \\(batch, 2\\)"),
        ("multilabel", {"end": nn("linear", out_features=1)}, "2 labels need \\(batch, 2\\)"),
    ],
)
def test_what_does_not_go_together_is_refused(kind, settings, message):
    with pytest.raises(ConfigError, match=message):
        learner(kind, **settings).train(TASKS[kind])


def test_models_of_other_tasks_are_refused():
    with pytest.raises(DataError, match="is a multiregr learner"):
        learner("multiregr").train(LABELS)
    start = po("torch_ingress_num") >> nn("head") >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer")
    other = start >> po("torch_model_classif", epochs=1, batch_size=4)
    with pytest.raises(DataError, match=r'end with po\("torch_model_multilabel"\)'):
        other.train(LABELS)
    weighted = graph("multilabel", loss=t_loss("cross_entropy", class_weight="balanced"))
    with pytest.raises(ConfigError, match="pos_weight"):
        weighted.train(LABELS)


def test_other_targets_are_refused_when_predicting():
    made = learner("multiregr").train(NUMBERS)
    with pytest.raises(DataError, match="was trained on 'a', 'b'"):
        made.predict(as_task_regr(FRAME.with_columns(a=pl.Series(Y[:, 0]), c=pl.Series(Y[:, 1])), target=["a", "c"]))
