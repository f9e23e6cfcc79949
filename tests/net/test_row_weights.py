"""Row weights in losses: weight 2 is the row twice, weight 0 the row left out, in values, gradients, scores and reports."""

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional

from pipeops import as_learner, as_task_classif, as_task_regr, nn, po, t_loss, t_sampler
from pipeops.errors import ConfigError, DataError
from pipeops.learn.fits import drive
from pipeops.net.losses.weighted import by_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(36, 3))
WEIGHTS = RNG.integers(0, 4, 36).astype(float)
FRAME = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "w": WEIGHTS})
NUMBER = X[:, 0] - X[:, 1] ** 2
TARGETS = {
    "two": np.where(X[:, 0] + RNG.normal(size=36) > 0, "p", "n"),
    "three": np.array(["r", "s", "t"])[RNG.integers(0, 3, 36)],
    "number": NUMBER,
}


def task(kind, twice=False):
    """The weighted task, or the one that has each row as often as its weight says."""
    frame = FRAME.with_columns(y=pl.Series(TARGETS[kind]))
    make = as_task_regr if kind == "number" else as_task_classif
    if twice:
        return make(frame[np.repeat(np.arange(36), WEIGHTS.astype(int))].drop("w"), target="y")
    return make(frame, target="y").with_roles(weight="w")


def learner(kind, loss, batch_size=1000, **model):
    ending = {"number": "regr"}.get(kind, "classif")
    return as_learner(
        po("torch_ingress_num")
        >> nn("linear", out_features=3)
        >> nn("tanh")
        >> nn("head")
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer="sgd", lr=0.1)
        >> po(f"torch_model_{ending}", epochs=5, batch_size=batch_size, shuffle=False, seed=1, **model)
    )


LOSSES = [
    ("two", "cross_entropy"),
    ("two", t_loss("cross_entropy", class_weight={"p": 3.0})),
    ("two", t_loss("cross_entropy", class_weight="balanced", label_smoothing=0.1)),
    ("two", t_loss("cross_entropy", reduction="sum")),
    ("two", t_loss("focal", gamma=1.0, alpha=0.3)),
    ("two", t_loss("logistic", class_weight="balanced")),
    ("two", torch.nn.BCEWithLogitsLoss),
    ("two", functional.binary_cross_entropy_with_logits),
    ("three", "cross_entropy"),
    ("three", t_loss("cross_entropy", class_weight="balanced", label_smoothing=0.2)),
    ("three", t_loss("cross_entropy", ignore_index=1)),
    ("three", torch.nn.MultiMarginLoss),
    ("number", "mse"),
    ("number", "l1"),
    ("number", t_loss("huber", delta=0.5)),
    ("number", t_loss("mse", reduction="sum")),
    ("number", torch.nn.SmoothL1Loss),
]


