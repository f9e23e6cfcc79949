"""Training runs: equal to a loop by hand, repeatable, sealed off from the global generators; what is refused."""

import copy
import pickle
import random
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch

from pipeops import as_learner, as_task_classif, as_task_regr, load_learner, measure, nn, po
from pipeops.errors import PipeOpsError
from pipeops.net import StratifiedBatches, torch_callback

rng = np.random.default_rng(1)
X = rng.normal(size=(50, 4)).astype("float32")
LABEL = np.where(X[:, 0] + 0.3 * rng.normal(size=50) > 0, "yes", "no")


def frame(n=50):
    return pl.from_numpy(X[:n], schema=list("abcd")).with_columns(pl.Series("y", LABEL[:n]))


def task(n=50):
    return as_task_classif(frame(n), target="y", positive="yes")


def regr(n=50):
    return as_task_regr(pl.from_numpy(X[:n], schema=list("abcd")).with_columns(y=pl.col("a") * 2), target="y")


def graph(model="classif", *, layers=None, loss="cross_entropy", optimizer="adam", callbacks=(), **settings):
    layers = nn("linear", out_features=8) >> nn("relu") >> nn("dropout", p=0.2) >> nn("head") if layers is None else layers
    settings = {"epochs": 3, "batch_size": 16, "seed": 1, **settings}
    if model == "classif":
        settings = {"predict_type": "prob", **settings}
    return (
        po("torch_ingress_num")
        >> layers
        >> po("torch_loss", loss=loss)
        >> po("torch_optimizer", optimizer=optimizer, lr=0.02)
        >> po("torch_callbacks", callbacks=list(callbacks))
        >> po(f"torch_model_{model}", **settings)
    )


def weights(learner):
    return [p.detach().clone() for p in learner.network.parameters()]


def same(a, b):
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


# ---------------------------------------------------------------- the numbers


