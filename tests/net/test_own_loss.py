"""A loss of one's own: which ones are refused, what is said when it fails, and its values in the history."""

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional

from pipeops import as_learner, as_task_classif, as_task_regr, auto_tuner, msr, nn, po, rsmp, t_clbk, to_tune
from pipeops.errors import ConfigError, DataError, TrainingError
from pipeops.learn.fits import drive
from pipeops.net import torch_callback

rng = np.random.default_rng(3)
X = rng.normal(size=(30, 3))
Y = np.where(X[:, 0] > 0.4, "a", "b")
TASK = as_task_classif(pl.from_numpy(X, schema=list("uvw")).with_columns(y=pl.Series(Y)), target="y", positive="a")
THREE = as_task_classif(pl.from_numpy(X, schema=list("uvw")).with_columns(y=pl.Series(["a", "b", "c"] * 10)), target="y")
REGR = as_task_regr(pl.from_numpy(X, schema=list("uvw")), target="w")


def graph(loss="cross_entropy", callbacks=(), model="classif", layers=None, **settings):
    settings = {"epochs": 3, "batch_size": 8, "seed": 1, **settings}
    return (
        po("torch_ingress_num")
        >> (nn("head") if layers is None else layers)
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer="sgd", lr=0.3)
        >> po("torch_callbacks", callbacks=list(callbacks))
        >> po(f"torch_model_{model}", **settings)
    )


class Weighted(torch.nn.CrossEntropyLoss):
    """Has no forward of its own."""


class TwoLogits(torch.nn.CrossEntropyLoss):
    """Makes two logits of one, so that it may be used."""

    def forward(self, input, target):
        return super().forward(torch.cat([input, -input], 1), (target[:, 0] < 0.5).long())


PER_CLASS = [torch.nn.CrossEntropyLoss, torch.nn.CrossEntropyLoss(), torch.nn.NLLLoss, torch.nn.MultiMarginLoss(), Weighted,
             functional.cross_entropy, functional.nll_loss]  # fmt: skip


@pytest.mark.parametrize("loss", PER_CLASS)
def test_a_logit_for_each_class_is_not_there_on_two(loss):
    with pytest.raises(ConfigError, match=r'two classes have one.*"cross_entropy", or torch.nn.BCEWithLogitsLoss'):
        graph(loss).train(TASK)


@pytest.mark.parametrize("loss", [torch.nn.BCELoss, torch.nn.BCELoss(), functional.binary_cross_entropy])
def test_a_loss_of_probabilities(loss):
    with pytest.raises(ConfigError, match=r"gets logits; use torch.nn.BCEWithLogitsLoss"):
        graph(loss).train(TASK)


def test_the_same_losses_where_they_make_sense():
    for loss in (TwoLogits, torch.nn.BCEWithLogitsLoss, torch.nn.MultiLabelSoftMarginLoss):
        as_learner(graph(loss)).train(TASK)
    as_learner(graph(torch.nn.CrossEntropyLoss)).train(THREE)


def test_a_loss_that_fails_says_on_what():
    def my_loss(input, target):
        return torch.nn.functional.nll_loss(input, target.long())

    with pytest.raises(TrainingError, match=r"torch_loss: my_loss failed on an output of \(8, 1\) float32 and a target of "
                                            r"\(8, 1\) float32: RuntimeError: .*") as error:  # fmt: skip
        graph(my_loss).train(TASK)
    assert isinstance(error.value.__cause__, RuntimeError)
    with pytest.raises(TrainingError, match=r"failed on an output of \(8, 3\) float32 and a target of \(8,\) int64: ValueError"):
        graph(lambda input, target: functional.binary_cross_entropy_with_logits(input, target)).train(THREE)


def test_errors_of_our_own_stay_as_they_are():
    def refuse(input, target):
        raise DataError("mine")

    with pytest.raises(DataError, match="^mine"):
        graph(refuse).train(TASK)