@pytest.mark.parametrize(("kind", "loss"), LOSSES, ids=lambda given: getattr(given, "__name__", str(given)))
def test_weights_are_rows_that_stand_several_times(kind, loss):
    scale = 0.01 if "sum" in repr(loss) else 1
    made = [learner(kind, loss) for _ in range(2)]
    for one in made:
        one.params["torch_optimizer.lr"] = 0.1 * scale
    weighted, twice = (one.train(task(kind, often)) for one, often in zip(made, (False, True), strict=True))
    for one, other in zip(weighted.network.parameters(), twice.network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert np.allclose(weighted.history["train.loss"], twice.history["train.loss"], rtol=1e-5)
    engines = [one.model[f"torch_model_{'regr' if kind == 'number' else 'classif'}"].engine for one in (weighted, twice)]
    assert engines[0] == engines[1]


def test_the_value_is_the_weighted_mean_by_hand():
    logits, labels = torch.tensor([[0.5], [-1.0], [2.0]]), torch.tensor([[1.0], [0.0], [0.0]])
    weights = torch.tensor([1.0, 3.0, 0.5])
    made = by_rows(t_loss("cross_entropy"), t_loss("cross_entropy").build(task("two")), task("two"))
    terms = [np.log1p(np.exp(-0.5)), np.log1p(np.exp(-1.0)), np.log1p(np.exp(2.0))]
    assert made(logits, labels, weights).item() == pytest.approx(np.average(terms, weights=[1, 3, 0.5]), rel=1e-6)
    assert made(logits, labels, torch.zeros(3)).item() == 0


def test_each_batch_has_its_own_weights_and_the_report_counts_them():
    """Two batches by hand: the second step begins where the first one ended."""
    given, size = task("number"), 18
    made = learner("number", "mse", batch_size=size)
    made.params["torch_model_regr.epochs"] = 1
    begun = made.clone()
    begun.params["torch_model_regr.epochs"] = 0
    network = begun.train(given).network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    x, y, w = (torch.tensor(v, dtype=torch.float32) for v in (X, NUMBER, WEIGHTS))
    losses = []
    for rows in (slice(0, size), slice(size, 36)):
        optimizer.zero_grad()
        loss = (w[rows] * (network(x[rows])[:, 0] - y[rows]) ** 2).sum() / w[rows].sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    trained = made.train(given)
    for one, other in zip(trained.network.parameters(), network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    wanted = np.average(losses, weights=[WEIGHTS[:size].sum(), WEIGHTS[size:].sum()])
    assert trained.history["train.loss"][0] == pytest.approx(wanted, rel=1e-5)


def test_shuffled_batches_take_their_weights_along():
    """One weight is not zero: only its row decides, in whatever order rows come."""
    frame = FRAME.with_columns(y=pl.Series(NUMBER), w=pl.Series([0.0] * 20 + [2.0] + [0.0] * 15))
    whole = as_task_regr(frame, target="y").with_roles(weight="w")
    ends = []
    for rows in (whole, whole.filter([20])):
        made = learner("number", "mse", batch_size=36)
        made.params["torch_model_regr.shuffle"] = True
        ends.append(made.train(rows).network)
    for one, other in zip(ends[0].parameters(), ends[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_validation_loss_is_weighted():
    made = learner("number", "mse", measures_valid=["loss"])
    made.validate = task("number")
    trained = made.train(task("number"))
    prediction = trained.predict(task("number"))
    wanted = np.average((prediction.truth - prediction.response) ** 2, weights=WEIGHTS)
    assert trained.internal_valid_scores["loss"] == pytest.approx(wanted, rel=1e-5)
    assert prediction.score("regr.mse") == pytest.approx(wanted, rel=1e-6)


def test_a_loss_of_ones_own_may_take_weights():
    def own(input, target, weights, scale: float = 1.0):
        return scale * (weights * (input - target)[:, 0] ** 2).sum() / weights.sum()

    def unaware(input, target):
        return ((input - target) ** 2).mean()

    right = learner("number", "mse").train(task("number"))
    found = learner("number", own).train(task("number"))
    for one, other in zip(found.network.parameters(), right.network.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    with pytest.raises(ConfigError, match="argument `weights`"):
        learner("number", unaware).train(task("number"))


def test_weighted_runs_train_together():
    """By rules, and by autograd where the loss has none, each to the numbers that it gets alone by autograd."""
    for kind, loss, engine in [("two", "cross_entropy", "rules"), ("three", t_loss("focal", gamma=1.0), "autograd")]:
        parts = [task(kind).filter(np.arange(36) % 4 != k) for k in range(3)]
        made = [learner(kind, loss, batch_size=8, measures_train=["loss"]).seeded(k) for k in range(3)]
        alone = [
            one.clone().with_param("torch_model_classif.engine", "autograd").train(p) for one, p in zip(made, parts, strict=True)
        ]
        found = drive([one.training(part, None) for one, part in zip(made, parts, strict=True)])
        for one, other in zip(found, alone, strict=True):
            state = one.model["torch_model_classif"]
            assert (state.engine, state.vectorized) == (engine, 3)
            assert other.model["torch_model_classif"].engine == "autograd"
            torch.testing.assert_close(one.network.state_dict(), other.network.state_dict(), rtol=1e-4, atol=1e-6)
            assert one.history["train.loss"].to_list() == pytest.approx(other.history["train.loss"].to_list(), rel=1e-5)


def test_losses_of_ranks_refuse_and_say_what_to_do():
    with pytest.raises(ConfigError, match=r'no mean or sum of terms.*t_sampler\("weighted"'):
        learner("two", "aum").train(task("two"))
    made = (
        po("torch_ingress_num")
        >> nn("head")
        >> po("torch_loss", loss="aum")
        >> po("torch_optimizer", optimizer="sgd")
        >> po("torch_model_classif", epochs=1, batch_sampler=t_sampler("weighted", batch_size=12), seed=1)
    )
    assert as_learner(made).train(task("two")).is_trained


def test_a_sampler_by_weights_does_not_count_them_twice():
    """Rows drawn by the column of weights have the plain loss; rows drawn by something else keep theirs."""
    seen = []

    def own(input, target, weights=None):
        seen.append(weights is None)
        return ((input - target) ** 2).mean()

    for sampler, plain in ((t_sampler("weighted", batch_size=12), True), (t_sampler("weighted", 12, [1.0] * 36), False)):
        seen.clear()
        made = (
            po("torch_ingress_num")
            >> nn("head")
            >> po("torch_loss", loss=own)
            >> po("torch_optimizer", optimizer="sgd")
            >> po("torch_model_regr", epochs=1, batch_sampler=sampler, seed=1)
        )
        as_learner(made).train(task("number"))
        assert set(seen) == {plain}


def test_weights_that_are_all_zero_in_a_fold_are_refused():
    part = task("number").filter(np.flatnonzero(WEIGHTS == 0))
    with pytest.raises(DataError, match="all 0"):
        learner("number", "mse").train(part)