def by_hand(optimizer, epochs, shuffle, batch=16, drop_last=False):
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1)
    )  # fmt: skip
    stepper = optimizer(network.parameters(), lr=0.02)
    x, y = torch.from_numpy(X), torch.from_numpy(LABEL == "yes").float()[:, None]
    for _ in range(epochs):
        order = torch.randperm(50) if shuffle else torch.arange(50)
        for rows in order[: 50 // batch * batch if drop_last else 50].split(batch):
            stepper.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(network(x[rows]), y[rows]).backward()
            stepper.step()
    return list(network.parameters())


OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equals_a_loop_by_hand(optimizer, shuffle):
    """With the same seed, dropout and shuffling included."""
    mine = weights(as_learner(graph(optimizer=optimizer, shuffle=shuffle)).train(task()))
    for a, b in zip(mine, by_hand(OPTIMIZERS[optimizer], 3, shuffle), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_initial_weights_are_bit_equal_to_torch():
    assert same(weights(as_learner(graph(epochs=0)).train(task())), by_hand(torch.optim.SGD, 0, False))


@pytest.mark.parametrize("shuffle", [True, False])
def test_drop_last_leaves_out_what_is_over(shuffle):
    mine = weights(as_learner(graph(shuffle=shuffle, drop_last=True)).train(task()))
    for a, b in zip(mine, by_hand(torch.optim.Adam, 3, shuffle, drop_last=True), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_same_seed_same_bits_other_seed_others():
    runs = [weights(as_learner(graph(seed=s)).train(task())) for s in (1, 1, 2)]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_a_seed_is_drawn_and_kept():
    first = as_learner(graph(seed=None)).train(task())
    seed = first.model["torch_model_classif"].seed
    assert same(weights(first), weights(as_learner(graph(seed=seed)).train(task())))
    assert seed != as_learner(graph(seed=None)).train(task()).model["torch_model_classif"].seed


@pytest.mark.parametrize("seed", [1, None])
def test_global_generators_are_left_alone(seed):
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()
    learner = as_learner(graph(seed=seed, num_threads=2)).train(task())
    learner.predict(task())
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()
    assert before[2:] == (random.getstate(), torch.get_num_threads())


def test_prediction_is_the_network_in_row_order():
    learner = as_learner(graph()).train(task())
    with torch.no_grad():
        p = torch.sigmoid(learner.network(torch.from_numpy(X)))[:, 0].numpy()
    for size in (1, 7, 50, None):
        again = as_learner(graph(batch_size_predict=size)).train(task()).predict(task())
        np.testing.assert_allclose(again.prob[:, 0], p, atol=1e-6)
    prediction = learner.predict(task(), rows=[30, 2, 2])
    np.testing.assert_allclose(prediction.prob[:, 0], p[[30, 2, 2]], atol=1e-6)
    assert prediction.row_ids.tolist() == [30, 2, 2]
    assert prediction.class_names == ["yes", "no"]
    assert prediction.truth.tolist() == LABEL[[30, 2, 2]].tolist()
    assert not learner.network.training


def test_response_without_probabilities():
    with_prob, without = (as_learner(graph(predict_type=t)).train(task()).predict(task()) for t in ("prob", "response"))
    assert without.predict_types == ["response"]
    assert (with_prob.response == without.response).all()


def test_positive_class_of_the_model_holds_at_predict():
    """A task with the classes the other way round is scored by the model's own positive class."""
    learner = as_learner(graph()).train(task())
    turned = as_task_classif(frame(), target="y", positive="no")
    a, b = learner.predict(task()), learner.predict(turned)
    assert a.class_names == b.class_names
    assert (a.prob == b.prob).all()
    assert (a.truth == b.truth).all()
    other = as_task_classif(frame().with_columns(y=pl.when(pl.col("y") == "no").then(pl.lit("never")).otherwise("y")), target="y")
    with pytest.raises(ValueError, match="never"):
        learner.predict(other)


def test_newdata_without_target():
    learner = as_learner(graph()).train(task())
    bare = learner.predict_newdata(frame().drop("y"))
    assert (bare.prob == learner.predict(task()).prob).all()
    assert set(bare.truth) == {None}


def test_regression():
    learner = as_learner(graph("regr", loss="mse", layers=nn("head"), epochs=200, shuffle=False)).train(regr())
    assert learner.predict(regr()).score("regr.rsq") > 0.99


def test_three_classes():
    labels = pl.Series("y", np.array(["u", "v", "w"])[np.digitize(X[:, 0], [-0.5, 0.5])])
    three = as_task_classif(frame().with_columns(labels), target="y")
    prediction = as_learner(graph(epochs=60, measures_train=["classif.acc"])).train(three).predict(three)
    assert prediction.prob.shape == (50, 3)
    np.testing.assert_allclose(prediction.prob.sum(1), 1, atol=1e-6)
    assert prediction.score("classif.acc") > 0.8


# ---------------------------------------------------------------- batches


def test_every_row_is_seen_once_an_epoch():
    seen, plain = [], []
    note = torch_callback("note", on_batch_begin=lambda ctx: (seen.append(ctx.x[0].clone()), plain.append(len(ctx.y))))
    as_learner(graph(callbacks=[note])).train(task())
    assert plain == [16, 16, 16, 2] * 3
    epochs = torch.cat(seen).reshape(3, 50, 4)
    for epoch in epochs:
        assert sorted(epoch[:, 0].tolist()) == sorted(X[:, 0].tolist())
    assert not torch.equal(epochs[0], epochs[1])


def test_batch_sampler():
    sizes = []
    note = torch_callback("note", on_batch_begin=lambda ctx: sizes.append(int(ctx.y.sum())))
    settings = {"batch_size": po("torch_model_classif").batch_size, "batch_sampler": StratifiedBatches(min_per_stratum=4)}
    learner = as_learner(graph(callbacks=[note], measures_train=["classif.acc"], **settings))
    learner.train(task().with_roles(stratum="y"))
    assert min(sizes) >= 4
    assert learner.history["epoch"].to_list() == [1, 2, 3]
    runs = [as_learner(graph(**settings)).train(task().with_roles(stratum="y")) for _ in range(2)]
    assert same(weights(runs[0]), weights(runs[1]))


def test_batch_sampler_of_ones_own():
    rows = []
    note = torch_callback("note", on_batch_begin=lambda ctx: rows.append(ctx.x[0][:, 0].tolist()))
    two_batches = lambda task, generator: [[0, 3], np.array([7])]  # noqa: E731
    settings = {"batch_size": po("torch_model_classif").batch_size, "epochs": 1}
    as_learner(graph(callbacks=[note], batch_sampler=two_batches, measures_train=["classif.ce"], **settings)).train(task())
    np.testing.assert_array_equal(rows[0] + rows[1], X[[0, 3, 7], 0])


def test_one_class_in_a_batch():
    one_by_one = task().filter(np.argsort(LABEL == "yes", kind="stable"))
    learner = as_learner(graph(shuffle=False, batch_size=4)).train(one_by_one)
    assert np.isfinite(learner.predict(task()).prob).all()


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_network_that_writes_into_its_input_leaves_the_data_alone(shuffle):
    sums = []
    note = torch_callback("note", on_batch_begin=lambda ctx: sums.append(ctx.x[0].sum().item()))
    spoiling = nn("relu", inplace=True) >> nn("head")
    settings = {"batch_size": 50, "measures_valid": ["classif.ce"], "callbacks": [note]}
    learner = as_learner(graph(layers=spoiling, shuffle=shuffle, **settings), validate=task()).train(task())
    assert sums == pytest.approx([X.sum()] * 3, rel=1e-3)
    again = as_learner(graph(layers=nn("relu") >> nn("head"), shuffle=shuffle, **settings), validate=task()).train(task())
    assert same(weights(learner), weights(again))
    assert learner.history.equals(again.history)


def test_no_rows_to_predict():
    prediction = as_learner(graph()).train(task()).predict(task(), rows=[])
    assert len(prediction) == 0
    assert prediction.prob.shape == (0, 2)


# ---------------------------------------------------------------- measures, early stopping


def test_train_scores_are_those_of_the_outputs_while_training():
    outputs, rows = [], []
    note = torch_callback("note", on_batch_end=lambda ctx: (outputs.append(ctx.y_hat.detach()), rows.append(ctx.y.clone())))
    learner = as_learner(graph(callbacks=[note], measures_train=["classif.logloss"])).train(task())
    for epoch, score in enumerate(learner.history["train.classif.logloss"]):
        steps = slice(4 * epoch, 4 * epoch + 4)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(torch.cat(outputs[steps]), torch.cat(rows[steps]))
        assert score == pytest.approx(loss.item(), rel=1e-5)


NAN = float("nan")
STOPPING = [
    # scores, minimize, patience, min_delta -> epochs run, best epoch
    ([3, 2, 1, 2, 3, 4, 5, 6], True, 2, 0, 5, 3),
    ([1, 2, 3, 2, 1, 0, 0, 0], False, 2, 0, 5, 3),
    ([3, 2, 1, 2, 3, 4, 5, 6], True, 0, 0, 8, 3),
    ([3, 3, 3, 3, 3, 3, 3, 3], True, 3, 0, 4, 1),
    ([3, 2.95, 2.93, 2.91, 2, 2, 2, 2], True, 3, 0.1, 4, 1),
    ([3, 2.95, 2.93, 2.91, 2, 2, 2, 2], True, 4, 0.1, 8, 5),
    ([3, NAN, NAN, 1, 1, 1, 1, 1], True, 3, 0, 7, 4),
    ([3, NAN, NAN, 1, 1, 1, 1, 1], True, 2, 0, 3, 1),
    ([NAN, NAN, 2, 1, 1, 1, 1, 1], True, 2, 0, 2, None),
    ([NAN, 2, NAN, NAN, 1, 1, 1, 1], True, 3, 0, 8, 5),
]


@pytest.mark.filterwarnings("ignore::pipeops.learn.measures.measure.MeasureWarning")
@pytest.mark.parametrize("restore", [False, True])
@pytest.mark.parametrize(("scores", "minimize", "patience", "min_delta", "epochs", "best"), STOPPING)
def test_early_stopping(scores, minimize, patience, min_delta, epochs, best, restore):
    left, seen = iter(scores), []
    note = torch_callback("note", on_valid_end=lambda ctx: seen.append([p.detach().clone() for p in ctx.network.parameters()]))
    watched = measure("watched", lambda truth, response: next(left), minimize=minimize)
    g = graph(epochs=8, patience=patience, min_delta=min_delta, restore_best_weights=restore,
              measures_valid=[watched, "classif.ce"], callbacks=[note])  # fmt: skip
    learner = as_learner(g, validate=0.3).train(task())
    assert len(learner.history) == learner.model["torch_model_classif"].epochs == epochs
    assert learner.best_epoch == best
    kept = best if restore and best else epochs
    assert same(weights(learner), seen[kept - 1])
    np.testing.assert_equal(learner.internal_valid_scores["watched"], float(scores[kept - 1]))
    assert list(learner.internal_valid_scores) == ["watched", "classif.ce"]


def test_validation_data_are_never_fitted_on():
    learners = [as_learner(po("scale") >> graph(measures_valid=["classif.ce"]), validate=v) for v in (task(10), task(30))]
    assert same(*(weights(learner.train(task())) for learner in learners))


# ---------------------------------------------------------------- states


def test_a_trained_learner_survives_copies_and_files(tmp_path):
    learner = as_learner(graph(measures_valid=["classif.auc"], callbacks=["history"]), validate=0.3).train(task())
    expected = learner.predict(task()).prob
    learner.save(tmp_path / "learner")
    for again in (copy.deepcopy(learner), pickle.loads(pickle.dumps(learner)), load_learner(tmp_path / "learner")):
        assert (again.predict(task()).prob == expected).all()
        assert again.history.equals(learner.history)
        assert again.best_epoch == learner.best_epoch
        assert again.internal_valid_scores == learner.internal_valid_scores


def test_training_again_gives_a_new_network():
    learner = as_learner(graph())
    first = learner.train(task()).network
    assert learner.train(task()).network is not first


# ---------------------------------------------------------------- what is refused

WITHOUT = {"epochs": po("torch_model_classif").epochs}
MISSING = pl.DataFrame({"a": [1.0, None, 2.0], "y": ["u", "v", "u"]})


def explode(input, target):
    return torch.where(input.sum() == input.sum(), input.sum() * float("inf"), input.sum())


def fit(g, on=None, **more):
    g = g if hasattr(g, "ids") else as_learner(g)
    return as_learner(g, **more).train(task() if on is None else on)


def headless(**layers):
    return graph(layers=nn("linear", **layers))


BAD = {
    "no epochs": (lambda: fit(graph(**WITHOUT)), ValueError, "set 'epochs'"),
    "no batch size": (lambda: fit(graph(batch_size=WITHOUT["epochs"])), ValueError, "set 'batch_size'"),
    "negative epochs": (lambda: graph(epochs=-1), ValueError, "epochs"),
    "half an epoch": (lambda: graph(epochs=0.5), ValueError, "epochs"),
    "batch size 0": (lambda: graph(batch_size=0), ValueError, "batch_size"),
    "both samplers": (lambda: fit(graph(batch_sampler=StratifiedBatches(1))), ValueError, "not both"),
    "no sampler": (lambda: fit(graph(batch_size=WITHOUT["epochs"], batch_sampler=3)), ValueError, "batch_sampler"),
    "empty sampler": (lambda: fit(graph(batch_size=WITHOUT["epochs"], batch_sampler=lambda t, g: [])), ValueError, "no batches"),
    "rows outside": (lambda: fit(graph(batch_size=WITHOUT["epochs"], batch_sampler=lambda t, g: [[50]])), ValueError, "outside"),
    "threads 0": (lambda: graph(num_threads=0), ValueError, "num_threads"),
    "seed as text": (lambda: graph(seed="one"), ValueError, "seed"),
    "unknown hyperparameter": (lambda: po("torch_model_classif", epoch=3), TypeError, "epochs"),
    "unknown device": (lambda: fit(graph(device="gpu")), ValueError, "device"),
    "predict type": (lambda: graph(predict_type="probability"), ValueError, "predict_type"),
    "drop_last of all": (lambda: fit(graph(batch_size=51, drop_last=True)), ValueError, "drop_last"),
    "no rows": (lambda: fit(graph(), task().filter([])), ValueError, "no rows"),
    "missing values": (lambda: fit(graph(), as_task_classif(MISSING, target="y")), ValueError, "imputemean"),
    "regression task": (lambda: fit(graph(), regr()), ValueError, "regr"),
    "loss of another task": (lambda: fit(graph(loss="mse")), ValueError, "regr"),
    "two outputs for two classes": (lambda: fit(headless(out_features=2)), ValueError, r'linear: .*\(batch, 2\).*nn\("head"\)'),
    "unflattened output": (lambda: fit(graph(layers=nn("unsqueeze", dim=1))), ValueError, "head"),
    "no parameters": (lambda: fit(graph(layers=nn("relu")), as_task_classif(frame().select("a", "y"), target="y")),
                      ValueError, "param"),
    "no loss": (lambda: fit(po("torch_ingress_num") >> nn("head") >> po("torch_optimizer") >> graph()["torch_model_classif"]),
                ValueError, "torch_loss"),
    "no optimizer": (lambda: fit(po("torch_ingress_num") >> nn("head") >> po("torch_loss", "cross_entropy")
                                 >> graph()["torch_model_classif"]), ValueError, "torch_optimizer"),
    "patience without measures": (lambda: fit(graph(patience=2), validate=0.3), ValueError, "measures_valid"),
    "patience without data": (lambda: fit(graph(patience=2, measures_valid=["classif.ce"])), ValueError, "validation data"),
    "measures without data": (lambda: fit(graph(measures_valid=["classif.ce"])), ValueError, "validation data"),
    "restore without measures": (lambda: fit(graph(restore_best_weights=True), validate=0.3), ValueError, "restore"),
    "unknown measure": (lambda: fit(graph(measures_train=["classif.au"])), KeyError, "classif.auc"),
    "measure of another task": (lambda: fit(graph(measures_train=["regr.mse"])), ValueError, "regr.mse"),
    "measure of a learner": (lambda: fit(graph(measures_train=["time_train"])), ValueError, "learner"),
    "watch no direction": (lambda: fit(graph(patience=1, measures_valid=[measure("m", lambda t, r: 0.0, minimize=None)]),
                                        validate=0.3), ValueError, "watched"),
    "infinite loss": (lambda: fit(graph(loss=explode)), RuntimeError, "epoch 1, batch 1"),
    "two callbacks of one id": (lambda: graph(callbacks=["history", "history"]), ValueError, "history"),
    "predict before train": (lambda: as_learner(graph()).predict(task()), RuntimeError, "train"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    make, kind, words = BAD[name]
    with pytest.raises(kind, match=words) as error:
        make()
    assert isinstance(error.value, PipeOpsError)


def test_a_run_that_fails_leaves_nothing_trained():
    learner = as_learner(graph(loss=lambda input, target: input.sum() * float("nan") if spoiled else input.mean()))
    spoiled = False
    learner.train(task())
    spoiled = True
    with pytest.raises(RuntimeError, match="became nan in epoch 1, batch 1 of 4"):
        learner.train(task())
    assert not learner.is_trained
    fresh = graph(loss=explode)
    with pytest.raises(RuntimeError, match="became -inf"):
        fresh.train(task())
    assert not fresh.is_trained


COLD = """
import sys
from pipeops import as_learner, as_task_classif, nn, po
task = as_task_classif({{"x": [0.0, 1.0, 2.0, 3.0], "y": ["a", "b", "a", "b"]}}, target="y")
graph = (po("torch_ingress_num") >> nn("linear", out_features=4) >> nn("relu") >> nn("dropout") >> nn("head")
         >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", optimizer="{optimizer}")
         >> po("torch_model_classif", epochs=2, batch_size=2))
as_learner(graph).train(task).predict(task)
print([m for m in ("torch._dynamo", "sympy", "sklearn", "pandas") if m in sys.modules])
"""


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_does_not_load_the_compiler(optimizer):
    code = COLD.format(optimizer=optimizer)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