# ---------------------------------------------------------------- the loss as a measure


def mean_loss(input, target):
    return functional.binary_cross_entropy_with_logits(input, target)


def by_hand(batch, epochs=3):
    """Training loss by epoch, the mean over rows of what each batch had before its step; and validation loss after it."""
    torch.manual_seed(1)
    net = torch.nn.Linear(3, 1)
    x, y = torch.tensor(X, dtype=torch.float32), torch.tensor(Y == "a").float()[:, None]
    train, valid = [], []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.arange(30).split(batch):
            net.zero_grad()
            loss = mean_loss(net(x[rows]), y[rows])
            loss.backward()
            total += loss.item() * len(rows)
            with torch.no_grad():
                for p in net.parameters():
                    p -= 0.3 * p.grad
        train.append(total / 30)
        valid.append(mean_loss(net(x), y).item())
    return train, valid


@pytest.mark.parametrize("loss", ["cross_entropy", mean_loss])
@pytest.mark.parametrize("vectorized", [False, True])
def test_loss_in_the_history(loss, vectorized):
    settings = {"measures_train": ["loss"], "measures_valid": ["loss", "classif.ce"], "shuffle": False}
    learner = as_learner(graph(loss, **settings), validate="predefined")
    if vectorized:
        learner, _ = drive(learner.clone().training(TASK, TASK) for _ in range(2))
        assert learner.model["torch_model_classif"].vectorized == (2 if loss == "cross_entropy" else 1)
    else:
        learner.train(TASK, valid=TASK)
    train, valid = by_hand(8)
    assert learner.history.columns == ["epoch", "train.loss", "valid.loss", "valid.classif.ce"]
    np.testing.assert_allclose(learner.history["train.loss"], train, rtol=1e-5)
    np.testing.assert_allclose(learner.history["valid.loss"], valid, rtol=1e-5)
    assert learner.internal_valid_scores["loss"] == pytest.approx(valid[-1], rel=1e-5)


def test_loss_beside_other_measures_of_training():
    both = as_learner(graph(measures_train=["classif.ce", "loss"], eval_freq=2)).train(TASK).history
    alone = as_learner(graph(measures_train=["loss"])).train(TASK).history
    assert both.columns == ["epoch", "train.classif.ce", "train.loss"]
    assert both["epoch"].to_list() == [2, 3]
    assert both["train.loss"].to_list() == alone["train.loss"][1:].to_list()


def test_loss_of_a_regression_with_a_sampler():
    sampler = lambda task, generator: [[0, 1, 2, 3, 4], [5]]  # noqa: E731
    unset = po("torch_model_regr").batch_size
    seen = []
    note = torch_callback("note", on_batch_end=lambda ctx: seen.append(ctx.last_loss))
    g = graph("mse", [note], "regr", batch_size=unset, batch_sampler=sampler, epochs=1, measures_train=["loss"])
    assert as_learner(g).train(REGR).history["train.loss"][0] == pytest.approx((5 * seen[0] + seen[1]) / 6, rel=1e-6)


def test_stopping_early_by_ones_own_loss():
    worse = iter(range(100))

    def rising(input, target):
        return input.mean() * 0 + next(worse)

    g = graph(rising, epochs=20, batch_size=30, patience=2, measures_valid=["loss"])
    learner = as_learner(g, validate=TASK).train(TASK)
    assert learner.history["valid.loss"].to_list() == [1, 3, 5]
    assert learner.best_epoch == 1


def test_a_loss_that_fails_on_the_validation_data():
    def only_eight(input, target):
        return input.reshape(8, 1).mean()

    g = graph(only_eight, drop_last=True, measures_valid=["loss"])
    with pytest.raises(TrainingError, match=r"only_eight failed on an output of \(30, 1\)"):
        as_learner(g, validate=TASK).train(TASK)


def test_the_loss_scores_no_prediction():
    learner = as_learner(graph()).train(TASK)
    with pytest.raises(ConfigError, match="needs the loss"):
        learner.predict(TASK).score("loss")
    assert msr("loss").minimize is True


def test_pruning_by_the_loss():
    g = graph(measures_valid=["loss"])
    g.params["torch_optimizer.lr"] = to_tune(0.1, 0.2)
    tuner = auto_tuner(as_learner(g, validate=0.3), resampling=rsmp("holdout"), measure="classif.ce", n_trials=2, seed=1)
    assert tuner.train(TASK).archive["state"].to_list() == ["complete"] * 2


# ---------------------------------------------------------------- batches without positives


@pytest.mark.parametrize("settings", [{}, {"shuffle": False}, {"shuffle": False, "drop_last": True}, {"eval_freq": 2}])
@pytest.mark.parametrize("vectorized", [False, True])
def test_batches_without_positives(settings, vectorized):
    seen = {}
    note = torch_callback("note", on_batch_begin=lambda ctx: seen.setdefault(ctx.epoch, []).append(float(ctx.y.sum())))
    history = t_clbk("history", batches_without_positives=True)
    settings = {"batch_size": 4, "measures_train": ["classif.ce"], **settings}
    alone = as_learner(graph(callbacks=[note, history], **settings)).train(TASK)
    wanted = [sum(n == 0 for n in seen[epoch]) for epoch in alone.history["epoch"]]
    assert any(wanted)
    assert alone.history.columns == ["epoch", "train.classif.ce", "train.loss", "train.batches_without_positives"]
    learner = as_learner(graph(callbacks=[history], **settings))
    if vectorized:
        learner, other = drive(learner.clone().training(TASK) for _ in range(2))
        assert other.model["torch_model_classif"].vectorized == 2
    else:
        learner.train(TASK)
    for one in (alone, learner):
        assert one.history["train.batches_without_positives"].to_list() == wanted
        assert one.history["train.batches_without_positives"].dtype == pl.Int64


def test_batches_are_counted_where_that_is_asked_for_and_means_something():
    history = t_clbk("history", batches_without_positives=True)
    assert as_learner(graph(callbacks=[history])).train(THREE).history.columns == ["epoch", "train.loss"]
    assert as_learner(graph(callbacks=["history"], measures_train="classif.ce")).train(TASK).history.width == 3
    assert repr(history) == 't_clbk("history", batches_without_positives=True)'
    counted = as_learner(graph(callbacks=[history])).train(TASK)
    assert counted.history.columns == ["epoch", "train.loss", "train.batches_without_positives"]


# ---------------------------------------------------------------- batch norm and batches of one row


NORM = nn("batch_norm1d") >> nn("head")


@pytest.mark.parametrize("rows", [9, 17])
def test_batch_norm_and_a_last_batch_of_one_row(rows):
    task = TASK.filter(range(rows))
    with pytest.raises(ConfigError, match=rf"'batch_norm1d' .* one row only \({rows} rows, batch_size 8\); set drop_last=True"):
        graph(layers=NORM).train(task)
    with pytest.raises(ConfigError, match="batches have one row only .*; set another batch_size"):
        graph(layers=NORM, batch_size=1, drop_last=True).train(task)
    for settings in ({"drop_last": True}, {"epochs": 0}, {"batch_size": rows}):
        graph(layers=NORM, **settings).train(task)


def test_batch_norm_over_more_than_rows():
    graph(layers=nn("unsqueeze", dim=1) >> nn("batch_norm1d") >> nn("flatten") >> nn("head")).train(TASK.filter(range(9)))


def test_batch_norm_that_is_hidden_in_a_module():
    hidden = nn("fn", fn=lambda x: functional.batch_norm(x, None, None, training=True)) >> nn("head")
    with pytest.raises(TrainingError, match=r"batch 2 of epoch 1 has 1; choose another batch_size"):
        graph(layers=hidden).train(TASK.filter(range(9)))
